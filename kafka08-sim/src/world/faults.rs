//! What goes wrong: the faults of a plan, and what they leave behind until they end.

use std::collections::BTreeMap;

use kafka08_broker::Rule;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{ApiKey, NodeId},
};

use super::{Event, World, nodes};
use crate::{
    coverage::ConnState,
    history::Place,
    logs::topic_name,
    net::{Conn, ConnNumber, Far, PipeEnd, Profile, Way, WrongService},
    plan::{Fault, FaultKind, Plan, Trigger},
    workload::Workload,
};

/// What is wrong with the way to a broker, and until when.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    hole_until: u64,
    refuses_until: u64,
    slow_connect: (u64, u64),
    wrong: (u64, u64),
    swapped: (u64, i32),
    slow: (u64, u64),
}

/// What is wrong with the network, and with the client's process.
#[derive(Debug)]
pub(super) struct Troubles {
    of: BTreeMap<NodeId, Trouble>,
    pub(super) client_paused_until: u64,
    /// Faults that hit traffic, and have not.
    waiting: BTreeMap<Trigger, Vec<usize>>,
    /// Whether bytes were changed, so that what was told of records proves nothing.
    pub(super) has_corrupted: bool,
    /// Whether brokers were told to answer with codes, so that they tell failures that did not happen.
    pub(super) has_lied: bool,
    is_over: bool,
}

impl Troubles {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            of: nodes(plan).map(|node| (node, Trouble::default())).collect(),
            client_paused_until: 0,
            waiting: BTreeMap::new(),
            has_corrupted: false,
            has_lied: false,
            is_over: false,
        }
    }

    fn of(&self, node: NodeId) -> Trouble {
        self.of.get(&node).copied().unwrap_or_default()
    }

    pub(super) fn refuses(&self, node: NodeId, now: u64) -> bool {
        self.of(node).refuses_until > now
    }

    pub(super) fn reachable_at(&self, node: NodeId, now: u64) -> u64 {
        self.of(node).hole_until.max(now)
    }

    pub(super) fn connect_latency(&self, node: NodeId, now: u64) -> u64 {
        let (until, latency) = self.of(node).slow_connect;
        if until > now { latency } else { 0 }
    }

    pub(super) fn service_at(&self, node: NodeId, now: u64) -> Option<WrongService> {
        let (until, service) = self.of(node).wrong;
        (until > now).then(|| WrongService::of_number(service))
    }

    pub(super) fn served_by(&self, node: NodeId, now: u64) -> NodeId {
        let (until, other) = self.of(node).swapped;
        if until > now { NodeId(other) } else { node }
    }

    /// How the network behaves for a connection now.
    pub(super) fn profile(
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

    /// Ends everything.
    fn heal(&mut self) {
        self.of.values_mut().for_each(|trouble| *trouble = Trouble::default());
        self.client_paused_until = 0;
        self.waiting.clear();
        self.is_over = true;
    }
}

/// How a fault names one of several.
fn nth<T: Copy>(items: &[T], number: u64) -> Option<T> {
    let len = u64::try_from(items.len()).ok()?;
    items.get(usize::try_from(number.checked_rem(len)?).ok()?).copied()
}

fn state_of(conn: &Conn) -> ConnState {
    match conn.far {
        Far::Connecting => ConnState::Connecting,
        _ if conn.tap.is_torn() => ConnState::Writing,
        _ if conn.tap.is_answering() || conn.down.has_transit() => ConnState::Answering,
        _ if conn.tap.outstanding() > 0 => ConnState::Waiting,
        _ => ConnState::Idle,
    }
}

impl<W: Workload> World<W> {
    pub(super) fn schedule_faults(&mut self) {
        for (index, fault) in self.plan.faults.clone().into_iter().enumerate() {
            match fault.when {
                Trigger::Time(at) => self.push(at, Event::Fault(index)),
                other => self.troubles.waiting.entry(other).or_default().push(index),
            }
        }
    }

    /// Begins the faults that wait for this traffic.
    pub(super) fn pull_trigger(&mut self, trigger: Trigger, number: ConnNumber) {
        if self.troubles.waiting.is_empty() {
            return;
        }
        for index in self.troubles.waiting.remove(&trigger).unwrap_or_default() {
            self.begin_fault(index, Some(number));
        }
    }

