//! R1: a client that has done the same work before holds no more memory than then.
//!
//! Only what the client allocates is counted, and all of it is: nothing that it allocates is freed by somebody else, and nothing
//! that somebody else allocates becomes its own.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_broker::{BrokerConfig, Cluster as Brokers, ConnectionId, Now, Turn};
use kafka08_client::{
    accumulator::Accumulator,
    cluster::{Claim, Cluster, ClusterEvent},
    config::{ClusterConfig, ProducerConfig},
    machine::{LinkId, Machine, Output},
    producer::{Outcome, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::{
    Connection as _, HostPort,
    api::{FetchRequest, ListOffsetsRequest},
    ids::{Millis, NodeId, Offset, PartitionId, Timestamp},
    message::Codec,
};

/// How many times the work is done.
const REPEATS: usize = 3;
/// Longer than any memory is kept for the next time, and shorter than links are kept.
const REST: Duration = Duration::from_secs(60);

fn address(node: NodeId) -> HostPort {
    HostPort::new("broker", 9091 + u16::try_from(node.0).expect("small"))
}

fn nodes() -> impl Iterator<Item = NodeId> {
    (1..=3).map(NodeId)
}

/// A client and three brokers, and what the client holds.
struct Rig<M: Machine> {
    machine: M,
    brokers: Brokers,
    links: BTreeMap<LinkId, ConnectionId>,
    now: Instant,
    /// The bytes that the client has allocated and not freed.
    held: i64,
    /// Bytes on their way. Never grown while the client is counted.
    wire: Vec<u8>,
}

/// Runs what belongs to the client, and counts what it allocates.
fn counted<T>(held: &mut i64, work: impl FnOnce() -> T) -> T {
    let mut done = None;
    *held += allocation_counter::measure(|| done = Some(work())).bytes_current;
    done.expect("it has run")
}

impl<M: Machine> Rig<M> {
    fn new(make: impl FnOnce() -> M) -> Self {
        let now = Instant::now();
        let addresses = nodes().map(|node| (node, address(node))).collect();
        let config = BrokerConfig::default().with_brokers(3).with_topic("t", 6).with_topic("u", 3);
        let brokers = Brokers::new(config, &addresses, Now { instant: now, wall: Timestamp(1_000_000) });
        let mut held = 0;
        let machine = counted(&mut held, make);
        Self { machine, brokers, links: BTreeMap::new(), now, held, wire: vec![0; 1 << 20] }
    }

    fn at(&self) -> Now {
        Now { instant: self.now, wall: Timestamp(1_000_000) }
    }

    /// Takes outputs. Events are the user's part of the client, so they are counted with it.
    fn outputs(&mut self, event: &mut impl FnMut(&mut M, M::Event)) -> bool {
        let mut moved = false;
        loop {
            let Self { machine, held, now, .. } = self;
            let mut connect = None;
            let mut drops = None;
            let more = counted(held, || {
                match machine.poll_output(*now) {
                    Some(Output::Connect { link, to, .. }) => connect = Some((link, to.port())),
                    Some(Output::Drop(link)) => drops = Some(link),
                    Some(Output::Event(it)) => event(machine, it),
                    Some(Output::Write(_)) => {}
                    None => return false,
                }
                true
            });
            if !more {
                return moved;
            }
            moved = true;
            if let Some((link, port)) = connect {
                let at = self.at();
                let id = self.brokers.connect(at, NodeId(i32::from(port - 9091)), None).expect("it listens");
                self.links.insert(link, id);
                counted(&mut self.held, || self.machine.handle_connected(link, self.now));
            }
            if let Some(id) = drops.and_then(|link| self.links.remove(&link)) {
                self.brokers.handle_hang_up(id);
            }
        }
    }

    fn exchange(&mut self, link: LinkId, id: ConnectionId) -> bool {
        let at = self.at();
        let Self { machine, brokers, held, now, wire, .. } = self;
        let Some(broker) = brokers.link(id) else { return false };
        let mut moved = false;
        let len = counted(held, || {
            let Some(connection) = machine.link(link).filter(|connection| connection.wants_write()) else { return 0 };
            let (_, queue) = connection.buffers();
            let len = queue.remaining().min(wire.len());
            queue.copy_to_slice(&mut wire[..len]);
            len
        });
        if len > 0 {
            broker.handle_bytes(at.instant, &wire[..len]);
            moved = true;
        }
        if broker.wants_write() {
            let (_, queue) = broker.buffers();
            let len = queue.remaining().min(wire.len());
            queue.copy_to_slice(&mut wire[..len]);
            counted(held, || {
                machine.link(link).expect("it is not dropped").handle_bytes(*now, &wire[..len]);
            });
            moved = true;
        }
        if moved {
            brokers.handle_io(at, id);
            counted(held, || machine.handle_progress(link, *now));
        }
        moved
    }

    /// Moves everything until nothing moves.
    fn settle(&mut self, event: &mut impl FnMut(&mut M, M::Event)) {
        loop {
            let mut moved = self.outputs(event);
            for (link, id) in self.links.clone() {
                moved |= self.exchange(link, id);
            }
            let at = self.at();
            while self.brokers.turn(at) == Turn::More {
                moved = true;
            }
            while self.brokers.poll_ready().is_some() {
                moved = true;
            }
            while self.brokers.poll_event().is_some() {}
            if !moved {
                return;
            }
        }
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration, event: &mut impl FnMut(&mut M, M::Event)) {
        let end = self.now + time;
        loop {
            self.settle(event);
            let next = self.machine.poll_timeout().into_iter().chain(self.brokers.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                counted(&mut self.held, || self.machine.handle_timeout(self.now));
            }
        }
        self.now = end;
    }
}

fn check(what: &str, held: [i64; REPEATS]) {
    assert!(held[0] > 0, "{what}: nothing was counted: {held:?}");
    assert!(held[2] <= held[1], "{what}: the third repeat holds more than the second: {held:?}");
}

/// Sends records to all partitions, some keyed, some large, and flushes.
fn produce(codec: Option<Codec>) -> [i64; REPEATS] {
    let config = ProducerConfig::default()
        .with_cluster(ClusterConfig::default().with_bootstrap(nodes().map(address)))
        .with_compression(codec)
        .with_linger(Duration::from_millis(5));
    let mut rig = Rig::new(|| Producer::<()>::new(&config));
    let mut accumulator = counted(&mut rig.held, || Accumulator::new(&config));
    let value = [b'v'; 3000];
    [(); REPEATS].map(|()| {
        let (mut waits, mut taken, mut delivered) = (0..3000_usize, 0, 0);
        let mut next = waits.next();
        while next.is_some() || delivered < taken {
            // A burst, and time for it. Records that are refused at first are appended again.
            for _ in 0..200 {
                let Some(n) = next else { break };
                let now = rig.now;
                let is_taken = counted(&mut rig.held, || {
                    let partition = (n % 3 > 0).then(|| PartitionId(i32::try_from(n % 6).expect("small")));
                    let key = (n % 4 == 0).then_some(&b"key"[..]);
                    let record = RecordRef { topic: "t", partition, key, value: value.get(..n) };
                    accumulator.append(|| now, record).is_ok()
                });
                if !is_taken {
                    break;
                }
                taken += 1;
                next = waits.next();
            }
            let mut event = |_: &mut Producer<()>, event: ProducerEvent<()>| {
                if let ProducerEvent::Ended { records, outcome, .. } = event {
                    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
                    delivered += records.len();
                }
            };
            for _ in 0..10 {
                counted(&mut rig.held, || rig.machine.exchange(&mut accumulator, rig.now));
                rig.pass(Duration::from_millis(1), &mut event);
            }
        }
        counted(&mut rig.held, || rig.machine.exchange(&mut accumulator, rig.now));
        rig.pass(REST, &mut |_, _| {});
        assert_eq!((accumulator.buffered(), rig.machine.stats().batches), (0, 0));
        rig.held
    })
}

#[test]
fn a_producer_holds_no_more_after_the_third_repeat_than_after_the_second() {
    for codec in [None, Some(Codec::Gzip), Some(Codec::Snappy)] {
        check(&format!("{codec:?}"), produce(codec));
    }
}

#[test]
fn a_cluster_holds_no_more_after_the_third_repeat_than_after_the_second() {
    let config = ClusterConfig::default().with_bootstrap(nodes().map(address));
    let mut rig = Rig::new(|| Cluster::new(config));
    let held = [(); REPEATS].map(|()| {
        for round in 0..200 {
            let mut claims: Vec<Claim<ListOffsetsRequest>> = Vec::with_capacity(4);
            let mut fetches: Vec<Claim<FetchRequest>> = Vec::with_capacity(4);
            let Rig { machine, held, now, .. } = &mut rig;
            counted(held, || {
                for n in 0..4 {
                    let latest = ListOffsetsRequest::latest([("t", (round + n) % 6), ("u", n % 3)]);
                    claims.push(machine.call(*now, latest).expect("it is taken"));
                    let fetch = FetchRequest::new(Millis(10), 1).with("t", (round + n) % 6, Offset(0), 4_096);
                    fetches.push(machine.call(*now, fetch).expect("it is taken"));
                }
            });
            let mut ended = 0;
            rig.pass(Duration::from_secs(1), &mut |_, ClusterEvent::Ended(_)| ended += 1);
            assert_eq!(ended, 8, "round {round}");
            counted(&mut rig.held, || (claims.clear(), fetches.clear()));
        }
        rig.pass(REST, &mut |_, _| {});
        assert_eq!(rig.machine.stats().calls, 0);
        rig.held
    });
    check("cluster", held);
}
