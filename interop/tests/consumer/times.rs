//! Replay by time, which brokers of 0.8 find by the times at which segments were last written.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use interop::{Cluster, Release, ledger::Found};
use kafka08_client::{
    config::{EndAt, StartAt},
    consumer::{ConsumerEvent, ResetCause},
};
use kafka08_proto::ids::{Offset, Timestamp};

use crate::{
    alone, config, panicking,
    reader::{Part, Reading, name, read},
    writer::{Writer, numbered},
};

const TOPIC: &str = "timed";
/// So that no segment is written at a time that is asked for. The times of files are in milliseconds.
const PAUSE: Duration = Duration::from_millis(200);

fn now() -> i64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

/// The first offset of each segment, and when it was last written.
fn segments(logs: &Path) -> Vec<(i64, i64)> {
    let folder = fs::read_dir(logs.join(format!("{TOPIC}-0"))).expect("the partition has a folder");
    let segment = |entry: fs::DirEntry| {
        let base = entry.file_name().to_string_lossy().strip_suffix(".log")?.parse().ok()?;
        Some((base, millis(entry.metadata().and_then(|data| data.modified()).expect("it has a time"))))
    };
    let mut segments: Vec<_> = folder.filter_map(|entry| segment(entry.expect("it can be read"))).collect();
    segments.sort_unstable();
    segments
}

/// What Kafka's own tool says about a time.
fn told_by_the_shell(cluster: &Cluster, time: i64) -> Option<i64> {
    let (broker, time) = (cluster.broker(), time.to_string());
    let shell = cluster.tool("kafka.tools.GetOffsetShell");
    let shell = shell.args(["--broker-list", &broker, "--topic", TOPIC, "--partitions", "0", "--time", &time]);
    let output = shell.run().unwrap_or_else(panicking).stdout;
    let line = output.lines().find_map(|line| line.strip_prefix(&format!("{TOPIC}:0:")));
    line.unwrap_or_else(|| panic!("{output}")).parse().ok()
}

#[test]
fn a_replay_by_time_begins_with_the_segment_that_was_last_written_at_or_before_it() {
    let _alone = alone();
    for release in Release::ALL {
        let cluster = Cluster::builder(release).setting("log.segment.bytes", 4096).setting("num.partitions", 1);
        let cluster = cluster.start().unwrap_or_else(panicking);
        let mut writer = Writer::connect(&cluster.broker());
        writer.await_leaders(TOPIC, 1);
        // Three times with several segments each. Between them, times at which nothing was written.
        let mut written: Vec<Found> = Vec::new();
        let mut between: Vec<(i64, i64)> = Vec::new();
        for part in 0..3 {
            for n in part * 30..(part + 1) * 30 {
                written.extend(writer.put(TOPIC, 0, None, &numbered(n * 10..(n + 1) * 10)));
            }
            thread::sleep(PAUSE);
            between.push((now(), written.last().map_or(0, |last| last.offset + 1)));
            thread::sleep(PAUSE);
        }
        let segments = segments(&cluster.log_dir(1));
        assert!(segments.len() > 6, "{release}: {segments:?}");

        for (n, &(time, next)) in (0..).zip(&between) {
            let old = segments.iter().rev().find(|(_, last_written)| *last_written <= time).map(|(base, _)| *base);
            if n == 1 {
                assert_eq!(told_by_the_shell(&cluster, time), old, "{release}: {time} of {segments:?}");
            }
            let start = old.expect("something was written");
            assert!(start <= next, "{release}: no message behind {time} is left out");
            check(&cluster, time, start, None, &written);
        }
        let end = written.len().try_into().expect("small");
        let late = now() + 60_000;
        check(&cluster, late, end, None, &written);
        // A minute before the first segment was written to for the last time.
        let early = segments.first().map_or(0, |(_, last_written)| last_written - 60_000);
        assert_eq!(told_by_the_shell(&cluster, early), None, "{release}: all is younger");
        for early in [1, early] {
            check(&cluster, early, 0, Some(ResetCause::NothingSoEarly), &written);
        }
    }
}

/// Reads from a time on, and compares where it began, what it told and what it read.
fn check(cluster: &Cluster, time: i64, start: i64, why: Option<ResetCause>, written: &[Found]) {
    let part = Part::new(TOPIC, 0, StartAt::Time(Timestamp(time)), EndAt::HighWatermark);
    let found = read(&config(cluster), &Reading::parts([part]));
    let expected: Vec<_> = written.iter().filter(|found| found.offset >= start).cloned().collect();
    assert_eq!(found.of(TOPIC, 0), expected, "{} {time}", cluster.release());
    let partition = name(TOPIC, 0);
    let end = Offset(i64::try_from(written.len()).expect("small"));
    let mut events = vec![
        ConsumerEvent::Started { partition: partition.clone(), at: Offset(start) },
        ConsumerEvent::Ended { partition: partition.clone(), at: end, expected: end },
    ];
    if let Some(why) = why {
        events.insert(0, ConsumerEvent::Reset { partition, why });
    }
    assert_eq!(found.events, events, "{} {time}", cluster.release());
}
