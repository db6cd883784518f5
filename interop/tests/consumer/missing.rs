//! A topic that is not there yet, and a log whose beginning is deleted.

use std::{
    thread,
    time::{Duration, Instant},
};

use interop::{Cluster, Release, ledger::Found};
use kafka08_blocking::Client;
use kafka08_client::{
    config::{EndAt, OffsetStore, Reset, StartAt},
    consumer::{ConsumerEvent, FetchCause, ResetCause},
};
use kafka08_proto::{
    ClientConfig,
    api::{ListOffsetsRequest, MetadataRequest},
    ids::{Offset, OffsetTime, Text},
};

use crate::{
    alone, config, panicking,
    reader::{Part, Read, Reading, name, read},
    writer::{Writer, numbered},
};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn reading_a_topic_that_is_not_there_creates_none_and_begins_when_somebody_else_does() {
    reads_a_topic_that_is_not_there(&[Release::V0_8_2_2]);
}

#[test]
#[ignore = "20 s; .ci/long interop"]
fn reading_a_topic_that_is_not_there_creates_none_on_earlier_releases() {
    reads_a_topic_that_is_not_there(&[Release::V0_8_0, Release::V0_8_1_1]);
}

fn reads_a_topic_that_is_not_there(releases: &[Release]) {
    const TOPIC: &str = "missing";
    let _alone = alone();
    for &release in releases {
        let cluster = Cluster::start(release).unwrap_or_else(panicking);
        // Brokers of a cluster without any topic do not even say which brokers there are.
        for is_fresh in [true, false] {
            let topic = format!("{TOPIC}-{is_fresh}");
            let mut starts = vec![StartAt::Earliest, StartAt::Latest, StartAt::Offset(Offset(0))];
            if release >= Release::V0_8_1_1 {
                let (group, store, otherwise) = (Text::from("g"), OffsetStore::ZooKeeper, Reset::Earliest);
                starts.push(StartAt::Committed { group, store, otherwise });
            }
            if release == Release::V0_8_2_2 {
                let (group, store, otherwise) = (Text::from("g"), OffsetStore::Kafka, Reset::Earliest);
                starts.push(StartAt::Committed { group, store, otherwise });
            }
            let parts = starts.into_iter().zip(0..).map(|(start, at)| Part::new(&topic, at, start, EndAt::Never));
            // Long enough for several attempts of each.
            let since = Instant::now();
            let until: &dyn Fn(&Read) -> bool = &|_| since.elapsed() > Duration::from_secs(2);
            let read = read(&config(&cluster), &Reading { until, ..Reading::parts(parts) });
            assert_eq!(read.messages(), 0, "{release}");
            // An offset that was named need not be looked up.
            let is_named = |event: &&ConsumerEvent| match event {
                ConsumerEvent::Started { partition, at: Offset(0) } => *partition == name(&topic, 2),
                _ => false,
            };
            assert_eq!(read.events.iter().find(|event| !is_named(event)), None, "{release}");
            assert!(!topics(&cluster).iter().any(|found| found.starts_with(TOPIC)), "{release} {is_fresh}");
            if is_fresh {
                Writer::connect(&cluster.broker()).await_leaders("another", 1);
            }
        }
        begins(&cluster);
    }
}

/// The names of all topics.
fn topics(cluster: &Cluster) -> Vec<String> {
    let mut client = Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens");
    let all = client.call(&MetadataRequest::all()).expect("an answer");
    all.topics().iter().map(|topic| topic.name.to_string()).collect()
}

/// Waits for a topic, which is created meanwhile.
fn begins(cluster: &Cluster) {
    const TOPIC: &str = "late";
    let (release, partitions) = (cluster.release(), 2);
    let parts = (0..partitions).map(|at| Part::new(TOPIC, at, StartAt::Earliest, EndAt::Never));
    let config = config(cluster);
    let until = |read: &Read| read.messages() >= 200;
    let (read, written) = thread::scope(|scope| {
        let reading = scope.spawn(|| read(&config, &Reading { until: &until, ..Reading::parts(parts) }));
        thread::sleep(Duration::from_secs(1));
        let mut writer = Writer::connect(&cluster.broker());
        writer.await_leaders(TOPIC, partitions);
        let written = [0, 1].map(|at| writer.put(TOPIC, at, None, &numbered(0..100)));
        (reading.join().expect("it reads"), written)
    });
    for (at, written) in (0..).zip(written) {
        assert_eq!(read.of(TOPIC, at), written, "{release}");
    }
    let started = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Started { at: Offset(0), .. });
    assert!(read.events.len() == 2 && read.events.iter().all(started), "{release}: {:?}", read.events);
}

