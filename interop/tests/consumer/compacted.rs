//! A compacted topic: its log has gaps, and nulls that mean that a key was deleted.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use interop::{Cluster, Release, ledger::Found};
use kafka08_client::{
    config::{EndAt, StartAt},
    consumer::ConsumerEvent,
};
use kafka08_proto::{ids::Offset, message::Codec};

use crate::{
    alone, config, panicking,
    reader::{Part, Reading, name, read},
    writer::{Pair, Writer, pair},
};

const TOPIC: &str = "compacted";
const CODECS: [Option<Codec>; 4] = [None, Some(Codec::Gzip), Some(Codec::Snappy), Some(Codec::Lz4)];
const PARTITIONS: u16 = 4;
const KEYS: u32 = 40;
const LIMIT: Duration = Duration::from_secs(60);

/// Writes each key until its round, so that the last ones are spread over the log. Some keys are deleted in some rounds.
fn write(writer: &mut Writer, partition: u16, codec: Option<Codec>) -> Vec<Found> {
    let message = |round: u32, key: u32| -> Pair {
        let (name, value) = pair(&format!("key {key}"), &format!("{key} in round {round} of {partition}"));
        // Words that differ, so that compressed segments fill up, too.
        let noise = (0..20).map(|n| format!(" {:x}", (round * 7919 + key * 104_729 + n).wrapping_mul(2_654_435_761)));
        let value = value.map(|value| [&value[..], noise.collect::<String>().as_bytes()].concat().into());
        (name, value.filter(|_| !(key + round).is_multiple_of(5)))
    };
    let mut written = Vec::new();
    for round in 0..KEYS {
        for first in (0..KEYS).step_by(8) {
            let keys = (first..first + 8).filter(|key| round <= *key);
            let messages: Vec<Pair> = keys.map(|key| message(round, key)).collect();
            if !messages.is_empty() {
                written.extend(writer.put(TOPIC, partition, codec, &messages));
            }
        }
    }
    written
}

/// The offset with which the last segment begins, which is never cleaned.
fn last_segment(logs: &Path, partition: u16) -> i64 {
    let folder = fs::read_dir(logs.join(format!("{TOPIC}-{partition}"))).expect("the partition has a folder");
    let names = folder.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    let bases = names.filter_map(|name| name.strip_suffix(".log")?.parse().ok());
    bases.max().expect("there is a segment")
}

/// Waits until the cleaner has done all that it ever will. Returns where it ended.
fn await_cleaner(logs: &Path, partition: u16) -> i64 {
    let started = Instant::now();
    loop {
        let end = last_segment(logs, partition);
        // Lines of "topic partition offset", behind two that say how many there are.
        let checkpoint = fs::read_to_string(logs.join("cleaner-offset-checkpoint")).unwrap_or_default();
        if checkpoint.lines().any(|line| line == format!("{TOPIC} {partition} {end}")) {
            return end;
        }
        assert!(started.elapsed() < LIMIT, "the cleaner has not come to {end}: {checkpoint}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What the cleaner leaves: the last message of each key in front of `end`, and everything behind it.
fn left(written: &[Found], end: i64) -> Vec<Found> {
    let cleaned = written.iter().filter(|found| found.offset < end);
    let last: BTreeMap<_, _> = cleaned.map(|found| (found.key.clone(), found.offset)).collect();
    let is_left = |found: &&Found| found.offset >= end || last.get(&found.key) == Some(&found.offset);
    written.iter().filter(is_left).cloned().collect()
}

#[test]
fn what_the_cleaner_has_left_is_read_once_and_a_null_is_a_null() {
    let _alone = alone();
    let cluster = Cluster::builder(Release::V0_8_2_2).setting("log.cleaner.backoff.ms", 100);
    let cluster = cluster.start().unwrap_or_else(panicking);
    // A hundredth of the log may be dirty: as long as there is a whole segment, it is cleaned.
    let settings = [("cleanup.policy", "compact"), ("segment.bytes", "16384"), ("min.cleanable.dirty.ratio", "0.01")];
    cluster.create_topic(TOPIC, PARTITIONS, 1, &settings).unwrap_or_else(panicking);
    let mut writer = Writer::connect(&cluster.broker());
    writer.await_leaders(TOPIC, PARTITIONS);
    let written: Vec<_> = (0..).zip(CODECS).map(|(partition, codec)| write(&mut writer, partition, codec)).collect();
    let expected: Vec<Vec<Found>> = (0..)
        .zip(&written)
        .map(|(partition, written)| left(written, await_cleaner(&cluster.log_dir(1), partition)))
        .collect();

    // Many fetches, which begin and end in gaps.
    let config = config(&cluster).with_partition_bytes(4096);
    let all = read(&config, &Reading::topic(TOPIC, PARTITIONS, &StartAt::Earliest));
    for ((partition, written), expected) in (0..).zip(&written).zip(&expected) {
        let gone = written.len() - expected.len();
        let nulls = expected.iter().filter(|found| found.value.is_none()).count();
        assert!(gone > written.len() / 2 && nulls > 5, "{partition}: {gone} of {} gone, {nulls} nulls", written.len());
        assert_eq!(all.of(TOPIC, partition), expected, "{partition}");
    }
    let end = Offset(i64::try_from(written.first().expect("there are four").len()).expect("small"));
    let mut told: Vec<String> = all.events.iter().map(|event| format!("{event:?}")).collect();
    let mut should = Vec::new();
    for at in 0..PARTITIONS {
        let partition = name(TOPIC, at);
        should.push(ConsumerEvent::Started { partition: partition.clone(), at: Offset(0) });
        should.push(ConsumerEvent::Ended { partition, at: end, expected: end });
    }
    let mut should: Vec<String> = should.iter().map(|event| format!("{event:?}")).collect();
    told.sort_unstable();
    should.sort_unstable();
    assert_eq!(told, should, "nothing is told of a gap");

    begins_and_ends_in_gaps(&config, &expected);
}

/// Reads from each gap of some to the next of them.
fn begins_and_ends_in_gaps(config: &kafka08_client::config::ConsumerConfig, expected: &[Vec<Found>]) {
    for (partition, expected) in (0..).zip(expected) {
        let gap = |pair: &[Found]| match pair {
            [before, behind] if behind.offset - before.offset > 2 => Some(before.offset + 2),
            _ => None,
        };
        let gaps: Vec<i64> = expected.windows(2).filter_map(gap).collect();
        let (Some(&from), Some(&to)) = (gaps.first(), gaps.last()) else { panic!("{partition}: {gaps:?}") };
        assert!(from < to, "{partition}: {gaps:?}");
        let part = Part::new(TOPIC, partition, StartAt::Offset(Offset(from)), EndAt::Offset(Offset(to)));
        let found = read(config, &Reading::parts([part]));
        let between: Vec<_> = expected.iter().filter(|found| (from..to).contains(&found.offset)).cloned().collect();
        assert!(!between.is_empty());
        assert_eq!(found.of(TOPIC, partition), between, "{partition}: {from} to {to}");
        let of = name(TOPIC, partition);
        let (started, ended) = (
            ConsumerEvent::Started { partition: of.clone(), at: Offset(from) },
            ConsumerEvent::Ended { partition: of, at: Offset(to), expected: Offset(to) },
        );
        assert_eq!(found.events, [started, ended]);
    }
}
