//! What is wrong with the network and with the client's process, and until when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kafka08_proto::ids::NodeId;

use crate::{
    check::Trust,
    net::{Conn, ConnNumber, Profile, WrongService},
    plan::{Plan, Trigger},
    world::nodes,
};

/// What is wrong with the way to a broker, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    pub(super) hole_until: u64,
    pub(super) refuses_until: u64,
    pub(super) slow_connect: (u64, u64),
    pub(super) wrong: (u64, u64),
    pub(super) swapped: (u64, i32),
    pub(super) slow: (u64, u64),
}

/// What is wrong with the network, and with the client's process.
#[derive(Debug)]
pub(in crate::world) struct Troubles {
    pub(super) of: BTreeMap<NodeId, Trouble>,
    pub(in crate::world) client_paused_until: u64,
    /// Faults that hit traffic, and have not.
    pub(super) waiting: BTreeMap<Trigger, Vec<usize>>,
    /// When the client must be over, which its user has closed.
    pub(in crate::world) over_by: Option<Instant>,
    /// Brokers that have left for ever.
    pub(super) gone: BTreeSet<NodeId>,
    /// Whether elections are awaited after faults have ended: a broker that has left leads until the controller notices it.
    pub(in crate::world) awaits_leaders: bool,
    /// Whether bytes were changed, so that what was told of records proves nothing.
    pub(in crate::world) has_corrupted: bool,
    /// Whether bytes of a list of partitions were changed, for a client that chooses partitions. Records may then be for a
    /// partition that does not exist. Only their delivery timeout ends them, as with every client of 0.8.
    pub(in crate::world) has_misled: bool,
    /// How many connections to brokers of 0.8.2 have ended in good order behind a request that tells releases apart. Two
    /// of them are how a client recognises an earlier release, whose offsets mean something else.
    pub(in crate::world) probes_ended: u32,
    pub(super) is_over: bool,
}

impl Troubles {
    pub(in crate::world) fn new(plan: &Plan) -> Self {
        Self {
            of: nodes(plan).map(|node| (node, Trouble::default())).collect(),
            client_paused_until: 0,
            waiting: BTreeMap::new(),
            over_by: None,
            gone: BTreeSet::new(),
            awaits_leaders: false,
            has_corrupted: false,
            has_misled: false,
            probes_ended: 0,
            is_over: false,
        }
    }

    fn of(&self, node: NodeId) -> Trouble {
        self.of.get(&node).copied().unwrap_or_default()
    }

    pub(in crate::world) fn refuses(&self, node: NodeId, now: u64) -> bool {
        self.of(node).refuses_until > now
    }

    pub(in crate::world) fn reachable_at(&self, node: NodeId, now: u64) -> u64 {
        self.of(node).hole_until.max(now)
    }

    pub(in crate::world) fn connect_latency(&self, node: NodeId, now: u64) -> u64 {
        let (until, latency) = self.of(node).slow_connect;
        if until > now { latency } else { 0 }
    }

    pub(in crate::world) fn service_at(&self, node: NodeId, now: u64) -> Option<WrongService> {
        let (until, service) = self.of(node).wrong;
        (until > now).then(|| WrongService::of_number(service))
    }

    pub(in crate::world) fn served_by(&self, node: NodeId, now: u64) -> NodeId {
        let (until, other) = self.of(node).swapped;
        if until > now { NodeId(other) } else { node }
    }

    /// How the network behaves for a connection now.
    pub(in crate::world) fn profile(
        &self,
        plain: Profile,
        number: ConnNumber,
        conns: &BTreeMap<ConnNumber, Conn>,
        now: u64,
    ) -> Profile {
        let Some(conn) = conns.get(&number) else { return plain };
        let (until, bandwidth) = self.of(conn.addressed).slow;
        if until <= now {
            return plain;
        }
        let bandwidth = if plain.bandwidth == 0 { bandwidth } else { bandwidth.min(plain.bandwidth) };
        Profile { bandwidth, ..plain }
    }

    /// What of the run can be believed.
    pub(in crate::world) fn trust(&self) -> Trust {
        if self.has_corrupted {
            Trust::EndingsOnly
        } else if self.probes_ended >= 2 {
            Trust::AllButOffsets
        } else {
            Trust::All
        }
    }

    /// Whether brokers have left for ever.
    pub(in crate::world) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Ends everything.
    pub(super) fn heal(&mut self) {
        self.of.values_mut().for_each(|trouble| *trouble = Trouble::default());
        self.client_paused_until = 0;
        self.waiting.clear();
        self.is_over = true;
    }
}
