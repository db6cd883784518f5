//! Messages that are larger than the size of a fetch, and one that is larger than a frame may be.

use bytes::Bytes;
use interop::{Cluster, Release, Seed, ledger::Found};
use kafka08_client::{
    config::{ClusterConfig, ConsumerConfig, EndAt, StartAt},
    consumer::{ConsumerEvent, FetchCause},
};
use kafka08_proto::{ids::Offset, limits::Limits, message::Codec};

use crate::{
    alone, config, panicking,
    reader::{Part, Read, Reading, name, read},
    writer::{Pair, Writer, numbered},
};

const TOPIC: &str = "large";
const PARTITION_BYTES: usize = 64 * 1024;
const SMALL: u32 = 200;
const LARGE: usize = 5_000_000;
/// What an entry has besides key and value: offset, size, CRC, magic, attributes, two lengths.
const AROUND: usize = 26;

/// Bytes that do not compress.
fn noise(len: usize) -> Bytes {
    let mut seed = Seed::new(1);
    std::iter::repeat_with(|| u8::try_from(seed.below(256)).expect("below 256")).take(len).collect()
}

fn is_end(event: &ConsumerEvent) -> bool {
    matches!(event, ConsumerEvent::Ended { at, expected, .. } if at == expected)
}

/// The events that are not of every reading.
fn others(read: &Read) -> Vec<&ConsumerEvent> {
    let is_usual = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Started { .. }) || is_end(event);
    read.events.iter().filter(|event| !is_usual(event)).collect()
}

/// Three partitions: with a large message between small ones, with a large compressed set, and with small ones alone.
fn write(writer: &mut Writer) -> [Vec<Found>; 3] {
    let key = Some(Bytes::from_static(b"large"));
    let large: Vec<Pair> = vec![(key.clone(), Some(noise(LARGE)))];
    // Together larger than a fetch, and each of them as well.
    let several: Vec<Pair> = (0..4).map(|n| (key.clone(), Some(noise(300_000 + n)))).collect();
    let mut written = [const { Vec::new() }; 3];
    let [first, second, third] = &mut written;
    for (partition, written, codec, large) in [(0, first, None, &large), (1, second, Some(Codec::Gzip), &several)] {
        written.extend(writer.put(TOPIC, partition, None, &numbered(0..SMALL)));
        written.extend(writer.put(TOPIC, partition, codec, large));
        written.extend(writer.put(TOPIC, partition, None, &numbered(SMALL..2 * SMALL)));
    }
    for n in 0..40 {
        third.extend(writer.put(TOPIC, 2, None, &numbered(n * SMALL..(n + 1) * SMALL)));
    }
    written
}

/// Compares without printing megabytes.
fn assert_same(read: &Read, partition: u16, expected: &[Found], what: &str) {
    let offsets: Vec<i64> = expected.iter().map(|found| found.offset).collect();
    assert_eq!(read.offsets(TOPIC, partition), offsets, "{what} {partition}");
    let first = read.of(TOPIC, partition).iter().zip(expected).find(|(found, expected)| found != expected);
    assert!(first.is_none(), "{what} {partition}: another value at {:?}", first.map(|(found, _)| found.offset));
}

fn of(cluster: &Cluster, limits: Limits) -> ConsumerConfig {
    let bootstrap = [cluster.broker().parse().expect("an address")];
    let cluster = ClusterConfig::default().with_bootstrap(bootstrap).with_limits(limits);
    ConsumerConfig::default().with_cluster(cluster).with_partition_bytes(PARTITION_BYTES)
}

#[test]
fn a_message_of_5_mb_is_read_with_fetches_of_64_kb_or_told_as_too_large() {
    let _alone = alone();
    for release in Release::ALL {
        let cluster = Cluster::builder(release).setting("message.max.bytes", 6_000_000);
        let cluster = cluster.setting("replica.fetch.max.bytes", 7_000_000).setting("num.partitions", 3);
        let cluster = cluster.start().unwrap_or_else(panicking);
        let mut writer = Writer::connect(&cluster.broker());
        writer.await_leaders(TOPIC, 3);
        let written = write(&mut writer);

        let all = read(
            &config(&cluster).with_partition_bytes(PARTITION_BYTES),
            &Reading::topic(TOPIC, 3, &StartAt::Earliest),
        );
        for (partition, expected) in (0..).zip(&written) {
            assert_same(&all, partition, expected, release.version());
        }
        assert!(others(&all).is_empty(), "{release}: {:?}", others(&all));
        too_large(&cluster, &written);
    }
}

/// Reads with a limit of a frame that is below the largest message, but not below the compressed set.
fn too_large(cluster: &Cluster, written: &[Vec<Found>; 3]) {
    let release = cluster.release();
    let config = of(cluster, Limits::default().with_max_frame(2_000_000));
    let all = read(&config, &Reading::topic(TOPIC, 3, &StartAt::Earliest));
    let [first, second, third] = written;
    let (in_front, rest) = first.split_at(usize::try_from(SMALL).expect("small"));
    let [large, behind @ ..] = rest else { panic!("there is a large one") };
    assert_same(&all, 0, in_front, release.version());
    assert_same(&all, 1, second, release.version());
    assert_same(&all, 2, third, release.version());
    let [ConsumerEvent::Failed { partition, cause }] = others(&all)[..] else {
        panic!("{release}: one event, once: {:?}", others(&all))
    };
    assert_eq!(*partition, name(TOPIC, 0));
    let FetchCause::TooLarge { offset, needed, cap } = *cause else { panic!("{release}: {cause:?}") };
    assert_eq!(offset, Offset(large.offset), "{release}");
    assert_eq!(needed, Some(AROUND + LARGE + "large".len()), "{release}");
    assert!(cap < 2_000_000, "{release}: {cap}");

    // What the event advises: to seek past it.
    let part = Part::new(TOPIC, 0, StartAt::Offset(offset.next()), EndAt::HighWatermark);
    let on = read(&config, &Reading::parts([part]));
    assert_same(&on, 0, behind, release.version());
    assert!(others(&on).is_empty(), "{release}: {:?}", others(&on));
}
