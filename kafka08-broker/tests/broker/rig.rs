//! A broker and clients, joined in memory.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_broker::{Action, Broker, BrokerConfig, ConnectionId, Now};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, HostPort, ServerConfig, ServerConnection,
    ServerEvent,
    api::{FetchRequest, FetchResponse, FetchedPartition, MetadataRequest, ProduceRequest, ProducedPartition, Request},
    connection::{Closed, Prepared, Ticket},
    ids::{Acks, CorrelationId, Millis, Offset, Timestamp},
    message::{Entry, MessageSet},
};

/// A broker with virtual time. Clients are numbered.
pub(crate) struct Rig {
    broker: Broker,
    clients: BTreeMap<u64, Joined>,
    now: Instant,
    wall: i64,
}

struct Joined {
    client: ClientConnection,
    server: ServerConnection,
}

/// When the rig's clock starts: any time will do.
pub(crate) const START: i64 = 1_000_000;

impl Rig {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let broker = Broker::new(config, HostPort::new("127.0.0.1", 9092));
        Self { broker, clients: BTreeMap::new(), now: Instant::now(), wall: START }
    }

    /// A rig whose topic "t" has two partitions.
    pub(crate) fn with_topic() -> Self {
        let mut rig = Self::new(BrokerConfig::default());
        rig.create("t", 2);
        rig
    }

    pub(crate) fn create(&mut self, topic: &str, partitions: u16) {
        let now = self.now();
        self.broker.create_topic(topic, partitions, now);
    }

    fn now(&self) -> Now {
        Now { instant: self.now, wall: Timestamp(self.wall) }
    }

    fn joined(&mut self, client: u64) -> &mut Joined {
        self.clients.entry(client).or_insert_with(|| Joined {
            client: ClientConnection::new(ClientConfig::default(), ConnectionId(0)),
            server: ServerConnection::new(ServerConfig::default(), ConnectionId(0)),
        })
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += i64::try_from(time.as_millis()).expect("short");
        self.broker.handle_timeout(self.now);
        self.settle();
    }

    /// Sends anything, checked by nobody, and gives its claim.
    pub(crate) fn send<R: Request>(&mut self, client: u64, request: &R) -> Ticket<R> {
        let prepared = Prepared::new(request).expect("it fits the wire");
        let now = self.now;
        let id = self.joined(client).client.send(now, &prepared).expect("there is room");
        self.settle();
        self.clients.get(&client).expect("it is connected").client.ticket(id).expect("its own range")
    }

    pub(crate) fn send_raw(&mut self, client: u64, prepared: &Prepared) -> CorrelationId {
        let now = self.now;
        let id = self.joined(client).client.send(now, prepared).expect("there is room");
        self.settle();
        id
    }

    /// The client's events so far.
    pub(crate) fn events(&mut self, client: u64) -> Vec<ClientEvent> {
        let joined = self.joined(client);
        std::iter::from_fn(|| joined.client.poll_event()).collect()
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

    pub(crate) fn call<R: Request>(&mut self, request: &R) -> R::Response {
        let ticket = self.send(0, request);
        self.answer(0, ticket).expect("an answer at once")
    }

    /// Asks for the topic until it has leaders.
    pub(crate) fn wait_for(&mut self, topic: &str) {
        while !self.call(&MetadataRequest::of([topic])).topics().iter().all(|topic| topic.error.is_ok()) {}
    }

    pub(crate) fn produce(&mut self, set: MessageSet) -> ProducedPartition {
        let response = self.call(&ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, set));
        *response.topics.find("t", 0).expect("it is told")
    }

    pub(crate) fn fetch(&mut self, offset: i64, max_bytes: i32) -> FetchedPartition {
        let response = self.call(&FetchRequest::new(Millis(0), 0).with("t", 0, Offset(offset), max_bytes));
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
        loop {
            let now = self.now();
            let mut moved = false;
            for (&number, Joined { client, server }) in &mut self.clients {
                let up = take(client.buffers().1);
                moved |= !up.is_empty();
                server.handle_bytes(now.instant, &up);
                while let Some(event) = server.poll_event() {
                    moved = true;
                    match event {
                        ServerEvent::Request(request) => {
                            self.broker.handle_request(now, ConnectionId(number), &request);
                        }
                        ServerEvent::Closed(_) => self.broker.handle_closed(ConnectionId(number)),
                    }
                }
                let down = take(server.buffers().1);
                moved |= !down.is_empty();
                client.handle_bytes(now.instant, &down);
                if server.is_over() {
                    client.handle_disconnect(Disconnect::Eof);
                }
            }
            while let Some(action) = self.broker.poll_action() {
                moved = true;
                self.act(action);
            }
            if !moved {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Respond { connection, call, response } => {
                self.joined(connection.0).server.respond(call, &response).expect("the call is open");
            }
            Action::Finish { connection, call } => self.joined(connection.0).server.finish(call),
            Action::Close { connection } => self.joined(connection.0).server.close(),
        }
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
