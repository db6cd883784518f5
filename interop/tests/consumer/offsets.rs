//! Offsets that groups have committed: Kafka's own consumer goes on where ours has stopped, and ours where that one has.

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use interop::{Cluster, Release, Tool, ledger::Found};
use kafka08_client::{
    config::{ConsumerConfig, EndAt, OffsetStore, ReleaseSetting, Reset, StartAt},
    consumer::{ConsumerEvent, ResetCause},
};
use kafka08_proto::{
    ids::{Offset, Text},
    message::Codec,
    profile::Profile,
};

use crate::{
    alone, config, panicking,
    reader::{Part, Reading, name, read},
    writer::{Writer, numbered},
};

const PARTITIONS: u16 = 3;
/// How many sets each partition has, and how many messages are in a set.
const SETS: u32 = 6;
const IN_A_SET: u32 = 20;

/// Where a group keeps its offsets. Kafka's own consumer has three settings: it can commit to both stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    ZooKeeper,
    Kafka,
    Both,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::ZooKeeper => "zookeeper",
            Self::Kafka => "kafka",
            Self::Both => "both",
        }
    }

    fn stores(self) -> &'static [OffsetStore] {
        match self {
            Self::ZooKeeper => &[OffsetStore::ZooKeeper],
            Self::Kafka => &[OffsetStore::Kafka],
            Self::Both => &[OffsetStore::ZooKeeper, OffsetStore::Kafka],
        }
    }
}

/// A broker with a topic whose sets are plain and compressed in turn, and what is in it.
struct Setup {
    cluster: Cluster,
    topic: &'static str,
    written: Vec<Vec<Found>>,
}

impl Setup {
    fn new(cluster: Cluster, topic: &'static str) -> Self {
        cluster.create_topic(topic, PARTITIONS, 1, &[]).unwrap_or_else(panicking);
        let mut writer = Writer::connect(&cluster.broker());
        writer.await_leaders(topic, PARTITIONS);
        let mut written = vec![Vec::new(); PARTITIONS.into()];
        for set in 0..SETS {
            let codec = if set % 2 == 0 { Some(Codec::Gzip) } else { None };
            for (partition, written) in (0..).zip(&mut written) {
                written.extend(writer.put(topic, partition, codec, &numbered(set * IN_A_SET..(set + 1) * IN_A_SET)));
            }
        }
        Self { cluster, topic, written }
    }

    /// What Kafka's own consumer reads as a member of a group, by partition. With `is_end`, all that is left.
    fn theirs(&self, group: &str, place: Place, count: usize, is_end: bool) -> BTreeMap<u16, Vec<(i64, String)>> {
        let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/java/Groups.java"));
        let tool = Tool::compiled(Release::V0_8_2_2, source).unwrap_or_else(panicking);
        let (zookeeper, count) = (self.cluster.zookeeper(), count.to_string());
        let how = if is_end { "end" } else { "stop" };
        let output = tool.args([&zookeeper, group, place.name(), self.topic, &count, how]).run();
        let output = output.unwrap_or_else(panicking).stdout;
        let mut found: BTreeMap<u16, Vec<(i64, String)>> = BTreeMap::new();
        let mut ends = 0;
        for line in output.lines().filter(|line| !line.starts_with("log4j") && !line.starts_with("SLF4J")) {
            match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
                ["end"] => ends += 1,
                [partition, offset, value] => {
                    let partition = partition.parse().unwrap_or_else(|_| panic!("{output}"));
                    let offset = offset.parse().unwrap_or_else(|_| panic!("{output}"));
                    found.entry(partition).or_default().push((offset, value.to_owned()));
                }
                _ => panic!("{output}"),
            }
        }
        assert_eq!(ends, i32::from(is_end), "{output}");
        found
    }

    /// What a partition has from an offset on.
    fn rest(&self, partition: u16, from: i64) -> Vec<Found> {
        let written = self.written.get(usize::from(partition)).expect("it was written");
        written.iter().filter(|found| found.offset >= from).cloned().collect()
    }

    /// The group's offsets and lags, as Kafka's own tool tells them. It looks in Kafka first, and then in ZooKeeper.
    fn checked(&self, group: &str) -> BTreeMap<u16, (i64, i64)> {
        let checker = self.cluster.tool("kafka.tools.ConsumerOffsetChecker");
        let zookeeper = self.cluster.zookeeper();
        let checker = checker.args(["--zookeeper", &zookeeper, "--group", group, "--topic", self.topic]);
        let output = checker.run().unwrap_or_else(panicking).stdout;
        let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
            // Group, topic, partition, offset, size of the log, lag, owner.
            [of, _, partition, offset, _, lag, ..] if of == group => {
                Some((partition.parse().ok()?, (offset.parse().ok()?, lag.parse().ok()?)))
            }
            _ => None,
        };
        output.lines().filter_map(line).collect()
    }
}