/// Waits until a log has lost its beginning and nothing more is deleted. Returns its first offset.
fn await_deletion(cluster: &Cluster, topic: &str) -> i64 {
    let mut client = Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens");
    let (started, mut last, mut since) = (Instant::now(), 0, Instant::now());
    while last == 0 || since.elapsed() < Duration::from_secs(2) {
        let request = ListOffsetsRequest::new().with(topic, 0, OffsetTime::EARLIEST);
        let answer = client.call(&request).expect("an answer");
        let found = answer.topics.find(topic, 0).expect("it is told").offsets.first().expect("a log has one").0;
        if found != last {
            (last, since) = (found, Instant::now());
        }
        assert!(started.elapsed() < LIMIT, "{topic} begins with {last}");
        thread::sleep(Duration::from_millis(50));
    }
    last
}

#[test]
#[ignore = "the first check of what to delete is after 30 s; .ci/long interop"]
fn an_offset_that_was_deleted_ends_the_partition_or_resets_it_once() {
    const TOPIC: &str = "deleted";
    let _alone = alone();
    let cluster = Cluster::builder(Release::V0_8_2_2).setting("log.retention.check.interval.ms", 300);
    let cluster = cluster.start().unwrap_or_else(panicking);
    let settings = [("segment.bytes", "4096"), ("retention.bytes", "20000"), ("file.delete.delay.ms", "100")];
    cluster.create_topic(TOPIC, 2, 1, &settings).unwrap_or_else(panicking);
    let mut writer = Writer::connect(&cluster.broker());
    writer.await_leaders(TOPIC, 2);
    let written: Vec<Found> =
        (0..200).flat_map(|n| writer.put(TOPIC, 0, None, &numbered(n * 10..(n + 1) * 10))).collect();
    let beside = writer.put(TOPIC, 1, None, &numbered(0..50));
    let first = await_deletion(&cluster, TOPIC);
    let rest: Vec<_> = written.iter().filter(|found| found.offset >= first).cloned().collect();
    assert!(first > 100 && rest.len() > 100, "{first}");

    let end = Offset(2000);
    let of = name(TOPIC, 0);
    let gone = ResetCause::OutOfRange(Offset(5));
    let ended = ConsumerEvent::Ended { partition: of.clone(), at: end, expected: end };
    let reset = ConsumerEvent::Reset { partition: of.clone(), why: gone.clone() };
    let started = |at| ConsumerEvent::Started { partition: of.clone(), at: Offset(at) };
    let failed = ConsumerEvent::Failed { partition: of.clone(), cause: FetchCause::Lost(gone) };
    let cases = [
        (Reset::Fail, vec![started(5), failed], vec![]),
        (Reset::Earliest, vec![started(5), reset.clone(), started(first), ended.clone()], rest),
        (Reset::Latest, vec![started(5), reset, started(2000), ended], vec![]),
    ];
    for (policy, events, expected) in cases {
        let parts = [
            Part::new(TOPIC, 0, StartAt::Offset(Offset(5)), EndAt::HighWatermark),
            Part::new(TOPIC, 1, StartAt::Earliest, EndAt::HighWatermark),
        ];
        let read = read(&config(&cluster).with_reset(policy), &Reading::parts(parts));
        assert_eq!(read.of(TOPIC, 0), expected, "{policy:?}");
        assert_eq!(read.of(TOPIC, 1), beside, "{policy:?}: the others go on");
        let is_of = |event: &&ConsumerEvent| format!("{event:?}").contains("partition: 0");
        let told: Vec<_> = read.events.iter().filter(is_of).cloned().collect();
        assert_eq!(told, events, "{policy:?}");
    }
}
