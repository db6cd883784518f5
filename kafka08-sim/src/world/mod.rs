//! A client, brokers and a network in virtual time.
//!
//! A world drives a client by the driver's rules (see [`Machine`](kafka08_client::machine::Machine)), and brokers by those of
//! [`kafka08_broker::Cluster`]. It owns the time and all that goes wrong. What the client does, and whether it does it
//! right, is the business of the workload and of the checker.

mod brokers;
mod client;
mod faults;
mod limits;
mod noting;
mod phases;
mod watch;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::{Duration, Instant},
};

use kafka08_broker::{BrokerConfig, Cluster, Now};
use kafka08_client::machine::{LinkId, Machine as _};
use kafka08_proto::{
    HostPort,
    ids::{ConnectionId, NodeId, Timestamp},
    profile::Profile as Release,
};

use crate::{
    check::{Invariant, Violation},
    coverage::Coverage,
    history::{Detail, History},
    logs::{Logs, topic_name},
    net::{Breach, Conn, ConnNumber, Profile, Way},
    plan::Plan,
    sent::Sent,
    workload::{Stepped, Workload},
};
use faults::Troubles;
use phases::Phase;
pub use phases::Ran;
use watch::Watch;

/// The wall clock of the brokers at the start, in milliseconds since the epoch: any time will do.
const WALL: i64 = 1_400_000_000_000;
/// How often a world may go round at one time, besides once for each byte of its records, which may travel one by one.
const MOST_ROUNDS: u64 = 200_000;
/// More than a record takes besides its filler, in its request and in the answer.
const AROUND_FILLER: u64 = 256;
/// How often a record may travel at one time.
const MOST_ATTEMPTS: u64 = 4;
/// How many links a driver pumps in a turn.
const LINKS_PER_TURN: usize = 64;

/// What happens at a later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Bytes of a connection may have arrived.
    Arrive(ConnNumber, Way),
    /// A connection attempt comes to the other side.
    Connect(ConnNumber),
    /// A connection attempt takes too long.
    ConnectExpired(ConnNumber),
    /// A fault begins.
    Fault(usize),
    /// A broker is killed, some time after the fault that does it has begun.
    Kill(NodeId),
    /// A fault ends.
    FaultEnds(usize),
    /// A connection stalls until this time.
    Clog(ConnNumber, u64),
    /// Time for all partitions to have leaders.
    Led,
    /// Time to look whether the run goes on.
    Look,
}

/// A client, brokers and a network in virtual time.
#[derive(Debug)]
pub struct World<W: Workload> {
    plan: Plan,
    profile: Profile,
    workload: W,
    cluster: Cluster,
    history: History,
    logs: Logs,
    sent: Sent,
    coverage: Coverage,
    watch: Watch,
    phase: Phase,
    /// The time, in microseconds from the start.
    now: u64,
    /// The brokers' time at the start.
    base: Instant,
    /// The client's time at the start, as its clock has it now. Faults move it.
    client_base: Instant,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Counts events, and so orders those of one time.
    events: u64,
    conns: BTreeMap<ConnNumber, Conn>,
    next_conn: ConnNumber,
    by_link: BTreeMap<LinkId, ConnNumber>,
    by_far: BTreeMap<ConnectionId, ConnNumber>,
    /// Connections whose client's end may move bytes.
    client_ready: Vec<ConnNumber>,
    /// Connections whose broker's end may move bytes.
    far_ready: Vec<ConnNumber>,
    troubles: Troubles,
    /// The connection that has just read what cannot be trusted, until the client has told what it makes of it.
    breached: Option<(ConnNumber, Breach)>,
    /// What has ended links that are dropped, until the workload has told why they have ended.
    breaches: BTreeMap<LinkId, Breach>,
    /// Whether the client has a reason to take a turn besides bytes and its timeouts.
    is_client_woken: bool,
    /// The number of the next request in the brokers' history when logs were read last.
    served: u64,
    violation: Option<Violation>,
}