fn as_printed(found: &[Found]) -> Vec<(i64, String)> {
    let text = |found: &Found| String::from_utf8_lossy(found.value.as_deref().unwrap_or_default()).into_owned();
    found.iter().map(|found| (found.offset, text(found))).collect()
}

fn start() -> Cluster {
    Cluster::start(Release::V0_8_2_2).unwrap_or_else(panicking)
}

#[test]
fn kafkas_own_consumer_goes_on_from_what_ours_has_committed() {
    let _alone = alone();
    let setup = Setup::new(start(), "ours");
    // Each ends elsewhere: in a compressed set, in a plain one, and between two.
    let ends: [i64; 3] = [47, 33, 60];
    for place in [Place::ZooKeeper, Place::Kafka] {
        for store in place.stores() {
            let group = format!("ours-in-{}", place.name());
            let committed =
                StartAt::Committed { group: Text::from(group.as_str()), store: *store, otherwise: Reset::Earliest };
            let part =
                |(at, end): (u16, i64)| Part::new(setup.topic, at, committed.clone(), EndAt::Offset(Offset(end)));
            let reading = Reading::parts((0..).zip(ends).map(part));
            let commit = Some((Text::from(group.as_str()), *store));
            let ours = read(&config(&setup.cluster), &Reading { commit, ..reading });
            for (at, end) in (0..).zip(ends) {
                let expected: Vec<_> = (0..end).collect();
                assert_eq!(ours.offsets(setup.topic, at), expected, "{place:?} {at}");
            }
            let length = i64::from(SETS * IN_A_SET);
            let expected: BTreeMap<u16, (i64, i64)> = (0..).zip(ends.map(|end| (end, length - end))).collect();
            assert_eq!(setup.checked(&group), expected, "{place:?}: offset and lag");

            let rest: Vec<Vec<Found>> = (0..).zip(ends).map(|(at, end)| setup.rest(at, end)).collect();
            let count = rest.iter().map(Vec::len).sum();
            let theirs = setup.theirs(&group, place, count, true);
            for (at, rest) in (0..).zip(&rest) {
                assert_eq!(theirs.get(&at), Some(&as_printed(rest)), "{place:?} {at}");
            }
        }
    }
}

#[test]
fn ours_goes_on_from_what_kafkas_own_consumer_has_committed() {
    let _alone = alone();
    let setup = Setup::new(start(), "theirs");
    for place in [Place::ZooKeeper, Place::Kafka, Place::Both] {
        let group = format!("theirs-in-{}", place.name());
        // More than one partition has, and in the midst of a set.
        let theirs = setup.theirs(&group, place, 130, false);
        for (at, found) in &theirs {
            let (read, _) = setup.written.get(usize::from(*at)).expect("it was written").split_at(found.len());
            assert_eq!(*found, as_printed(read), "{place:?} {at}");
        }
        for store in [OffsetStore::ZooKeeper, OffsetStore::Kafka] {
            let is_there = place.stores().contains(&store);
            let committed = if is_there { theirs.clone() } else { BTreeMap::new() };
            goes_on(&setup, &group, store, &committed);
        }
    }
}

