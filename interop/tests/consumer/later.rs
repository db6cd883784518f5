//! Topics of later brokers, whose records are in format 2: they are converted for a consumer of 0.8, as far as that is possible.

use std::{
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use interop::{NewerBroker, NewerRelease, ledger::Found};
use kafka08_blocking::Client;
use kafka08_client::{
    config::{ClusterConfig, ConsumerConfig, EndAt, StartAt},
    consumer::{ConsumerEvent, FetchCause},
};
use kafka08_proto::{
    ClientConfig,
    api::FetchRequest,
    error_code::ErrorCode,
    ids::{Millis, NodeId, Offset},
};

use crate::{
    alone,
    java::{Told, new_producer, source},
    panicking,
    reader::{Part, Read, Reading, name, read},
    writer::Writer,
};

const TOPIC: &str = "later";
/// Records of each partition, or of each part of one.
const COUNT: usize = 500;
/// Records of each transaction: more than a small fetch, so that a marker may be all that fits.
const IN_A_TRANSACTION: usize = 400;
const LIMIT: Duration = Duration::from_secs(60);

/// What is in which partition. The first four are read like any other.
const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];
const TRANSACTIONS: u16 = 4;
const COMPRESSED_TRANSACTIONS: u16 = 5;
/// Of 3.9.1: 1.1.1 does not know zstd.
const ZSTD: u16 = 6;
/// Records that convert, some that do not, and again some that do.
const MIXED: u16 = 7;
const PARTITIONS: u16 = 8;

fn start(release: NewerRelease) -> (NewerBroker, Writer) {
    let partitions = format!("num.partitions={PARTITIONS}");
    let broker = NewerBroker::start_with(release, &[&partitions]).unwrap_or_else(panicking);
    let mut writer = Writer::connect(&broker.address());
    writer.await_leaders(TOPIC, PARTITIONS);
    (broker, writer)
}

fn config(broker: &NewerBroker, bytes: usize) -> ConsumerConfig {
    let bootstrap = [broker.address().parse().expect("an address")];
    ConsumerConfig::default()
        .with_cluster(ClusterConfig::default().with_bootstrap(bootstrap))
        .with_partition_bytes(bytes)
}

fn produce(broker: &NewerBroker, jobs: &[String]) -> Told {
    new_producer(&broker.tool(&source("NewProducer.java")), &broker.address(), jobs)
}

/// Writes three transactions to a partition, of which the second one is aborted, and a marker behind each. Returns all records,
/// because the format of 0.8 cannot say which are aborted.
fn run_transactions(broker: &NewerBroker, partition: u16, codec: &str) -> Vec<Found> {
    let tool = broker.tool(&source("Transactions.java"));
    let (partition, count) = (partition.to_string(), IN_A_TRANSACTION.to_string());
    let tool = tool.args([broker.address().as_str(), TOPIC, &partition, &count, codec]);
    let output = tool.run().unwrap_or_else(panicking).stdout;
    let record = |line: &str| {
        let (offset, value) = line.strip_prefix(&format!("{partition} "))?.split_once(' ')?;
        Some(Found { offset: offset.parse().ok()?, key: None, value: Some(Bytes::from(value.to_owned())) })
    };
    let told: Vec<Found> = output.lines().filter_map(record).collect();
    assert_eq!(told.len(), 3 * IN_A_TRANSACTION, "{output}");
    told
}

fn told_of(told: &Told, partition: u16) -> &[Found] {
    told.get(&(TOPIC.to_owned(), partition)).map_or(&[], Vec::as_slice)
}

/// What was told of a partition besides its start.
fn told_by_us(read: &Read, topic: &str, partition: u16) -> Vec<ConsumerEvent> {
    let of = name(topic, partition);
    let is_of = |event: &&ConsumerEvent| match event {
        ConsumerEvent::Ended { partition, .. }
        | ConsumerEvent::Skipped { partition, .. }
        | ConsumerEvent::Failed { partition, .. }
        | ConsumerEvent::Reset { partition, .. }
        | ConsumerEvent::Corrupt { partition, .. }
        | ConsumerEvent::Stalled { partition, .. } => *partition == of,
        _ => false,
    };
    read.events.iter().filter(is_of).cloned().collect()
}

fn ended(topic: &str, partition: u16, at: usize) -> ConsumerEvent {
    let at = Offset(i64::try_from(at).expect("small"));
    ConsumerEvent::Ended { partition: name(topic, partition), at, expected: at }
}