/// The address of a broker.
#[must_use]
pub fn address(node: NodeId) -> HostPort {
    HostPort::new(format!("broker{node}"), 9091_u16.saturating_add(u16::try_from(node.0).unwrap_or(0)))
}

/// The brokers of a plan.
pub fn nodes(plan: &Plan) -> impl Iterator<Item = NodeId> + use<> {
    (1..=i32::try_from(plan.settings.brokers.max(1)).unwrap_or(1)).map(NodeId)
}

fn broker_config(plan: &Plan) -> BrokerConfig {
    let settings = &plan.settings;
    let small = |number: u64| u16::try_from(number.clamp(1, 64)).unwrap_or(1);
    let release = match settings.release {
        1 => Release::V0_8_1,
        2 => Release::V0_8_0,
        _ => Release::V0_8_2,
    };
    let mut config = BrokerConfig::default()
        .with_profile(release)
        .with_brokers(small(settings.brokers))
        .with_replication(small(settings.replication))
        .with_seed(settings.residual)
        .with_election_delay(Duration::from_micros(settings.election_delay))
        .with_metadata_delay(Duration::from_micros(settings.metadata_delay))
        .with_replication_lag(Duration::from_micros(settings.replication_lag))
        .with_offsets_partitions(2)
        // Logs are read by the world itself, so the brokers need not remember requests.
        .with_history_entries(4)
        .with_history_bytes(1 << 12);
    if settings.unclean == 0 {
        config = config.without_unclean_election();
    }
    for topic in 0..small(settings.topics).min(4) {
        config = config.with_topic(topic_name(topic), small(settings.partitions));
    }
    config
}

impl<W: Workload> World<W> {
    /// Creates a world in which nothing has happened.
    #[must_use]
    pub fn new(plan: Plan, workload: W, detail: Detail) -> Self {
        // Only differences of times matter. The base is late enough for a clock that jumps backward.
        let base = Instant::now() + Duration::from_secs(86_400);
        let addresses = nodes(&plan).map(|node| (node, address(node))).collect();
        let cluster = Cluster::new(broker_config(&plan), &addresses, Now { instant: base, wall: Timestamp(WALL) });
        let mut world = Self {
            profile: Profile::of(&plan.settings),
            logs: Logs::new(workload.promises().records),
            sent: Sent::new(workload.promises().records),
            watch: Watch::new(&plan.settings),
            phase: Phase::Safety,
            troubles: Troubles::new(&plan),
            workload,
            cluster,
            history: History::new(detail),
            coverage: Coverage::default(),
            now: 0,
            base,
            client_base: base,
            queue: BinaryHeap::new(),
            events: 0,
            conns: BTreeMap::new(),
            next_conn: 0,
            by_link: BTreeMap::new(),
            by_far: BTreeMap::new(),
            client_ready: Vec::new(),
            far_ready: Vec::new(),
            breached: None,
            breaches: BTreeMap::new(),
            is_client_woken: true,
            served: 0,
            violation: None,
            plan,
        };
        world.schedule_faults();
        world
    }

    /// The time of the brokers.
    fn broker_now(&self) -> Now {
        let wall = i64::try_from(self.now / 1000).unwrap_or(i64::MAX).saturating_add(WALL);
        Now { instant: self.base + Duration::from_micros(self.now), wall: Timestamp(wall) }
    }

    /// The time of the client's clock.
    fn client_now(&self) -> Instant {
        self.client_base + Duration::from_micros(self.now)
    }