/// Reads on with ours. The other store of a group has nothing.
fn goes_on(setup: &Setup, group: &str, store: OffsetStore, theirs: &BTreeMap<u16, Vec<(i64, String)>>) {
    let group = Text::from(group);
    let start = StartAt::Committed { group: group.clone(), store, otherwise: Reset::Earliest };
    let ours = read(&config(&setup.cluster), &Reading::topic(setup.topic, PARTITIONS, &start));
    let left = setup.written.iter().map(Vec::len).sum::<usize>() - theirs.values().map(Vec::len).sum::<usize>();
    assert_eq!(ours.messages(), left, "{group} {store:?}");
    for at in 0..PARTITIONS {
        let from = theirs.get(&at).and_then(|found| found.last()).map(|(last, _)| last + 1);
        let rest = setup.rest(at, from.unwrap_or(0));
        assert_eq!(ours.of(setup.topic, at), rest, "{group} {store:?} {at}");
        let partition = name(setup.topic, at);
        let nothing = ResetCause::NothingCommitted { group: group.clone() };
        let reset = ConsumerEvent::Reset { partition: partition.clone(), why: nothing };
        let started = ConsumerEvent::Started { partition, at: Offset(from.unwrap_or(0)) };
        assert!(ours.events.contains(&started), "{group} {store:?} {at}: {:?}", ours.events);
        if from.is_some() || theirs.is_empty() {
            // A partition that it was given and of which it read nothing may be committed as 0, or not at all.
            assert_eq!(ours.events.contains(&reset), from.is_none(), "{group} {store:?} {at}: {:?}", ours.events);
        }
    }
}

fn profile(release: Release) -> Profile {
    if release == Release::V0_8_1_1 { Profile::V0_8_1 } else { Profile::V0_8_2 }
}

#[test]
fn a_broker_that_has_just_started_does_not_make_a_group_begin_elsewhere() {
    reads_from_a_broker_that_has_just_started(Release::V0_8_2_2);
}

#[test]
#[ignore = "a broker of 0.8.1 takes 12 s to stop; .ci/long interop"]
fn a_broker_of_0_8_1_that_has_just_started_does_not_make_a_group_begin_elsewhere() {
    reads_from_a_broker_that_has_just_started(Release::V0_8_1_1);
}

/// Begins to read again and again while a broker stops and starts.
fn reads_from_a_broker_that_has_just_started(release: Release) {
    /// One after the other, so that some meet a broker that answers and knows nothing yet.
    const READERS: u32 = 40;
    let _alone = alone();
    let mut setup = Setup::new(Cluster::start(release).unwrap_or_else(panicking), "restarted");
    // The more topics there are, the later the broker has heard of them.
    let mut writer = Writer::connect(&setup.cluster.broker());
    (0..20).for_each(|n| writer.await_leaders(&format!("another-{n}"), 2));
    let group = Text::from_static("g");
    let start = |otherwise| StartAt::Committed { group: group.clone(), store: OffsetStore::ZooKeeper, otherwise };
    let part = |at, end| Part::new(setup.topic, at, start(Reset::Earliest), end);
    let reading = Reading::parts((0..PARTITIONS).map(|at| part(at, EndAt::Offset(Offset(33)))));
    let commit = Some((group.clone(), OffsetStore::ZooKeeper));
    read(&config(&setup.cluster), &Reading { commit, ..reading });

    // Told, and not probed: a probe may meet a broker that stops.
    let of_cluster = config(&setup.cluster).cluster().clone().with_release(ReleaseSetting::Is(profile(release)));
    let config = ConsumerConfig::default().with_cluster(of_cluster);
    let (topic, rest) = (setup.topic, [0, 1, 2].map(|at| setup.rest(at, 33)));
    let parts = || (0..PARTITIONS).map(|at| part(at, EndAt::HighWatermark)).collect::<Vec<_>>();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|n| {
                let (config, parts) = (&config, parts());
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(100) * n);
                    read(config, &Reading::parts(parts))
                })
            })
            .collect();
        setup.cluster.restart(1).unwrap_or_else(panicking);
        for reader in readers {
            let ours = reader.join().expect("it reads");
            let offsets = |found: &[Found]| found.iter().map(|found| found.offset).collect::<Vec<_>>();
            for (at, rest) in (0..).zip(&rest) {
                assert_eq!(ours.offsets(topic, at), offsets(rest), "{release} {at}: {:?}", ours.events);
            }
        }
    });
}
