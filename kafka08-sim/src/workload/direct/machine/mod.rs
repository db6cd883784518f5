//! A client that sends one record in a request, one request for a partition at a time, and one link to a broker.

mod answers;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use kafka08_client::machine::{LinkId, Machine, Output};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _,
    adapter::ConnectError,
    api::{MetadataRequest, ProduceRequest},
    connection::CloseReason,
    fate::Fate,
    ids::{Acks, ConnectionId, CorrelationId, Millis, NodeId},
    message::MessageSet,
};

use crate::{
    history::{Ending, OperationId, Place},
    logs::topic_name,
    plan::{Plan, Settings},
    workload::schedule::acks,
    world::{address, nodes},
};

/// A record has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectEvent {
    /// The record.
    pub id: OperationId,
    /// How the record has ended.
    pub ending: Ending,
}

/// A record that has not ended.
#[derive(Debug)]
struct Pending {
    id: OperationId,
    set: MessageSet,
    deadline: Instant,
    /// Attempts that may have been applied.
    maybe_applied: u32,
    not_before: Option<Instant>,
}

/// The records of one partition. The first one may be in flight.
#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Pending>,
    in_flight: Option<(LinkId, CorrelationId)>,
    leader: Option<NodeId>,
}

#[derive(Debug)]
struct Link {
    node: NodeId,
    /// `None` while it is being connected.
    connection: Option<ClientConnection>,
}

/// What a client may send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retries {
    AtLeastOnce,
    OnlyNotApplied,
    Never,
}

/// A small client of the simulation's own.
#[derive(Debug)]
pub struct DirectMachine {
    config: ClientConfig,
    acks: i16,
    retries: Retries,
    replica_wait: Millis,
    delivery: Duration,
    pause: Duration,
    /// 0.8.0 and 0.8.1 answer acks -1 with the offset behind the last message, unless all partitions of the request have one
    /// replica.
    tells_end: bool,
    nodes: Vec<NodeId>,
    /// When a broker may be connected to again.
    rests: BTreeMap<NodeId, Instant>,
    links: BTreeMap<LinkId, Link>,
    next_link: u64,
    queues: BTreeMap<Place, Queue>,
    /// The link and the request that asks for metadata.
    asking: Option<(LinkId, CorrelationId)>,
    asked_next: Option<Instant>,
    outputs: VecDeque<Output<DirectEvent>>,
    /// Why links have ended.
    ends: Vec<(LinkId, CloseReason)>,
    wakes_at: Option<Instant>,
    is_closed: bool,
}

/// The settings of connections in a plan.
pub(crate) fn client_config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::default()
        .with_request_timeout(Duration::from_micros(settings.request_timeout))
        .with_connect_timeout(Duration::from_micros(settings.connect_timeout));
    if settings.max_staged > 0 {
        config = config.with_max_staged(usize::try_from(settings.max_staged).unwrap_or(usize::MAX));
    }
    if settings.max_in_flight > 0 {
        config = config.with_max_in_flight(usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX));
    }
    if settings.near_wrap > 0 {
        // Sequences have 27 bits; see `CorrelationId`.
        config = config.with_first_sequence((1 << 27) - u32::try_from(settings.near_wrap).unwrap_or(1));
    }
    config
}