fn refused(topic: &str, partition: u16, code: ErrorCode) -> ConsumerEvent {
    let cause = FetchCause::Refused { node: Some(NodeId(1)), code };
    ConsumerEvent::Failed { partition: name(topic, partition), cause }
}

/// Everything of the first partitions was read, and nothing else is told.
fn assert_read_whole(read: &Read, told: &Told, what: &str) {
    for (partition, codec) in (0..).zip(CODECS) {
        assert_eq!(read.of(TOPIC, partition), told_of(told, partition), "{what} {codec}");
        assert_eq!(told_by_us(read, TOPIC, partition), [ended(TOPIC, partition, COUNT)], "{what} {codec}");
    }
}

/// Each record was read, and each marker is in front of the end, or told as left out.
fn assert_transactions(read: &Read, partition: u16, records: &[Found], what: &str) {
    assert_eq!(read.of(TOPIC, partition), records, "{what} {partition}");
    // A marker behind each transaction.
    let end = records.len() + 3;
    let told = told_by_us(read, TOPIC, partition);
    let Some((last, skipped)) = told.split_last() else { panic!("{what} {partition}: nothing is told") };
    assert_eq!(*last, ended(TOPIC, partition, end), "{what} {partition}: {told:?}");
    let mut before = Offset(0);
    for event in skipped {
        let ConsumerEvent::Skipped { from, to, .. } = event else { panic!("{what} {partition}: {told:?}") };
        assert!(before <= *from && from < to, "{what} {partition}: {told:?}");
        let is_marker = |offset: i64| records.iter().all(|record| record.offset != offset);
        assert!((from.0..to.0).any(is_marker), "{what} {partition}: nothing was left out: {told:?}");
        before = *to;
    }
    // Nothing that converts follows the last marker, so it is always told.
    assert_eq!(before.0, i64::try_from(end).expect("small"), "{what} {partition}: {told:?}");
}

#[test]
fn records_of_a_later_format_are_read_whole_or_their_partition_ends_with_the_reason() {
    let _alone = alone();
    for release in [NewerRelease::V1_1_1, NewerRelease::V3_9_1] {
        let (broker, _) = start(release);
        let mut jobs: Vec<String> =
            (0..).zip(CODECS).map(|(partition, codec)| format!("{TOPIC}:{partition}:{codec}:{COUNT}")).collect();
        if release == NewerRelease::V3_9_1 {
            jobs.push(format!("{TOPIC}:{ZSTD}:zstd:{COUNT}"));
            jobs.extend(["none", "zstd", "none"].map(|codec| format!("{TOPIC}:{MIXED}:{codec}:{COUNT}")));
        }
        let told = produce(&broker, &jobs);
        let transactions = run_transactions(&broker, TRANSACTIONS, "none");
        let compressed = run_transactions(&broker, COMPRESSED_TRANSACTIONS, "gzip");
        // Less than a batch, and more than there is.
        for bytes in [4096, 1 << 20] {
            let what = format!("{release}, {bytes}:");
            let config = config(&broker, bytes);
            let all = read(&config, &Reading::topic(TOPIC, PARTITIONS, &StartAt::Earliest));
            assert_read_whole(&all, &told, &what);
            assert_transactions(&all, TRANSACTIONS, &transactions, &what);
            assert_transactions(&all, COMPRESSED_TRANSACTIONS, &compressed, &what);
            begins_and_ends_at_markers(&config, TRANSACTIONS, &transactions, &what);
            begins_and_ends_at_markers(&config, COMPRESSED_TRANSACTIONS, &compressed, &what);
            if release == NewerRelease::V3_9_1 {
                does_not_convert(&config, &all, &told, &what);
            }
        }
    }
}