    /// Whether a fault of the plan still waits for its time.
    pub(super) fn awaits_faults(&self) -> bool {
        let is_ahead = |fault: &Fault| matches!(fault.when, Trigger::Time(at) if at > self.now);
        self.plan.faults.iter().any(is_ahead)
    }

    pub(super) fn begin_fault(&mut self, index: usize, on: Option<ConnNumber>) {
        let Some(fault) = self.plan.faults.get(index).copied().filter(|_| !self.troubles.is_over) else { return };
        self.history.trace(30, u64::try_from(index).unwrap_or(0));
        self.history.note(|| format!("{fault}"));
        let hits = match fault.kind {
            FaultKind::Reset | FaultKind::Fin | FaultKind::Stall | FaultKind::Corrupt => self.hit_conn(fault, on),
            FaultKind::BlackHole
            | FaultKind::Refuse
            | FaultKind::SlowConnect
            | FaultKind::WrongService
            | FaultKind::Swap
            | FaultKind::Slow => self.hit_way(fault),
            FaultKind::Kill | FaultKind::Crash | FaultKind::Stop | FaultKind::Pause | FaultKind::Freeze => {
                self.hit_broker(fault, index)
            }
            FaultKind::MoveLeader | FaultKind::HoldBack | FaultKind::LoseTail => self.hit_partition(fault, index),
            FaultKind::Code => self.hit_answers(fault),
            FaultKind::ClientPause | FaultKind::ClockForward | FaultKind::ClockBack => self.hit_client(fault),
        };
        // A wrong service or a swap counts when somebody connects to it.
        if hits && !matches!(fault.kind, FaultKind::WrongService | FaultKind::Swap) {
            self.coverage.fired(fault.kind);
        }
        self.look_at_ready();
    }

    fn node_of(&self, number: u64) -> Option<NodeId> {
        nth(&nodes(&self.plan).collect::<Vec<_>>(), number)
    }

    fn place_of(&self, number: u64) -> Option<Place> {
        let settings = &self.plan.settings;
        let of_topic = |topic| (0..settings.partitions).map(move |partition| (topic, partition));
        let places: Vec<(u64, u64)> = (0..settings.topics).flat_map(of_topic).collect();
        let (topic, partition) = nth(&places, number)?;
        Some((u16::try_from(topic).ok()?, u16::try_from(partition).ok()?))
    }