impl DirectMachine {
    /// Creates the client of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let settings = &plan.settings;
        let millis = Duration::from_micros(settings.replica_wait).as_millis();
        Self {
            config: client_config(settings),
            acks: acks(plan),
            retries: match settings.retries {
                1 => Retries::OnlyNotApplied,
                2 => Retries::Never,
                _ => Retries::AtLeastOnce,
            },
            replica_wait: Millis(i32::try_from(millis).unwrap_or(i32::MAX)),
            delivery: Duration::from_micros(settings.delivery_timeout),
            pause: Duration::from_millis(100),
            tells_end: settings.release > 0 && acks(plan) == -1 && settings.replication > 1,
            nodes: nodes(plan).collect(),
            rests: BTreeMap::new(),
            links: BTreeMap::new(),
            next_link: 0,
            queues: BTreeMap::new(),
            asking: None,
            asked_next: None,
            outputs: VecDeque::new(),
            ends: Vec::new(),
            wakes_at: None,
            is_closed: false,
        }
    }

    /// Takes a record. It ends with an event.
    pub fn submit(&mut self, now: Instant, id: OperationId, place: Place, set: MessageSet) {
        let pending = Pending { id, set, deadline: now + self.delivery, maybe_applied: 0, not_before: None };
        self.queues.entry(place).or_default().records.push_back(pending);
        self.drive(now);
    }

    /// Ends all records and all links.
    pub fn close(&mut self, now: Instant) {
        self.is_closed = true;
        let endings = self.take_records();
        self.outputs.extend(endings.into_iter().map(Output::Event));
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.drop_link(link));
        self.drive(now);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The ends of all records, if nothing more is heard of them.
    pub fn into_endings(mut self) -> Vec<DirectEvent> {
        let told = std::mem::take(&mut self.outputs).into_iter();
        let mut endings: Vec<DirectEvent> =
            told.filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None }).collect();
        endings.extend(self.take_records());
        endings
    }

    /// Ends all records. One that is in flight may be applied.
    fn take_records(&mut self) -> Vec<DirectEvent> {
        let mut endings = Vec::new();
        for mut queue in std::mem::take(&mut self.queues).into_values() {
            if let Some(first) = queue.records.front_mut().filter(|_| queue.in_flight.is_some()) {
                first.maybe_applied += 1;
            }
            endings.extend(queue.records.into_iter().map(|Pending { id, maybe_applied, .. }| {
                let untouched = Ending::Failed { fate: Fate::NotApplied, maybe_applied };
                DirectEvent {
                    id,
                    ending: if maybe_applied > 0 { Ending::Lost { most: maybe_applied } } else { untouched },
                }
            }));
        }
        self.asking = None;
        endings
    }

    /// The requests that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.links.values().filter_map(|link| link.connection.as_ref()).map(ClientConnection::in_flight).sum()
    }

    /// Takes why links have ended.
    pub fn take_ends(&mut self) -> Vec<(LinkId, CloseReason)> {
        std::mem::take(&mut self.ends)
    }

    /// Whether a request for metadata is in flight.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    fn drop_link(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.outputs.push_back(Output::Drop(link));
    }

    /// Does what can be done, and finds out when to look again.
    fn drive(&mut self, now: Instant) {
        let mut wakes: Vec<Instant> = Vec::new();
        let places: Vec<Place> = self.queues.keys().copied().collect();
        if !self.is_closed {
            for place in places {
                wakes.extend(self.drive_queue(now, place));
            }
        }
        let of_links = self.links.values().filter_map(|link| link.connection.as_ref()?.poll_timeout());
        self.wakes_at = wakes.into_iter().chain(of_links).min();
    }

    /// Ends or sends what is first in the queue of a partition. Returns when to look again.
    fn drive_queue(&mut self, now: Instant, place: Place) -> Option<Instant> {
        loop {
            let queue = self.queues.get_mut(&place)?;
            if queue.in_flight.is_some() {
                return None;
            }
            let first = queue.records.front()?;
            if first.deadline <= now {
                let fate = if first.maybe_applied > 0 { Fate::MaybeApplied } else { Fate::NotApplied };
                self.end_first(place, |maybe_applied| Ending::Failed { fate, maybe_applied });
                continue;
            }
            let deadline = first.deadline;
            if let Some(at) = first.not_before.filter(|at| *at > now) {
                return Some(at.min(deadline));
            }
            let next = match queue.leader {
                Some(node) => self.send_first(now, place, node),
                None => self.ask(now),
            };
            return Some(next.map_or(deadline, |next| next.min(deadline)));
        }
    }

    fn end_first(&mut self, place: Place, ending: impl FnOnce(u32) -> Ending) {
        let first = self.queues.get_mut(&place).and_then(|queue| queue.records.pop_front());
        if let Some(first) = first {
            let ending = ending(first.maybe_applied);
            self.outputs.push_back(Output::Event(DirectEvent { id: first.id, ending }));
        }
    }

    /// A link to a broker that can be used, or when to look again.
    fn open(&mut self, now: Instant, node: NodeId) -> Result<LinkId, Option<Instant>> {
        if let Some((id, link)) = self.links.iter().find(|(_, link)| link.node == node) {
            let is_ready = link.connection.as_ref().is_some_and(ClientConnection::can_send);
            // A link that cannot send now tells when it can.
            return if is_ready { Ok(*id) } else { Err(None) };
        }
        if let Some(at) = self.rests.get(&node).copied().filter(|at| *at > now) {
            return Err(Some(at));
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, Link { node, connection: None });
        let within = self.config.connect_timeout();
        self.outputs.push_back(Output::Connect { link, to: address(node), within });
        Err(None)
    }

    fn send_first(&mut self, now: Instant, place: Place, node: NodeId) -> Option<Instant> {
        let link = match self.open(now, node) {
            Ok(link) => link,
            Err(next) => return next,
        };
        let queue = self.queues.get_mut(&place)?;
        let connection = self.links.get_mut(&link)?.connection.as_mut()?;
        let set = queue.records.front()?.set.clone();
        let request =
            ProduceRequest::new(Acks(self.acks), self.replica_wait).with(topic_name(place.0), i32::from(place.1), set);
        let ticket = connection.request(now, &request).ok()?;
        queue.in_flight = Some((link, ticket.id()));
        self.outputs.push_back(Output::Write(link));
        None
    }

    /// Asks any broker for the leaders.
    fn ask(&mut self, now: Instant) -> Option<Instant> {
        if self.asking.is_some() {
            return None;
        }
        if let Some(at) = self.asked_next.filter(|at| *at > now) {
            return Some(at);
        }
        let topics: Vec<&'static str> = (0..4).map(topic_name).collect();
        let used: Vec<&str> = topics
            .into_iter()
            .filter(|name| self.queues.keys().any(|(topic, _)| topic_name(*topic) == *name))
            .collect();
        let mut next = None;
        for node in self.nodes.clone() {
            match self.open(now, node) {
                Ok(link) => {
                    let connection = self.links.get_mut(&link)?.connection.as_mut()?;
                    let ticket = connection.request(now, &MetadataRequest::of(used)).ok()?;
                    self.asking = Some((link, ticket.id()));
                    self.asked_next = Some(now + self.pause);
                    self.outputs.push_back(Output::Write(link));
                    return None;
                }
                Err(at) => next = next.into_iter().chain(at).min(),
            }
        }
        next
    }
}

