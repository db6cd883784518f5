//! A cluster and its clients, joined in memory, in virtual time.

#![expect(dead_code, reason = "each test uses a part of it")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_broker::{BrokerConfig, Cluster, ConnectionId, Now, Turn};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, HostPort,
    api::{FetchRequest, FetchResponse, FetchedPartition, MetadataRequest, ProduceRequest, ProducedPartition, Request},
    connection::{Closed, Prepared, Ticket},
    ids::{Acks, CorrelationId, Millis, NodeId, Offset, Timestamp},
    message::{Entry, MessageSet},
};

/// A cluster in virtual time, and its clients by number. A client connects with its first request, to broker 1 unless
/// [`Rig::connect`] says otherwise.
pub(crate) struct Rig {
    pub(crate) cluster: Cluster,
    clients: BTreeMap<u64, Client>,
    now: Instant,
    wall: i64,
}

struct Client {
    connection: ClientConnection,
    /// The broker's end.
    id: ConnectionId,
    /// Whether the client takes nothing from the transport.
    is_dawdling: bool,
}

/// When the rig's clock starts, in milliseconds since the epoch: any time will do.
pub(crate) const START: i64 = 1_000_000;

impl Rig {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let now = Instant::now();
        let at = |node: NodeId| (node, HostPort::new("127.0.0.1", 9091 + u16::try_from(node.0).expect("small")));
        let addresses = (1..=config.brokers()).map(|n| at(NodeId(n.into()))).collect();
        let cluster = Cluster::new(config, &addresses, Now { instant: now, wall: Timestamp(START) });
        Self { cluster, clients: BTreeMap::new(), now, wall: START }
    }

    /// One broker, whose topic "t" has two partitions.
    pub(crate) fn with_topic() -> Self {
        Self::new(BrokerConfig::default().with_topic("t", 2))
    }

    /// Three brokers, whose topic "t" has one partition with a replica on each. Its leader is the first of the list.
    pub(crate) fn of_three(config: BrokerConfig) -> (Self, [NodeId; 3]) {
        let rig = Self::new(config.with_brokers(3).with_topic("t", 1));
        let leader = rig.cluster.leader("t", 0).expect("a new topic is led");
        let mut nodes = [NodeId(1), NodeId(2), NodeId(3)];
        nodes.sort_by_key(|node| *node != leader);
        (rig, nodes)
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: self.now, wall: Timestamp(self.wall) }
    }

    /// Connects a client to a broker. Fails if the broker refuses.
    pub(crate) fn connect(&mut self, client: u64, node: NodeId) {
        self.try_connect(client, node).expect("the broker accepts");
    }

    pub(crate) fn try_connect(&mut self, client: u64, node: NodeId) -> Result<(), kafka08_broker::Refused> {
        let now = self.now();
        let id = self.cluster.connect(now, node, None)?;
        let connection = ClientConnection::new(ClientConfig::default(), ConnectionId(client));
        self.clients.insert(client, Client { connection, id, is_dawdling: false });
        Ok(())
    }

    fn client(&mut self, client: u64) -> &mut Client {
        if !self.clients.contains_key(&client) {
            self.connect(client, NodeId(1));
        }
        self.clients.get_mut(&client).expect("it is connected")
    }

    /// Runs a command on the cluster, and everything that follows from it.
    pub(crate) fn with<T>(&mut self, command: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        let now = self.now();
        let done = command(&mut self.cluster, now);
        self.settle();
        done
    }

    pub(crate) fn create(&mut self, topic: &str, partitions: u16) {
        self.with(|cluster, now| cluster.create_topic(topic, partitions, now)).expect("it can be created");
    }

    /// Lets time pass, stopping at each deadline of the cluster.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.cluster.poll_timeout().filter(|next| *next <= end) {
            self.move_clock(next);
            self.settle();
        }
        self.move_clock(end);
        self.settle();
    }

    fn move_clock(&mut self, to: Instant) {
        let by = to.saturating_duration_since(self.now);
        self.now += by;
        self.wall += i64::try_from(by.as_millis()).expect("short");
    }

    /// Sends anything, checked by nobody, and gives its claim.
    pub(crate) fn send<R: Request>(&mut self, client: u64, request: &R) -> Ticket<R> {
        let id = self.send_raw(client, &Prepared::new(request).expect("it fits the wire"));
        self.client(client).connection.ticket(id).expect("its own range")
    }

    pub(crate) fn send_raw(&mut self, client: u64, prepared: &Prepared) -> CorrelationId {
        let now = self.now;
        let id = self.client(client).connection.send(now, prepared).expect("there is room");
        self.settle();
        id
    }

    /// Has a client take nothing more from the transport.
    pub(crate) fn dawdle(&mut self, client: u64) {
        self.client(client).is_dawdling = true;
    }

    /// Has the client's transport end, as when its process is gone.
    pub(crate) fn hang_up(&mut self, client: u64) {
        let now = self.now();
        let id = self.client(client).id;
        self.clients.remove(&client);
        if let Some(link) = self.cluster.link(id) {
            link.handle_disconnect(Disconnect::Eof);
        }
        self.cluster.handle_io(now, id);
        self.settle();
    }

    /// The client's events so far.
    pub(crate) fn events(&mut self, client: u64) -> Vec<ClientEvent> {
        let client = self.client(client);
        std::iter::from_fn(|| client.connection.poll_event()).collect()
    }

    /// The answer, if it has come; any other event is a failure.
    pub(crate) fn answer<R: Request>(&mut self, client: u64, ticket: Ticket<R>) -> Option<R::Response> {
        let mut events = self.events(client);
        match events.pop() {
            None => None,
            Some(ClientEvent::Response(frame)) if events.is_empty() => Some(ticket.redeem(frame).expect("well formed")),
            other => panic!("an answer or nothing was expected: {other:?} after {events:?}"),
        }
    }

    /// Asks as client 0, and expects an answer at once.
    pub(crate) fn call<R: Request>(&mut self, request: &R) -> R::Response {
        self.call_as(0, request)
    }

    pub(crate) fn call_as<R: Request>(&mut self, client: u64, request: &R) -> R::Response {
        let ticket = self.send(client, request);
        self.answer(client, ticket).expect("an answer at once")
    }

    /// Asks for the topic until it has leaders.
    pub(crate) fn wait_for(&mut self, topic: &str) {
        while !self.call(&MetadataRequest::of([topic])).topics().iter().all(|topic| topic.error.is_ok()) {
            self.pass(Duration::from_millis(1));
        }
    }

    /// Produces to partition 0 of "t" as client 0, with acks 1.
    pub(crate) fn produce(&mut self, set: MessageSet) -> ProducedPartition {
        let response = self.call(&ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, set));
        *response.topics.find("t", 0).expect("it is told")
    }

    /// Fetches from partition 0 of "t" as client 0, without waiting.
    pub(crate) fn fetch(&mut self, offset: i64, max_bytes: i32) -> FetchedPartition {
        self.fetch_as(0, offset, max_bytes)
    }

    pub(crate) fn fetch_as(&mut self, client: u64, offset: i64, max_bytes: i32) -> FetchedPartition {
        let response = self.call_as(client, &FetchRequest::new(Millis(0), 0).with("t", 0, Offset(offset), max_bytes));
        one(&response)
    }

    /// How the client's connection ended; fails if it has not.
    pub(crate) fn closed(&mut self, client: u64) -> Closed {
        match self.events(client).pop() {
            Some(ClientEvent::Closed(closed)) => closed,
            other => panic!("the end was expected: {other:?}"),
        }
    }

    /// Moves bytes, requests and answers until nothing moves.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        loop {
            let mut moved = false;
            for client in self.clients.values_mut() {
                moved |= client.exchange(&mut self.cluster, now);
            }
            while self.cluster.turn(now) == Turn::More {
                moved = true;
            }
            while self.cluster.poll_ready().is_some() {
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }
}

