//! The consumer machine on real brokers: what it reads is compared with the logs.
//!
//! `KAFKA08_RECORDS` is the number of messages (default: 20,000), `KAFKA08_ROUNDS` the number of leaders that are killed in a row
//! (default: 2).

mod codecs;
mod compacted;
mod java;
mod large;
#[cfg(feature = "newer-kafka")]
mod later;
#[path = "../leaders/mod.rs"]
mod leaders;
mod missing;
mod offsets;
mod reader;
mod times;
mod writer;

use std::{
    env,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use interop::{
    Cluster, Faults, Release,
    ledger::{Found, Log},
};
use kafka08_blocking::Producer;
use kafka08_client::{
    config::{ClusterConfig, ConsumerConfig, EndAt, OffsetStore, ProducerConfig, Reset, StartAt},
    record::Record,
};
use kafka08_proto::{
    ids::{PartitionId, Text},
    message::Codec,
};
use reader::{Part, Read, Reading, read};

const PARTITIONS: u16 = 4;
const MINUTE: Duration = Duration::from_secs(60);

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// The brokers of one test at a time: those of all together would starve each other on a small machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a test, for a reason that is made for readers.
fn panicking<T>(error: interop::Error) -> T {
    panic!("{error}")
}

fn config(cluster: &Cluster) -> ConsumerConfig {
    let bootstrap = cluster.all_brokers().into_iter().map(|broker| broker.parse().expect("an address"));
    ConsumerConfig::default().with_cluster(ClusterConfig::default().with_bootstrap(bootstrap))
}

/// Sends the values of a range, each to a partition by its number.
fn produce(cluster: &Cluster, topic: &str, range: std::ops::Range<u64>, codec: Option<Codec>) {
    let config = ProducerConfig::default().with_compression(codec);
    let producer = Producer::connect(cluster.all_brokers(), config).expect("a broker answers");
    for n in range {
        producer.send(record(topic, n).borrow(&n.to_string())).expect("it is taken");
    }
    producer.flush().expect("all were delivered");
}

/// A record whose partition is known, and whose value is not yet.
struct Placed<'a> {
    topic: &'a str,
    partition: i32,
}

fn record(topic: &str, n: u64) -> Placed<'_> {
    Placed { topic, partition: i32::try_from(n % u64::from(PARTITIONS)).expect("small") }
}

