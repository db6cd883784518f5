//! Topics of which all partitions are read.

use std::{collections::BTreeMap, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    assignment::Wake,
    config::{ClusterConfig, ConsumerConfig, EndAt, OffsetStore, Reset, StartAt},
    consumer::ConsumerEvent,
    error::Cause,
};
use kafka08_proto::{
    api::LeaderProblem,
    ids::{NodeId, Offset, Text},
};

use crate::{
    SECOND,
    both::{
        ConsumerRig, assign, cluster, committed, ended, expected, numbers, part, pass, produce, read, rig, started,
        take,
    },
    rig::{Behaviour, address},
};

fn three() -> BrokerConfig {
    BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3)
}

/// Metadata is not older than this.
const AGE: Duration = Duration::from_secs(20);

fn config() -> ConsumerConfig {
    let cluster: ClusterConfig = cluster().with_metadata_max_age(AGE);
    ConsumerConfig::default().with_cluster(cluster)
}

fn assign_topic(rig: &mut ConsumerRig, start: StartAt, end: EndAt) {
    assert_eq!(rig.command(|both, _| both.assignment.assign_topic("t", start, end)), Ok(Wake::Yes));
}

/// The partitions of each event that tells of new ones.
fn told(rig: &ConsumerRig) -> Vec<Vec<i32>> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Assigned { topic, partitions } if **topic == *"t" => {
            Some(partitions.iter().map(|id| id.0).collect())
        }
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

fn unlisted(rig: &ConsumerRig) -> Vec<Cause> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Unlisted { cause, .. } => Some(cause.clone()),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

fn partitions(rig: &ConsumerRig) -> Vec<i32> {
    rig.machine.assignment.partitions().map(|of| of.partition.0).collect()
}

/// What has come of each partition.
fn read_each(rig: &mut ConsumerRig) -> BTreeMap<i32, Vec<(i64, String)>> {
    let mut all: BTreeMap<i32, Vec<_>> = BTreeMap::new();
    rig.pass(SECOND);
    while let Some(fetched) = take(rig) {
        let partition = fetched.partition().partition.0;
        let mut messages = fetched.open();
        let found = read(&mut messages).into_iter().map(|found| found.expect("it is sound"));
        all.entry(partition).or_default().extend(found);
        pass(rig, &messages);
    }
    all
}

/// Adds partitions to topic "t": it is deleted and created anew, which keeps no messages.
fn grow(rig: &mut ConsumerRig, partitions: u16) {
    rig.brokers(|brokers, now| {
        assert!(brokers.delete_topic("t", now));
        brokers.create_topic("t", partitions, now).expect("a name");
    });
}

#[test]
fn all_partitions_of_a_topic_are_found_told_once_and_read_to_their_ends() {
    let mut rig = rig(three(), config());
    for partition in 0..3 {
        produce(&mut rig, partition, numbers(0..4));
    }
    let wake = rig.machine.assignment.assign_topic("t", StartAt::Earliest, EndAt::HighWatermark);
    assert_eq!(wake, Ok(Wake::Yes));
    assert!(!rig.machine.assignment.is_finished(), "nobody knows yet what there is to read");
    rig.settle();
    assert_eq!(read_each(&mut rig), (0..3).map(|partition| (partition, expected(0..4))).collect());
    assert_eq!(told(&rig), [[0, 1, 2]]);
    assert_eq!(ended(&rig).len(), 3);
    assert!(rig.machine.assignment.is_finished());
    rig.pass(5 * AGE);
    assert_eq!(told(&rig).len(), 1);
    let topics: Vec<_> = rig.machine.assignment.topics().map(|topic| topic.to_string()).collect();
    assert_eq!(topics, ["t"]);
}

#[test]
fn a_name_that_no_broker_accepts_is_refused() {
    let mut rig = rig(three(), config());
    let refused = rig.machine.assignment.assign_topic("a/b", StartAt::Earliest, EndAt::Never);
    assert!(refused.is_err() && rig.machine.assignment.is_finished());
}

