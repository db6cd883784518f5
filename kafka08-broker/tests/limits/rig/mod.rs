//! Clients and the brokers of a [`Cluster`], joined in memory, in virtual time.
//!
//! Bytes move as the driver on sockets moves them: a connection is read
//! only while it wants to be, so the rig shows what a socket would leave in the buffers of the system.

mod bytes;

use std::{
    collections::BTreeMap,
    process,
    sync::Once,
    thread,
    time::{Duration, Instant},
};

use ::bytes::{Buf as _, Bytes, BytesMut};
pub(crate) use bytes::Raw;
use kafka08_broker::{BrokerConfig, Cluster, ConnectionId, LimitStats, Now, Refused, Turn};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect,
    api::{FetchRequest, FetchedPartition, ProduceRequest, ProducedPartition, Request},
    connection::{Prepared, Ticket},
    ids::{Acks, Millis, NodeId, Offset, Timestamp},
    message::MessageSet,
};

/// The first broker of a cluster.
pub(crate) const FIRST: NodeId = NodeId(1);
/// How many rounds of the loop are more than any test needs.
const ROUNDS: usize = 1_000_000;

/// How long all tests of a binary may take. They take some seconds.
const LIMIT: Duration = Duration::from_secs(300);
static WATCH: Once = Once::new();

/// Ends the process when its tests take too long: a loop without an end would otherwise hang whoever runs them.
pub(crate) fn watch() {
    WATCH.call_once(|| {
        thread::spawn(|| {
            thread::sleep(LIMIT);
            eprintln!("the tests have not ended within {LIMIT:?}");
            process::abort();
        });
    });
}

/// A cluster with virtual time, and its clients.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) cluster: Cluster,
    now: Now,
    peers: BTreeMap<ConnectionId, Peer>,
}

/// The other end of a connection.
#[derive(Debug)]
struct Peer {
    client: ClientConnection,
    /// Bytes on their way to the broker.
    up: BytesMut,
    /// Bytes of answers, if the peer reads them itself and has no client.
    down: BytesMut,
    /// Whether the peer takes bytes at all.
    reads: bool,
    is_raw: bool,
    has_shut_down: bool,
    is_closed: bool,
}

impl Rig {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        watch();
        let now = Now { instant: Instant::now(), wall: Timestamp(1_400_000_000_000) };
        let mut rig = Self { cluster: Cluster::new(config, &BTreeMap::new(), now), now, peers: BTreeMap::new() };
        rig.settle();
        rig
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn stats(&self) -> LimitStats {
        self.cluster.limit_stats()
    }

    /// Connects to a broker.
    pub(crate) fn connect_to(&mut self, node: NodeId) -> Result<ConnectionId, Refused> {
        let id = self.cluster.connect(self.now, node, None)?;
        let config = ClientConfig::default().with_request_timeout(Duration::from_secs(1_000_000));
        let peer = Peer {
            client: ClientConnection::new(config, id),
            up: BytesMut::new(),
            down: BytesMut::new(),
            reads: true,
            is_raw: false,
            has_shut_down: false,
            is_closed: false,
        };
        self.peers.insert(id, peer);
        Ok(id)
    }

    /// Connects to the first broker.
    pub(crate) fn connect(&mut self) -> ConnectionId {
        self.connect_to(FIRST).expect("there is room for a connection")
    }

    /// Connects to the first broker a client that writes bytes instead of requests.
    pub(crate) fn connect_raw(&mut self) -> ConnectionId {
        let id = self.connect();
        self.peer(id).is_raw = true;
        id
    }

    fn peer(&mut self, id: ConnectionId) -> &mut Peer {
        self.peers.get_mut(&id).expect("the rig has made the connection")
    }

    /// Whether the broker has closed the connection.
    pub(crate) fn is_closed(&mut self, id: ConnectionId) -> bool {
        self.peer(id).is_closed
    }

    /// Has a client take no more bytes, or take them again.
    pub(crate) fn set_reads(&mut self, id: ConnectionId, reads: bool) {
        self.peer(id).reads = reads;
        self.settle();
    }

    /// Has a client take some bytes that it would otherwise leave. Returns how many there were.
    pub(crate) fn take(&mut self, id: ConnectionId, max: usize) -> usize {
        let Some(link) = self.cluster.link(id) else { return 0 };
        let (_, queue) = link.buffers();
        let taken = max.min(queue.remaining());
        queue.advance(taken);
        self.cluster.handle_io(self.now, id);
        self.settle();
        taken
    }

    /// Has a client close its side, as `shutdown` does.
    pub(crate) fn shut_down(&mut self, id: ConnectionId) {
        self.peer(id).has_shut_down = true;
        self.settle();
    }

    /// Sends a request.
    pub(crate) fn send<R: Request>(&mut self, id: ConnectionId, request: &R) -> Ticket<R> {
        let ticket = self.stage(id, request);
        self.settle();
        ticket
    }

    /// Has a request ready to be sent when the rig settles next.
    pub(crate) fn stage<R: Request>(&mut self, id: ConnectionId, request: &R) -> Ticket<R> {
        let prepared = Prepared::new(request).expect("it fits the wire");
        let now = self.now.instant;
        let client = &mut self.peer(id).client;
        let correlation_id = client.send(now, &prepared).expect("there is room");
        client.ticket(correlation_id).expect("the client has sent it")
    }