    fn hit_conn(&mut self, fault: Fault, on: Option<ConnNumber>) -> bool {
        let now = self.now;
        let held: Vec<ConnNumber> = self.conns.iter().filter(|(_, conn)| conn.is_held).map(|(n, _)| *n).collect();
        let Some(number) = on.or_else(|| nth(&held, fault.a)) else { return false };
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| conn.is_held) else { return false };
        self.coverage.happened(state_of(conn), fault.kind.name());
        match fault.kind {
            FaultKind::Reset => {
                conn.up.cut(now, fault.b, PipeEnd::Reset);
                conn.down.cut(now, fault.c, PipeEnd::Reset);
            }
            FaultKind::Fin => {
                // The broker's process is gone, but not its system: what the client sends arrives nowhere.
                conn.down.cut(now, fault.b, PipeEnd::Fin);
                conn.up.cut(now, 1000, PipeEnd::Reset);
            }
            FaultKind::Stall => {
                let until = now.saturating_add(fault.b);
                for (way, bit) in [(Way::Up, 1), (Way::Down, 2)] {
                    if fault.c & bit != 0 {
                        conn.pipe(way).stalled_until = until;
                    }
                }
            }
            _ => {
                self.troubles.has_corrupted = true;
                conn.is_corrupted = true;
                conn.pipe(if fault.b == 0 { Way::Up } else { Way::Down }).corrupts = Some(fault.c);
            }
        }
        self.wake_conn(number);
        true
    }

    /// Has both ends of a connection look at it.
    fn wake_conn(&mut self, number: ConnNumber) {
        self.mark_client(number);
        self.mark_far(number);
        self.schedule_arrival(number, Way::Up);
        self.schedule_arrival(number, Way::Down);
    }

    fn hit_way(&mut self, fault: Fault) -> bool {
        let until = self.now.saturating_add(fault.b);
        let Some(node) = self.node_of(fault.a) else { return false };
        let other = self.node_of(fault.c).map_or(node.0, |other| other.0);
        let Some(trouble) = self.troubles.of.get_mut(&node) else { return false };
        match fault.kind {
            FaultKind::Refuse => trouble.refuses_until = until,
            FaultKind::SlowConnect => trouble.slow_connect = (until, fault.c),
            FaultKind::WrongService => trouble.wrong = (until, fault.c),
            FaultKind::Swap => trouble.swapped = (until, other),
            FaultKind::Slow => trouble.slow = (until, fault.c.max(1)),
            _ => {
                trouble.hole_until = until;
                let of_node: Vec<ConnNumber> =
                    self.conns.iter().filter(|(_, conn)| conn.addressed == node).map(|(n, _)| *n).collect();
                for number in of_node {
                    let stall = Fault { kind: FaultKind::Stall, ..fault };
                    self.hit_conn(stall, Some(number));
                }
            }
        }
        true
    }

    fn hit_broker(&mut self, fault: Fault, index: usize) -> bool {
        let now = self.broker_now();
        let Some(node) = self.node_of(fault.a) else { return false };
        let name = fault.kind.name();
        for conn in self.conns.values().filter(|conn| conn.addressed == node && conn.is_held) {
            self.coverage.happened(state_of(conn), name);
        }
        self.logs.note_shortened();
        match fault.kind {
            FaultKind::Kill => self.cluster.kill(node, now),
            FaultKind::Crash => self.cluster.crash(node, now),
            FaultKind::Stop => self.cluster.stop(node, now),
            FaultKind::Pause => self.cluster.pause(node, now),
            _ => self.cluster.freeze_metadata(node, now),
        }
        self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
        true
    }

    fn hit_partition(&mut self, fault: Fault, index: usize) -> bool {
        let now = self.broker_now();
        let Some(place) = self.place_of(fault.a) else { return false };
        let (topic, partition) = (topic_name(place.0), i32::from(place.1));
        let leader = self.cluster.leader(topic, partition);
        let replicas: Vec<NodeId> =
            nodes(&self.plan).filter(|node| self.cluster.ends(topic, partition, *node).is_some()).collect();
        let followers: Vec<NodeId> = replicas.iter().copied().filter(|node| Some(*node) != leader).collect();
        self.logs.note_shortened();
        match fault.kind {
            FaultKind::MoveLeader => {
                let Some(to) = nth(&followers, fault.b) else { return false };
                self.cluster.move_leader(topic, partition, to, now).is_ok()
            }
            FaultKind::HoldBack => {
                let Some(node) = nth(&followers, fault.c) else { return false };
                self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
                for node in followers.iter().filter(|other| fault.c >= 4 || **other == node) {
                    let _ = self.cluster.hold_back(topic, partition, *node);
                }
                true
            }
            _ => {
                let Some(leader) = leader else { return false };
                for node in &followers {
                    let _ = self.cluster.hold_back(topic, partition, *node);
                }
                // What the leader appends until then is lost with it.
                self.push(self.now.saturating_add(fault.b / 4), Event::Kill(leader));
                self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
                true
            }
        }
    }

    /// Kills a leader whose followers were held back.
    pub(super) fn lose_tail(&mut self, leader: NodeId) {
        if !self.troubles.is_over {
            self.logs.note_shortened();
            self.cluster.kill(leader, self.broker_now());
            self.look_at_ready();
        }
    }

    fn hit_answers(&mut self, fault: Fault) -> bool {
        let produce = || Rule::on(ApiKey::PRODUCE).first(fault.b);
        // A broker that waits for replicas may lose the partition after it has appended. One that does not wait never says so.
        let has_waited = self.workload.promises().acks == -1;
        let waited = || produce().matching("acks -1", |request| request.body.starts_with(&[0xff, 0xff]));
        let rule = match fault.a % 8 {
            0 if has_waited => waited().answer_with(ErrorCode::NOT_LEADER_FOR_PARTITION),
            1 if has_waited => waited().answer_with(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            0 => produce().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION),
            1 => produce().refuse_with(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            2 => produce().refuse_with(ErrorCode::UNKNOWN),
            3 => produce().answer_with(ErrorCode::UNKNOWN),
            4 => produce().answer_with(ErrorCode::REQUEST_TIMED_OUT),
            5 => produce().refuse_with(ErrorCode::MESSAGE_SIZE_TOO_LARGE),
            6 => produce().refuse_with(ErrorCode::REQUEST_TIMED_OUT),
            _ => Rule::on(ApiKey::METADATA).first(fault.b).answer_with(ErrorCode::LEADER_NOT_AVAILABLE),
        };
        self.troubles.has_lied = true;
        self.cluster.add_rule(rule);
        true
    }

    fn hit_client(&mut self, fault: Fault) -> bool {
        let by = std::time::Duration::from_micros(fault.b);
        match fault.kind {
            FaultKind::ClientPause => {
                self.troubles.client_paused_until = self.now.saturating_add(fault.b);
                self.push(self.now.saturating_add(fault.b), Event::Look);
            }
            FaultKind::ClockForward => self.client_base += by,
            // The base leaves room for a day.
            _ => self.client_base = self.client_base.checked_sub(by).unwrap_or(self.client_base),
        }
        true
    }

    pub(super) fn end_fault(&mut self, index: usize) {
        let Some(fault) = self.plan.faults.get(index).copied() else { return };
        let now = self.broker_now();
        let node = self.node_of(fault.a);
        self.history.note(|| format!("over: {fault}"));
        match (fault.kind, node) {
            (FaultKind::Kill | FaultKind::Crash | FaultKind::Stop, Some(node)) => self.cluster.start(node, now),
            (FaultKind::Pause, Some(node)) => self.cluster.resume(node, now),
            (FaultKind::Freeze, Some(node)) => self.cluster.thaw_metadata(node, now),
            _ => {
                self.start_all();
                self.let_all_go();
            }
        }
        self.logs.note_shortened();
        self.look_at_ready();
    }

    fn start_all(&mut self) {
        let now = self.broker_now();
        nodes(&self.plan).for_each(|node| self.cluster.start(node, now));
    }

    fn let_all_go(&mut self) {
        let now = self.broker_now();
        for topic in 0..self.plan.settings.topics {
            for partition in 0..self.plan.settings.partitions {
                for node in nodes(&self.plan) {
                    let topic = topic_name(u16::try_from(topic).unwrap_or(0));
                    let _ = self.cluster.let_go(topic, i32::try_from(partition).unwrap_or(0), node, now);
                }
            }
        }
    }

    /// Ends all faults, and begins no other.
    pub(super) fn heal(&mut self) {
        let now = self.broker_now();
        self.history.note(|| "all faults end".to_owned());
        self.troubles.heal();
        self.profile = self.profile.healed();
        self.cluster.clear_rules();
        for node in nodes(&self.plan) {
            self.cluster.start(node, now);
            self.cluster.resume(node, now);
            self.cluster.thaw_metadata(node, now);
        }
        self.let_all_go();
        self.logs.note_shortened();
        for number in self.conns.keys().copied().collect::<Vec<_>>() {
            let Some(conn) = self.conns.get_mut(&number) else { continue };
            if matches!(conn.far, Far::Connecting) {
                // Attempts that a fault held back come to the broker now.
                self.push(self.now, Event::Connect(number));
                continue;
            }
            conn.up.heal();
            conn.down.heal();
            let is_served_by_another = match conn.far {
                Far::Broker(id) => self.cluster.link(id).is_some_and(|link| link.node() != conn.addressed),
                _ => false,
            };
            if is_served_by_another {
                // An address that moves back takes its connections with it.
                conn.up.cut(self.now, 0, PipeEnd::Reset);
                conn.down.cut(self.now, 0, PipeEnd::Reset);
            }
            if conn.is_corrupted {
                // Both sides may wait for the rest of a frame whose length was changed, which is a fault that goes on.
                conn.up.cut(self.now, 0, PipeEnd::Reset);
                conn.down.cut(self.now, 0, PipeEnd::Reset);
            }
            if matches!(conn.far, Far::Wrong(_)) {
                // The broker is back at its address, so the other service is gone.
                conn.down.finish(PipeEnd::Fin);
                conn.far = Far::Gone;
            }
            self.wake_conn(number);
        }
        self.look_at_ready();
    }
}