    /// The time of the world at which a clock with this base shows a time, rounded up.
    fn since(base: Instant, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(base).as_nanos();
        u64::try_from(nanos.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    fn push(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((at.max(self.now), self.events, event)));
    }

    /// Notes that something does not hold. The first one counts.
    fn fail(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, at: self.now, what: what() });
        }
    }

    /// Goes on to the next time at which something happens. Returns whether there is one.
    fn advance(&mut self) -> bool {
        let next = [
            self.queue.peek().map(|Reverse((at, _, _))| *at),
            self.cluster.poll_timeout().map(|at| Self::since(self.base, at)),
            self.client_wakes_at(),
        ];
        let Some(next) = next.into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        self.history.set_now(self.now);
        while let Some(Reverse((at, _, _))) = self.queue.peek()
            && *at <= self.now
            && let Some(Reverse((_, _, event))) = self.queue.pop()
        {
            self.handle(event);
        }
        true
    }

    /// When the client or its user does something without being told of bytes.
    fn client_wakes_at(&self) -> Option<u64> {
        let machine = Some(self.workload.machine_ref()).filter(|machine| !machine.is_over());
        let machine = machine.and_then(|machine| machine.poll_timeout()).map(|at| Self::since(self.client_base, at));
        let next = [machine, self.workload.next_step()].into_iter().flatten().min()?;
        // A paused process does what was due when it goes on.
        Some(next.max(self.troubles.client_paused_until))
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(number, way) => self.handle_arrival(number, way),
            Event::Connect(number) => self.handle_connect(number),
            Event::ConnectExpired(number) => self.handle_connect_expired(number),
            Event::Fault(index) => self.begin_fault(index, None),
            Event::Kill(node) => self.lose_tail(node),
            Event::FaultEnds(index) => self.end_fault(index),
            Event::Clog(number, until) => self.clog(number, until),
            Event::Led => self.bring_back_leaders(),
            Event::Look => {}
        }
    }

    fn handle_arrival(&mut self, number: ConnNumber, way: Way) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let pipe = conn.pipe(way);
        if pipe.looks_at != Some(now) {
            // A later look replaced this one.
            return;
        }
        pipe.looks_at = None;
        if pipe.arrive(now) {
            match way {
                Way::Up => self.mark_far(number),
                Way::Down => self.mark_client(number),
            }
        }
        self.schedule_arrival(number, way);
    }

    /// Has an event look at what arrives next.
    fn schedule_arrival(&mut self, number: ConnNumber, way: Way) {
        let now = self.now;
        let Some(pipe) = self.conns.get_mut(&number).map(|conn| conn.pipe(way)) else { return };
        if pipe.is_readable(now) && !pipe.has_transit() {
            return;
        }
        let Some(at) = pipe.next_arrival().map(|at| at.max(now)) else { return };
        if pipe.looks_at.is_some_and(|looks_at| looks_at <= at) {
            return;
        }
        pipe.looks_at = Some(at);
        self.push(at, Event::Arrive(number, way));
    }

    fn mark_client(&mut self, number: ConnNumber) {
        if let Some(conn) = self.conns.get_mut(&number)
            && conn.is_held
            && !std::mem::replace(&mut conn.is_client_ready, true)
        {
            self.client_ready.push(number);
        }
    }

    fn mark_far(&mut self, number: ConnNumber) {
        if let Some(conn) = self.conns.get_mut(&number)
            && !std::mem::replace(&mut conn.is_far_ready, true)
        {
            self.far_ready.push(number);
        }
    }

    /// Lets everything happen that happens at this time.
    fn settle(&mut self) {
        let settings = &self.plan.settings;
        let most_bytes = settings.operations.saturating_mul(settings.filler.saturating_add(AROUND_FILLER));
        for _ in 0..most_bytes.saturating_mul(MOST_ATTEMPTS).saturating_add(MOST_ROUNDS) {
            let client = self.turn_client();
            let brokers = self.turn_brokers();
            if self.violation.is_some() || (client, brokers) == (Stepped::Idle, Stepped::Idle) {
                if self.is_closing_too_long() {
                    self.fail(Invariant::L1, || "the client was closed, and is not over at its deadline".to_owned());
                }
                return;
            }
            // Events of this very time, such as bytes that travel without latency.
            while let Some(Reverse((at, _, _))) = self.queue.peek()
                && *at <= self.now
                && let Some(Reverse((_, _, event))) = self.queue.pop()
            {
                self.handle(event);
            }
        }
        self.fail(Invariant::R3, || "the client, the network and the brokers never come to rest".to_owned());
    }
}