#[test]
fn new_partitions_are_found_within_the_age_of_metadata_and_nothing_of_them_is_missed() {
    for start in [StartAt::Latest, StartAt::Offset(Offset(2))] {
        let mut rig = rig(three(), config());
        for partition in 0..3 {
            produce(&mut rig, partition, numbers(0..2));
        }
        assign_topic(&mut rig, start, EndAt::Never);
        assert_eq!(read_each(&mut rig), BTreeMap::new(), "what was there before is not wanted");
        grow(&mut rig, 5);
        produce(&mut rig, 4, numbers(0..3));
        rig.pass(AGE + 2 * SECOND);
        assert_eq!(told(&rig), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(read_each(&mut rig).get(&4), Some(&expected(0..3)));
    }
}

#[test]
fn a_new_partition_has_the_end_of_its_topic() {
    let mut rig = rig(three(), config());
    assign_topic(&mut rig, StartAt::Earliest, EndAt::HighWatermark);
    rig.pass(SECOND);
    assert!(rig.machine.assignment.is_finished());
    grow(&mut rig, 4);
    produce(&mut rig, 3, numbers(0..3));
    rig.pass(AGE + 2 * SECOND);
    assert!(!rig.machine.assignment.is_finished(), "something has come that was not taken");
    assert_eq!(read_each(&mut rig), BTreeMap::from([(3, expected(0..3))]));
    assert!(ended(&rig).contains(&(3, 3, 3)));
    assert!(rig.machine.assignment.is_finished());
}

#[test]
fn a_partition_that_the_first_answer_left_out_goes_on_at_what_the_group_has_committed_there() {
    let mut rig = rig(three(), config());
    let (group, store) = (Text::from_static("g"), OffsetStore::Kafka);
    for partition in 1..3 {
        produce(&mut rig, partition, numbers(0..3));
    }
    for partition in 1..3 {
        let rule = format!("metadata partition={partition}: lie partition-missing");
        rig.brokers.add_rule(rule.parse().expect("a rule"));
    }
    let offsets = vec![(part(2), Offset(2))];
    let commit = rig.command(|both, _| both.assignment.commit_offsets(group.clone(), store, offsets));
    assert_eq!(committed(&mut rig, commit), []);
    assign_topic(&mut rig, StartAt::Committed { group, store, otherwise: Reset::Latest }, EndAt::Never);
    rig.pass(10 * SECOND);
    assert_eq!(told(&rig), [[0]]);
    rig.brokers.clear_rules();
    rig.pass(AGE + 10 * SECOND);
    assert_eq!(told(&rig), [vec![0], vec![1, 2]]);
    // The other one begins with its first message, though the topic began with its end.
    let read = read_each(&mut rig);
    assert_eq!((read.get(&1), read.get(&2)), (Some(&expected(0..3)), Some(&expected(2..3))));
}

#[test]
fn what_is_said_of_a_partition_by_name_counts() {
    let mut rig = rig(three(), config());
    for partition in 0..3 {
        produce(&mut rig, partition, numbers(0..4));
    }
    assign(&mut rig, 1, StartAt::Offset(Offset(3)), EndAt::Never);
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(told(&rig), [[0, 2]]);
    let read = read_each(&mut rig);
    assert_eq!((read.get(&1), read.get(&2)), (Some(&expected(3..4)), Some(&expected(0..4))));
    assert_eq!(rig.command(|both, _| both.assignment.unassign(&part(2))), Wake::Yes);
    assign(&mut rig, 0, StartAt::Offset(Offset(2)), EndAt::Never);
    rig.pass(3 * AGE);
    assert_eq!((partitions(&rig), told(&rig).len()), (vec![0, 1], 1));
    assert_eq!(read_each(&mut rig), BTreeMap::from([(0, expected(2..4))]));
    // Both were assigned by name, so both stay.
    assert_eq!(rig.command(|both, _| both.assignment.unassign_topic("t")), Wake::Yes);
    assert_eq!(partitions(&rig), [0, 1]);
}

#[test]
fn a_topic_that_is_unassigned_is_forgotten_with_its_partitions() {
    let mut rig = rig(three(), config());
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(partitions(&rig), [0, 1, 2]);
    let wakes = rig.command(|both, _| (both.assignment.unassign_topic("t"), both.assignment.unassign_topic("t")));
    assert_eq!(wakes, (Wake::Yes, Wake::No));
    assert!(rig.machine.assignment.is_finished());
    rig.events.clear();
    let refreshes = rig.machine.consumer.stats().cluster.refreshes;
    grow(&mut rig, 5);
    rig.pass(10 * AGE);
    assert_eq!((partitions(&rig), told(&rig).len()), (vec![], 0));
    let stats = rig.machine.consumer.stats();
    assert_eq!((stats.partitions, stats.cluster.refreshes), (0, refreshes), "nobody asks for it any more");
    // Assigned again, it begins anew.
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(told(&rig), [[0, 1, 2, 3, 4]]);
}

#[test]
fn a_topic_that_is_assigned_again_begins_anew() {
    let mut rig = rig(three(), config());
    produce(&mut rig, 0, numbers(0..4));
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_each(&mut rig).get(&0), Some(&expected(0..4)));
    assign_topic(&mut rig, StartAt::Offset(Offset(0)), EndAt::HighWatermark);
    assert_eq!(read_each(&mut rig).get(&0), Some(&expected(0..4)));
    assert_eq!(told(&rig), [[0, 1, 2], [0, 1, 2]]);
    assert!(rig.machine.assignment.is_finished());
}

