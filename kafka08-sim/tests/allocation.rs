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

/// Who uses a client. What it allocates is counted with the client.
trait User<M: Machine> {
    /// Does what has to be done in each turn of the client.
    fn exchange(&mut self, _machine: &mut M, _now: Instant) {}

    /// Takes an event.
    fn take(&mut self, event: M::Event);
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

/// The first bytes of a buffer.
fn front(buffer: &mut [u8], len: usize) -> &mut [u8] {
    buffer.get_mut(..len).expect("the length was taken from the buffer")
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

    /// Takes outputs.
    fn outputs(&mut self, user: &mut impl User<M>) -> bool {
        let mut moved = false;
        counted(&mut self.held, || user.exchange(&mut self.machine, self.now));
        loop {
            let Self { machine, held, now, .. } = self;
            let mut connect = None;
            let mut drops = None;
            let more = counted(held, || {
                match machine.poll_output(*now) {
                    Some(Output::Connect { link, to, .. }) => connect = Some((link, to.port())),
                    Some(Output::Drop(link)) => drops = Some(link),
                    Some(Output::Event(event)) => user.take(event),
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
            queue.copy_to_slice(front(wire, len));
            len
        });
        if len > 0 {
            broker.handle_bytes(at.instant, front(wire, len));
            moved = true;
        }
        if broker.wants_write() {
            let (_, queue) = broker.buffers();
            let len = queue.remaining().min(wire.len());
            queue.copy_to_slice(front(wire, len));
            counted(held, || {
                machine.link(link).expect("it is not dropped").handle_bytes(*now, front(wire, len));
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
    fn settle(&mut self, user: &mut impl User<M>) {
        loop {
            let mut moved = self.outputs(user);
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
    fn pass(&mut self, time: Duration, user: &mut impl User<M>) {
        let end = self.now + time;
        loop {
            self.settle(user);
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

/// A producer's records.
struct Records {
    accumulator: Accumulator<()>,
    value: [u8; 3000],
    delivered: usize,
}

impl User<Producer<()>> for Records {
    fn exchange(&mut self, machine: &mut Producer<()>, now: Instant) {
        machine.exchange(&mut self.accumulator, now);
    }

    fn take(&mut self, event: ProducerEvent<()>) {
        if let ProducerEvent::Ended { records, outcome, .. } = event {
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
            self.delivered += records.len();
        }
    }
}

impl Records {
    /// Appends the record with this number, some with a key, some for any partition. Returns whether there is room for it.
    fn append(&mut self, now: Instant, n: usize) -> bool {
        let partition = (!n.is_multiple_of(3)).then(|| PartitionId(i32::try_from(n % 6).expect("small")));
        let key = n.is_multiple_of(4).then_some(&b"key"[..]);
        let record = RecordRef { topic: "t", partition, key, value: self.value.get(..n) };
        self.accumulator.append(|| now, record).is_ok()
    }
}

/// Sends records of all sizes to all partitions, in bursts.
fn produce(codec: Option<Codec>) -> [i64; REPEATS] {
    let config = ProducerConfig::default()
        .with_cluster(ClusterConfig::default().with_bootstrap(nodes().map(address)))
        .with_compression(codec)
        .with_linger(Duration::from_millis(5));
    let mut rig = Rig::new(|| Producer::<()>::new(&config));
    let accumulator = counted(&mut rig.held, || Accumulator::new(&config));
    let mut user = Records { accumulator, value: [b'v'; 3000], delivered: 0 };
    [(); REPEATS].map(|()| {
        user.delivered = 0;
        let mut next = 0;
        for _ in 0..1000 {
            while next < 3000 && counted(&mut rig.held, || user.append(rig.now, next)) {
                next += 1;
                if next.is_multiple_of(200) {
                    break;
                }
            }
            rig.pass(Duration::from_millis(10), &mut user);
            if user.delivered == 3000 {
                break;
            }
        }
        assert_eq!(user.delivered, 3000);
        rig.pass(REST, &mut user);
        assert_eq!((user.accumulator.buffered(), rig.machine.stats().batches), (0, 0));
        rig.held
    })
}

#[test]
fn a_producer_holds_no_more_after_the_third_repeat_than_after_the_second() {
    for codec in [None, Some(Codec::Gzip), Some(Codec::Snappy)] {
        check(&format!("{codec:?}"), produce(codec));
    }
}

/// Claims of calls that have not ended, and how many calls have.
#[derive(Default)]
struct Calls {
    latest: Vec<Claim<ListOffsetsRequest>>,
    fetches: Vec<Claim<FetchRequest>>,
    ended: usize,
}

impl User<Cluster> for Calls {
    fn take(&mut self, event: ClusterEvent) {
        assert!(matches!(event, ClusterEvent::Ended(_)), "{event:?}");
        self.ended += 1;
    }
}

#[test]
fn a_cluster_holds_no_more_after_the_third_repeat_than_after_the_second() {
    let config = ClusterConfig::default().with_bootstrap(nodes().map(address));
    let mut rig = Rig::new(|| Cluster::new(config));
    let mut user = Calls::default();
    let held = [(); REPEATS].map(|()| {
        for round in 0..100 {
            let Rig { machine, held, now, .. } = &mut rig;
            user.ended = 0;
            counted(held, || {
                for n in 0..4 {
                    let latest = ListOffsetsRequest::latest([("t", (round + n) % 6), ("u", n % 3)]);
                    user.latest.push(machine.call(*now, latest).expect("it is taken"));
                    let fetch = FetchRequest::new(Millis(10), 1).with("t", (round + n) % 6, Offset(0), 4_096);
                    user.fetches.push(machine.call(*now, fetch).expect("it is taken"));
                }
            });
            rig.pass(Duration::from_secs(1), &mut user);
            assert_eq!(user.ended, 8, "round {round}");
            counted(&mut rig.held, || user = Calls::default());
        }
        rig.pass(REST, &mut user);
        assert_eq!(rig.machine.stats().calls, 0);
        rig.held
    });
    check("cluster", held);
}
