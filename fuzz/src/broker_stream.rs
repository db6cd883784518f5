//! Bytes of two hostile clients, and an honest one behind them.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_broker::{BrokerConfig, Cluster, ConnectionId, Now, Turn};
use kafka08_proto::{
    Connection as _, Disconnect,
    api::{AnyRequest, AnyResponse, Encode as _, FetchRequest, ProduceRequest},
    ids::{Acks, Millis, NodeId, Offset, Timestamp},
    message::MessageSet,
    profile::Profile,
};

/// How many turns are more than any input needs. Each input is small, so a cluster that is still busy then never rests.
const TURNS: usize = 10_000;
/// How many answers a client may leave unread, in bytes.
const MAX_UNSENT: usize = 256 << 10;

/// Two connections whose bytes the input decides, with a cluster that has the topic "t".
///
/// The first byte is settings. Then come steps: a byte that says what happens, and what belongs to it. See `Run::step`.
///
/// No panic. The cluster always comes to rest. The connections that it keeps, and the answers that are not read, stay within
/// their limits. Afterwards an honest client can produce a message to "t", and fetch it.
pub fn broker_stream(data: &[u8]) {
    let Some((&settings, steps)) = data.split_first() else { return };
    let mut run = Run::new(settings);
    let mut rest = steps;
    while let Some((&step, after)) = rest.split_first() {
        rest = run.step(step, after);
        run.settle();
        run.check();
    }
    run.end();
}

struct Run {
    cluster: Cluster,
    now: Now,
    /// The two connections. One that was closed is made again when it is needed.
    connections: [Option<ConnectionId>; 2],
    /// Bytes that a connection does not take yet.
    waiting: [Vec<u8>; 2],
    reads: [bool; 2],
}

impl Run {
    fn new(settings: u8) -> Self {
        let now = Now { instant: Instant::now(), wall: Timestamp(1_400_000_000_000) };
        let config = BrokerConfig::default()
            .with_brokers(if settings & 1 == 0 { 1 } else { 3 })
            .with_profile(match settings >> 1 & 3 {
                0 => Profile::V0_8_0,
                1 => Profile::V0_8_1,
                _ => Profile::V0_8_2,
            })
            .with_replication_lag(Duration::from_millis(if settings & 8 == 0 { 0 } else { 20 }))
            .with_topic("t", 2)
            .with_max_connections(2)
            .with_max_frame(64 << 10)
            .with_max_log_bytes(1 << 20)
            .with_max_answer(64 << 10)
            .with_max_unsent(MAX_UNSENT)
            .with_max_topics(20)
            .with_max_offsets(100)
            .with_max_partitions_per_request(64)
            .with_max_waiting(1)
            .with_offsets_partitions(4)
            .with_segment_bytes(if settings & 16 == 0 { 1 << 30 } else { 500 })
            .with_max_message(16 << 10)
            .with_history_bytes(16 << 10);
        let cluster = Cluster::new(config, &BTreeMap::new(), now);
        Self { cluster, now, connections: [None; 2], waiting: Default::default(), reads: [true; 2] }
    }