/// Reads the marker of each transaction alone, and everything from it on.
fn begins_and_ends_at_markers(config: &ConsumerConfig, partition: u16, records: &[Found], what: &str) {
    for transaction in records.chunks(IN_A_TRANSACTION) {
        let marker = transaction.last().map(|last| Offset(last.offset).next()).expect("it has records");
        let part = |end| Reading::parts([Part::new(TOPIC, partition, StartAt::Offset(marker), end)]);
        let alone = read(config, &part(EndAt::Offset(marker.next())));
        assert_eq!(alone.messages(), 0, "{what} {partition}");
        let end = usize::try_from(marker.next().0).expect("small");
        assert_eq!(told_by_us(&alone, TOPIC, partition).last(), Some(&ended(TOPIC, partition, end)), "{what}");
        let behind: Vec<_> = records.iter().filter(|record| record.offset > marker.0).cloned().collect();
        let on = read(config, &part(EndAt::HighWatermark));
        assert_eq!(on.of(TOPIC, partition), behind, "{what} {partition}");
        let end = records.len() + 3;
        assert_eq!(told_by_us(&on, TOPIC, partition).last(), Some(&ended(TOPIC, partition, end)), "{what}");
    }
}

/// zstd ends a partition at its first batch. Who seeks past it reads on.
fn does_not_convert(config: &ConsumerConfig, all: &Read, told: &Told, what: &str) {
    let code = ErrorCode::UNSUPPORTED_COMPRESSION_TYPE;
    assert!(all.of(TOPIC, ZSTD).is_empty(), "{what}");
    assert_eq!(told_by_us(all, TOPIC, ZSTD), [refused(TOPIC, ZSTD, code)], "{what}");
    let (in_front, rest) = told_of(told, MIXED).split_at(COUNT);
    assert_eq!(all.of(TOPIC, MIXED), in_front, "{what}");
    let events = told_by_us(all, TOPIC, MIXED);
    assert_eq!(events, [refused(TOPIC, MIXED, code)], "{what}");
    let (_, behind) = rest.split_at(COUNT);
    let from = behind.first().map(|first| Offset(first.offset)).expect("there are some");
    let on = read(config, &Reading::parts([Part::new(TOPIC, MIXED, StartAt::Offset(from), EndAt::HighWatermark)]));
    assert_eq!(on.of(TOPIC, MIXED), behind, "{what}");
    assert_eq!(told_by_us(&on, TOPIC, MIXED), [ended(TOPIC, MIXED, 3 * COUNT)], "{what}");
}

/// Waits until a broker answers the fetch of a partition with a code.
fn await_code(broker: &NewerBroker, topic: &str, code: ErrorCode) {
    let mut client = Client::connect(&broker.address(), ClientConfig::default()).expect("the broker listens");
    let started = Instant::now();
    loop {
        let request = FetchRequest::new(Millis(0), 0).with(topic, 0, Offset(0), 1 << 20);
        let found = client.call(&request).expect("an answer").topics.find(topic, 0).expect("it is told").error;
        if found == code {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{topic}: {found}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_topic_that_is_not_converted_ends_with_the_reason_and_the_others_go_on() {
    const OFF: &str = "off";
    let _alone = alone();
    let (broker, mut writer) = start(NewerRelease::V3_9_1);
    writer.await_leaders(OFF, PARTITIONS);
    let jobs = (0..)
        .zip(CODECS)
        .map(|(partition, codec)| [TOPIC, OFF].map(|topic| format!("{topic}:{partition}:{codec}:{COUNT}")));
    let told = produce(&broker, &jobs.flatten().collect::<Vec<_>>());
    let alter = ["--alter", "--entity-type", "topics", "--entity-name", OFF];
    let tool = broker.tool("kafka.admin.ConfigCommand").args(["--bootstrap-server", &broker.address()]).args(alter);
    tool.args(["--add-config", "message.downconversion.enable=false"]).run().unwrap_or_else(panicking);
    let code = ErrorCode::UNSUPPORTED_VERSION;
    await_code(&broker, OFF, code);

    let part = |topic: &'static str| move |at: u16| Part::new(topic, at, StartAt::Earliest, EndAt::HighWatermark);
    let parts = (0..PARTITIONS).flat_map(|at| [part(OFF)(at), part(TOPIC)(at)]);
    let all = read(&config(&broker, 1 << 20), &Reading::parts(parts));
    assert_read_whole(&all, &told, "beside a topic that is not converted:");
    for (partition, codec) in (0..).zip(CODECS) {
        assert!(all.of(OFF, partition).is_empty(), "{codec}");
        assert_eq!(told_by_us(&all, OFF, partition), [refused(OFF, partition, code)], "{codec}");
    }
    // Nothing is in the others, so they end before anything is fetched.
    for partition in 4..PARTITIONS {
        assert_eq!(told_by_us(&all, OFF, partition), [ended(OFF, partition, 0)]);
    }
}