impl<'a> Placed<'a> {
    fn borrow(&self, value: &'a str) -> Record<'a> {
        Record::to(self.topic).partition(PartitionId(self.partition)).value(value)
    }
}

/// What was read is what the logs have.
fn compare(cluster: &Cluster, topic: &str, read: &Read) {
    let log = Log::read(&cluster.all_brokers(), topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
    for (partition, expected) in &log.partitions {
        let found = read.of(topic, *partition);
        let first = found.iter().zip(expected).find(|(found, expected)| found != expected);
        assert!(first.is_none(), "{topic} {partition}: {first:?}");
        assert_eq!(found.len(), expected.len(), "{topic} {partition}: {:?}", read.events);
    }
}

#[test]
fn each_release_is_read_whole_and_goes_on_from_what_was_committed() {
    let _alone = alone();
    let records = number("KAFKA08_RECORDS", 20_000);
    for release in Release::ALL {
        let cluster = Cluster::start(release).unwrap_or_else(|error| panic!("{error}"));
        let codecs: &[_] = if release == Release::V0_8_2_2 {
            &[None, Some(Codec::Gzip), Some(Codec::Snappy), Some(Codec::Lz4)]
        } else {
            &[None, Some(Codec::Gzip), Some(Codec::Snappy)]
        };
        for codec in codecs {
            let topic = format!("read-{codec:?}").replace(['(', ')'], "");
            cluster.create_topic(&topic, PARTITIONS, 1, &[]).unwrap_or_else(|error| panic!("{error}"));
            produce(&cluster, &topic, 0..records, *codec);
            let stores: &[_] = match release {
                Release::V0_8_2_2 => &[OffsetStore::Kafka, OffsetStore::ZooKeeper],
                Release::V0_8_1_1 => &[OffsetStore::ZooKeeper],
                // No store of offsets can be asked for through a broker.
                Release::V0_8_0 => &[],
            };
            let all = read(&config(&cluster), &Reading::topic(&topic, PARTITIONS, &StartAt::Earliest));
            compare(&cluster, &topic, &all);
            assert_eq!(all.messages(), usize::try_from(records).expect("small"));
            for store in stores {
                goes_on(&cluster, &topic, *store);
            }
        }
    }
}

/// Reads everything, commits, and reads on with another consumer.
fn goes_on(cluster: &Cluster, topic: &str, store: OffsetStore) {
    let group = Text::from(format!("group-{topic}-{store:?}").as_str());
    let start = || StartAt::Committed { group: group.clone(), store, otherwise: Reset::Earliest };
    let commit = || Some((group.clone(), store));
    let all = read(&config(cluster), &Reading { commit: commit(), ..Reading::topic(topic, PARTITIONS, &start()) });
    compare(cluster, topic, &all);
    let more = 100;
    produce(cluster, topic, 0..more, None);
    let on = read(&config(cluster), &Reading { commit: commit(), ..Reading::topic(topic, PARTITIONS, &start()) });
    assert_eq!(on.messages(), usize::try_from(more).expect("small"));
    let both: Read = Read {
        partitions: all
            .partitions
            .iter()
            .map(|(partition, before)| {
                let behind = on.partitions.get(partition).map_or(&[][..], Vec::as_slice);
                (partition.clone(), before.iter().chain(behind).cloned().collect::<Vec<Found>>())
            })
            .collect(),
        ..on
    };
    compare(cluster, topic, &both);
}

#[test]
fn a_reader_follows_killed_leaders_without_a_gap_or_a_repeat() {
    let _alone = alone();
    let rounds = number("KAFKA08_ROUNDS", 2);
    let mut cluster = Cluster::builder(Release::V0_8_2_2).brokers(3).start().unwrap_or_else(|error| panic!("{error}"));
    let topic = "followed";
    let mut faults = Faults::new(&mut cluster, topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
    let brokers = faults.cluster().all_brokers();
    let config = config(faults.cluster());
    let (is_calm, delivered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (read, history) = thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let producer = Producer::connect(&brokers, ProducerConfig::default()).expect("a broker answers");
            let mut n = 0;
            while !is_calm.load(Ordering::Relaxed) {
                producer.send(record(topic, n).borrow(&n.to_string())).expect("it is taken");
                n += 1;
                thread::sleep(Duration::from_micros(200));
            }
            producer.flush().expect("all were delivered");
            delivered.store(usize::try_from(n).expect("small"), Ordering::Relaxed);
        });
        let reading = scope.spawn(|| {
            // A record that was sent twice is read twice, so there may be more.
            let until = |read: &Read| {
                let expected = delivered.load(Ordering::Relaxed);
                expected > 0 && read.messages() >= expected && is_quiet(&brokers, topic, read)
            };
            let limit = MINUTE * u32::try_from(rounds + 1).expect("small");
            let parts = (0..PARTITIONS).map(|at| Part::new(topic, at, StartAt::Earliest, EndAt::Never));
            let reading = Reading { until: &until, limit, ..Reading::parts(parts) };
            read(&config, &reading)
        });
        let applied = (0..rounds).try_for_each(|round| {
            faults.quiet(Duration::from_secs(1));
            let partition = u16::try_from(round % u64::from(PARTITIONS)).expect("small");
            let dead = faults.kill_leader(partition)?;
            faults.quiet(Duration::from_secs(1));
            faults.revive(dead)
        });
        is_calm.store(true, Ordering::Relaxed);
        producing.join().expect("it sends everything");
        let read = reading.join().expect("it reads everything");
        applied.unwrap_or_else(|error: interop::Error| panic!("{error}"));
        (read, faults.history().to_owned())
    });
    println!("{history}{} messages were read, {} were sent", read.messages(), delivered.load(Ordering::Relaxed));
    compare(&cluster, topic, &read);
}

/// Whether the logs have no more messages than were read.
fn is_quiet(brokers: &[String], topic: &str, read: &Read) -> bool {
    Log::read(brokers, topic, PARTITIONS).is_ok_and(|log| log.messages() <= read.messages())
}