    /// Does one step, and returns what is left of the input.
    ///
    /// The lowest bit of the step names the connection. The next two bits say what happens: bytes arrive (the next byte counts
    /// them), a frame arrives (the same, with its length put in front), time passes, or the client changes.
    fn step<'d>(&mut self, step: u8, rest: &'d [u8]) -> &'d [u8] {
        let which = usize::from(step & 1);
        match step >> 1 & 3 {
            kind @ (0 | 1) => {
                let Some((&len, rest)) = rest.split_first() else { return &[] };
                let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
                if kind == 1 {
                    let len = i32::try_from(bytes.len()).expect("at most 255");
                    self.add(which, &len.to_be_bytes());
                }
                self.add(which, bytes);
                rest
            }
            2 => {
                // From 1 ms to 32 s, in steps of powers of two.
                self.pass(Duration::from_millis(1 << (step >> 4)));
                rest
            }
            _ => {
                self.change(which, step >> 3);
                rest
            }
        }
    }

    fn add(&mut self, which: usize, bytes: &[u8]) {
        if let Some(waiting) = self.waiting.get_mut(which) {
            waiting.extend_from_slice(bytes);
        }
    }

    /// The client goes, stops reading or reads again, or a broker is killed, started, paused or resumed.
    fn change(&mut self, which: usize, how: u8) {
        let id = self.connections.get(which).copied().flatten();
        let node = NodeId(1 + i32::from(how >> 3) % 3);
        match how % 8 {
            0 => {
                if let Some(link) = id.and_then(|id| self.cluster.link(id)) {
                    link.handle_disconnect(Disconnect::Eof);
                }
                if let Some(id) = id {
                    self.cluster.handle_io(self.now, id);
                }
            }
            1 => self.set_reads(which, false),
            2 => self.set_reads(which, true),
            3 => self.cluster.kill(node, self.now),
            4 => self.cluster.start(node, self.now),
            5 => self.cluster.pause(node, self.now),
            6 => self.cluster.resume(node, self.now),
            _ => self.cluster.reset(self.now),
        }
    }

    fn set_reads(&mut self, which: usize, reads: bool) {
        if let Some(found) = self.reads.get_mut(which) {
            *found = reads;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall.0 += i64::try_from(time.as_millis()).expect("seconds");
    }

    /// Moves bytes and serves until nothing moves.
    fn settle(&mut self) {
        for _ in 0..TURNS {
            let mut moved = self.carry(0) | self.carry(1);
            moved |= self.cluster.turn(self.now) == Turn::More;
            while self.cluster.poll_ready().is_some() {
                moved = true;
            }
            while self.cluster.poll_event().is_some() {}
            if !moved {
                return;
            }
        }
        panic!("the cluster never comes to rest");
    }

    /// Moves the bytes of a connection, which is made if there are bytes for it. Returns whether any moved.
    fn carry(&mut self, which: usize) -> bool {
        let (Some(slot), Some(waiting), Some(reads)) =
            (self.connections.get_mut(which), self.waiting.get_mut(which), self.reads.get(which))
        else {
            return false;
        };
        if slot.is_none_or(|id| self.cluster.link(id).is_none()) {
            *slot = None;
            if waiting.is_empty() {
                return false;
            }
            let Ok(id) = self.cluster.connect(self.now, NodeId(1), None) else {
                waiting.clear();
                return false;
            };
            *slot = Some(id);
        }
        let Some((id, link)) = slot.and_then(|id| Some((id, self.cluster.link(id)?))) else { return false };
        let mut moved = false;
        if *reads {
            let (_, queue) = link.buffers();
            moved = queue.has_remaining();
            queue.advance(queue.remaining());
        }
        while link.wants_read() && !waiting.is_empty() {
            let (space, _) = link.buffers();
            let n = space.len().min(waiting.len());
            space.iter_mut().zip(waiting.drain(..n)).for_each(|(to, from)| *to = from);
            link.handle_read(self.now.instant, n);
            moved = true;
        }
        if moved {
            self.cluster.handle_io(self.now, id);
        }
        moved
    }

    /// The limits hold.
    fn check(&mut self) {
        assert!(self.cluster.connections() <= 2);
        let mut unsent = 0;
        for id in self.connections.into_iter().flatten() {
            if let Some(link) = self.cluster.link(id) {
                unsent += link.buffers().1.remaining();
            }
        }
        assert!(unsent <= MAX_UNSENT, "{unsent}");
    }

    /// An honest client is served.
    fn end(mut self) {
        for node in [1, 2, 3] {
            self.cluster.resume(NodeId(node), self.now);
            self.cluster.start(NodeId(node), self.now);
        }
        for id in self.connections.into_iter().flatten() {
            if let Some(link) = self.cluster.link(id) {
                // A client that only closes its side still gets what it waits for.
                link.handle_disconnect(Disconnect::Error(ErrorKind::ConnectionReset));
            }
            self.cluster.handle_io(self.now, id);
        }
        self.connections = [None; 2];
        self.waiting = Default::default();
        // What was not read keeps a connection until the write timeout, which is 30 s.
        for _ in 0..120 {
            self.pass(Duration::from_millis(500));
            self.settle();
        }
        assert_eq!(self.cluster.connections(), 0);
        // A reset while no broker ran has left no topic. If it is there, this does nothing.
        let _ = self.cluster.create_topic("t", 2, self.now);
        let leader = self.cluster.leader("t", 0).expect("a broker that runs leads it");
        let (end, _) = self.cluster.ends("t", 0, leader).expect("the leader has a replica");
        let set = MessageSet::of_value(b"honest");
        let produce = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, set);
        let AnyResponse::Produce(produced) = self.ask(leader, &AnyRequest::Produce(produce)) else {
            panic!("a Produce")
        };
        let produced = produced.topics.find("t", 0).expect("it is answered");
        assert!(produced.error.is_ok() && produced.offset == end, "{produced:?}");
        // A client of 0.8.0 that was taken for a follower holds the high watermark back until it is found to have gone.
        for _ in 0..25 {
            self.pass(Duration::from_secs(1));
            self.settle();
        }
        let fetch = FetchRequest::new(Millis(0), 0).with("t", 0, end, 100_000);
        let AnyResponse::Fetch(fetched) = self.ask(leader, &AnyRequest::Fetch(fetch)) else { panic!("a Fetch") };
        let fetched = fetched.topics.find("t", 0).expect("it is answered");
        assert!(fetched.error.is_ok() && fetched.messages.entries().count() == 1, "{fetched:?}");
        let from_start = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 100_000);
        self.ask(leader, &AnyRequest::Fetch(from_start));
    }

    /// Sends one request on a new connection, and reads its answer.
    fn ask(&mut self, node: NodeId, request: &AnyRequest) -> AnyResponse {
        let id = self.cluster.connect(self.now, node, None).expect("the others have gone");
        let body = request.to_bytes().expect("it fits the wire");
        let api = request.api();
        let len = i32::try_from(body.len() + 10).expect("it is small");
        let head =
            [&len.to_be_bytes()[..], &api.key.0.to_be_bytes(), &api.version.0.to_be_bytes(), &[0, 0, 0, 1, 0xff, 0xff]];
        let link = self.cluster.link(id).expect("it was just made");
        link.handle_bytes(self.now.instant, &[head.concat(), body.to_vec()].concat());
        self.cluster.handle_io(self.now, id);
        self.settle();
        let link = self.cluster.link(id).expect("an honest client is not closed");
        let (_, queue) = link.buffers();
        let mut answer: Bytes = queue.copy_to_bytes(queue.remaining());
        assert!(answer.len() >= 8, "an honest request was not answered");
        answer.advance(8);
        link.handle_disconnect(Disconnect::Eof);
        self.cluster.handle_io(self.now, id);
        self.settle();
        AnyResponse::decode(api, &answer).expect("it is well formed")
    }
}