impl Client {
    /// Moves bytes between both ends. Returns whether any moved.
    fn exchange(&mut self, cluster: &mut Cluster, now: Now) -> bool {
        let Some(link) = cluster.link(self.id) else {
            self.connection.handle_disconnect(Disconnect::Eof);
            return false;
        };
        let mut moved = false;
        if link.wants_read() && self.connection.wants_write() {
            link.handle_bytes(now.instant, &take(self.connection.buffers().1));
            moved = true;
        }
        if !self.is_dawdling && link.wants_write() {
            self.connection.handle_bytes(now.instant, &take(link.buffers().1));
            moved = true;
        }
        if moved {
            cluster.handle_io(now, self.id);
        }
        moved
    }
}

fn take(queue: &mut impl bytes::Buf) -> Bytes {
    queue.copy_to_bytes(queue.remaining())
}

/// The only partition of a response.
pub(crate) fn one(response: &FetchResponse) -> FetchedPartition {
    assert_eq!(response.topics.len(), 1);
    response.topics.find("t", 0).expect("partition 0 of t").clone()
}

/// A set of messages with these values.
pub(crate) fn values(values: &[&str]) -> MessageSet {
    let mut builder = MessageSet::builder();
    values.iter().for_each(|value| builder.push(None, Some(value.as_bytes())).expect("small"));
    builder.build()
}

/// Offsets and values of the plain messages of a set.
pub(crate) fn plain(set: &MessageSet) -> Vec<(i64, String)> {
    let message = |entry| match entry {
        Ok(Entry::Plain(message)) => {
            let value = message.value.expect("a value").to_vec();
            (message.offset.0, String::from_utf8(value).expect("text"))
        }
        other => panic!("a plain message was expected: {other:?}"),
    };
    set.entries().map(message).collect()
}