#[test]
fn a_topic_that_does_not_exist_is_told_once_not_created_and_read_when_it_appears() {
    let mut rig = rig(BrokerConfig::default(), config());
    assign_topic(&mut rig, StartAt::Latest, EndAt::HighWatermark);
    rig.pass(600 * SECOND);
    assert_eq!(unlisted(&rig), [Cause::NoLeader(LeaderProblem::TopicMissing)]);
    assert!(!rig.machine.assignment.is_finished());
    assert_eq!(rig.brokers.leader("t", 0), None);
    rig.brokers(|brokers, now| brokers.create_topic("t", 2, now)).expect("created");
    rig.pass(5 * SECOND);
    assert_eq!(told(&rig), [[0, 1]]);
    assert!(rig.machine.assignment.is_finished());
}

#[test]
fn brokers_that_are_gone_while_a_topic_is_looked_up_are_told_once_and_asked_when_they_are_back() {
    for behaviour in [Behaviour::Refuses, Behaviour::IsSilent, Behaviour::DropsPackets] {
        let mut rig = rig(three(), config());
        for node in 1..=3 {
            rig.set(&address(node), behaviour);
        }
        assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
        rig.pass(300 * SECOND);
        let causes = unlisted(&rig);
        let is_of_nobody = matches!(causes[..], [Cause::Unreachable(_) | Cause::NoMetadata { asked: None }]);
        assert!(is_of_nobody, "{behaviour:?}: {causes:?}");
        rig.set(&address(2), Behaviour::Serves(NodeId(2)));
        rig.pass(60 * SECOND);
        assert_eq!(told(&rig), [[0, 1, 2]], "{behaviour:?}");
    }
}

#[test]
fn a_broker_that_is_lost_while_it_looks_a_topic_up_is_left_for_another() {
    let mut rig = rig(three(), config());
    rig.brokers.add_rule("metadata node=1: never-answer".parse().expect("a rule"));
    rig.brokers.add_rule("metadata node=2: never-answer".parse().expect("a rule"));
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    for node in 1..=2 {
        rig.cut(NodeId(node));
    }
    rig.pass(60 * SECOND);
    assert_eq!(told(&rig), [[0, 1, 2]]);
    assert_eq!(started(&rig).len(), 3);
}

#[test]
fn partitions_that_a_later_answer_leaves_out_stay_assigned() {
    let mut rig = rig(three(), config());
    for partition in 0..3 {
        produce(&mut rig, partition, numbers(0..4));
    }
    assign_topic(&mut rig, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_each(&mut rig).len(), 3);
    let rule = rig.brokers.add_rule("metadata: lie partition-missing".parse().expect("a rule"));
    rig.pass(10 * AGE);
    assert!(rig.brokers.fired(rule) > 0);
    assert_eq!((partitions(&rig), told(&rig).len()), (vec![0, 1, 2], 1));
    rig.brokers.clear_rules();
    for partition in 0..3 {
        produce(&mut rig, partition, numbers(4..6));
    }
    rig.pass(AGE);
    assert_eq!(read_each(&mut rig), (0..3).map(|partition| (partition, expected(4..6))).collect());
    assert_eq!(told(&rig).len(), 1, "they are no new ones");
}