impl Machine for DirectMachine {
    type Event = DirectEvent;

    fn poll_output(&mut self, _now: Instant) -> Option<Output<DirectEvent>> {
        self.outputs.pop_front()
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.links.get_mut(&link)?.connection.as_mut()
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        let config = self.config.clone();
        if let Some(link) = self.links.get_mut(&link).map(|found| (link, found)) {
            link.1.connection = Some(ClientConnection::new(config, ConnectionId(link.0.0)));
        }
        self.drive(now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, _error: &ConnectError, now: Instant) {
        if let Some(link) = self.links.remove(&link) {
            self.rests.insert(link.node, now + self.pause);
            // Another broker may lead by now.
            self.queues.values_mut().filter(|queue| queue.leader == Some(link.node)).for_each(|queue| {
                queue.leader = None;
            });
        }
        self.drive(now);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.take_events(now, link);
        self.drive(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wakes_at
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<LinkId> = self.links.keys().copied().collect();
        for id in due {
            if let Some(connection) = self.links.get_mut(&id).and_then(|link| link.connection.as_mut())
                && connection.poll_timeout().is_some_and(|at| at <= now)
            {
                connection.handle_timeout(now);
                self.take_events(now, id);
            }
        }
        self.drive(now);
    }

    fn is_over(&self) -> bool {
        self.is_closed && self.links.is_empty() && self.outputs.is_empty()
    }
}