    /// Sends bytes.
    pub(crate) fn write(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.peer(id).up.extend_from_slice(bytes);
        self.settle();
    }

    /// Sends a frame that was made by hand, and returns the body of the answer, if it comes at once.
    pub(crate) fn ask(&mut self, id: ConnectionId, raw: &Raw) -> Option<Bytes> {
        self.write(id, &raw.frame());
        self.read_frame(id)
    }

    /// The body of the next answer that has come to a client that writes bytes.
    pub(crate) fn read_frame(&mut self, id: ConnectionId) -> Option<Bytes> {
        let down = &mut self.peer(id).down;
        let len = usize::try_from(i32::from_be_bytes(*down.first_chunk()?)).expect("a length is not negative");
        if down.len() < len + 4 {
            return None;
        }
        down.advance(4);
        let mut frame = down.split_to(len).freeze();
        // The correlation id.
        frame.advance(4);
        Some(frame)
    }

    /// The answer to a request, if it has come. The client must not have another answer that was not taken.
    pub(crate) fn answer<R: Request>(&mut self, id: ConnectionId, ticket: Ticket<R>) -> Option<R::Response> {
        let client = &mut self.peer(id).client;
        loop {
            match client.poll_event()? {
                ClientEvent::Written { .. } => {}
                ClientEvent::Response(frame) => return Some(ticket.redeem(frame).expect("it is well formed")),
                other => panic!("an answer or nothing was expected: {other:?}"),
            }
        }
    }

    pub(crate) fn call<R: Request>(&mut self, id: ConnectionId, request: &R) -> R::Response {
        let ticket = self.send(id, request);
        self.answer(id, ticket).expect("the answer comes at once")
    }

    /// Produces to a partition with acks 1.
    pub(crate) fn produce(
        &mut self,
        id: ConnectionId,
        topic: &'static str,
        partition: i32,
        set: MessageSet,
    ) -> ProducedPartition {
        let response = self.call(id, &ProduceRequest::new(Acks::LEADER, Millis(1000)).with(topic, partition, set));
        *response.topics.find(topic, partition).expect("the partition is answered")
    }

    /// Fetches from a partition without waiting.
    pub(crate) fn fetch(
        &mut self,
        id: ConnectionId,
        topic: &'static str,
        partition: i32,
        offset: i64,
        max_bytes: i32,
    ) -> FetchedPartition {
        let request = FetchRequest::new(Millis(0), 0).with(topic, partition, Offset(offset), max_bytes);
        let response = self.call(id, &request);
        response.topics.find(topic, partition).expect("the partition is answered").clone()
    }

    /// Lets time pass. What is due in between happens at its time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        self.settle();
        for _ in 0..ROUNDS {
            let Some(next) = self.cluster.poll_timeout().filter(|next| *next <= end) else {
                self.advance_to(end);
                return;
            };
            self.advance_to(next.max(self.now.instant));
            self.settle();
        }
        panic!("deadlines come without an end");
    }

    fn advance_to(&mut self, to: Instant) {
        let millis = i64::try_from((to - self.now.instant).as_millis()).expect("tests are short");
        self.now = Now { instant: to, wall: Timestamp(self.now.wall.0 + millis) };
    }

    /// Moves bytes and serves requests until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            let ids: Vec<ConnectionId> = self.peers.keys().copied().collect();
            for id in ids {
                moved |= self.carry(id);
            }
            moved |= self.cluster.turn(self.now) == Turn::More;
            while let Some(id) = self.cluster.poll_ready() {
                moved |= self.carry(id);
            }
            while self.cluster.poll_event().is_some() {}
            if !moved {
                return;
            }
        }
        panic!("the cluster never comes to rest");
    }

    /// Moves the bytes of one connection, as the driver does. Returns whether anything moved.
    fn carry(&mut self, id: ConnectionId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let Some(link) = self.cluster.link(id) else {
            if !std::mem::replace(&mut peer.is_closed, true) {
                peer.client.handle_disconnect(Disconnect::Eof);
            }
            return false;
        };
        let mut moved = false;
        let (_, queue) = link.buffers();
        if peer.reads && queue.has_remaining() {
            let bytes = queue.copy_to_bytes(queue.remaining());
            if peer.is_raw {
                peer.down.extend_from_slice(&bytes)
            } else {
                peer.client.handle_bytes(self.now.instant, &bytes)
            }
            moved = true;
        }
        let (_, staged) = peer.client.buffers();
        let staged = staged.copy_to_bytes(staged.remaining());
        peer.up.extend_from_slice(&staged);
        while link.wants_read() && !peer.up.is_empty() {
            let (space, _) = link.buffers();
            let n = space.len().min(peer.up.len());
            peer.up.copy_to_slice(space.get_mut(..n).expect("it was measured"));
            link.handle_read(self.now.instant, n);
            moved = true;
        }
        if peer.has_shut_down && peer.up.is_empty() && link.wants_read() {
            link.handle_disconnect(Disconnect::Eof);
            moved = true;
        }
        if moved {
            self.cluster.handle_io(self.now, id);
        } else if peer.has_shut_down {
            self.cluster.handle_hang_up(id);
        }
        moved
    }
}
