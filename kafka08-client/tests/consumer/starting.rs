//! Where partitions start.

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    config::{ConsumerConfig, EndAt, OffsetStore, Reset, StartAt},
    consumer::{ConsumerEvent, FetchCause, ResetCause},
};
use kafka08_proto::ids::{ApiKey, NodeId, Offset, Text, Timestamp};

use crate::{
    SECOND,
    both::{assign, commit, committed, expected, numbers, part, produce, read_all, rig, started},
};

fn one() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 3)
}

fn resets(events: &[ConsumerEvent]) -> Vec<ResetCause> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Reset { why, .. } => Some(why.clone()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn each_start_is_found_and_told_once() {
    let mut rig = rig(one(), ConsumerConfig::default());
    for partition in 0..3 {
        produce(&mut rig, partition, numbers(0..5));
    }
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assign(&mut rig, 1, StartAt::Latest, EndAt::Never);
    assign(&mut rig, 2, StartAt::Offset(Offset(3)), EndAt::Never);
    let mut told = started(&rig);
    told.sort_unstable();
    assert_eq!(told, [(0, 0), (1, 5), (2, 3)]);
    assert_eq!(read_all(&mut rig).len(), 5 + 2);
}

#[test]
fn a_time_before_the_log_is_its_beginning_and_is_told() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Time(Timestamp(1)), EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..5));
    assert_eq!(resets(&rig.events), [ResetCause::NothingSoEarly]);
    assert_eq!(started(&rig), [(0, 0)]);
}

#[test]
fn an_offset_that_the_log_does_not_have_fails_or_is_reset_with_an_event() {
    for (reset, from) in [(Reset::Earliest, Some(0)), (Reset::Latest, Some(5)), (Reset::Fail, None)] {
        let mut rig = rig(one(), ConsumerConfig::default().with_reset(reset));
        produce(&mut rig, 0, numbers(0..5));
        assign(&mut rig, 0, StartAt::Offset(Offset(100)), EndAt::Never);
        let why = ResetCause::OutOfRange(Offset(100));
        match from {
            Some(from) => {
                assert_eq!(resets(&rig.events), [why]);
                assert_eq!(started(&rig), [(0, 100), (0, from)]);
                assert_eq!(read_all(&mut rig), expected(from..5));
            }
            None => {
                let failed = ConsumerEvent::Failed { partition: part(0), cause: FetchCause::Lost(why) };
                assert!(rig.events.contains(&failed), "{:?}", rig.events);
                assert!(rig.machine.assignment.is_finished());
                // A seek begins anew.
                let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(4))));
                assert_eq!(read_all(&mut rig), expected(4..5));
            }
        }
    }
}

#[test]
fn an_offset_behind_the_log_is_no_end_of_it() {
    // As a group has it whose topic was deleted and created again.
    let end = EndAt::HighWatermark;
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..4));
    assign(&mut rig, 0, StartAt::Offset(Offset(50)), end);
    rig.pass(SECOND);
    let is_failure = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Failed { cause: FetchCause::Lost(_), .. });
    assert!(rig.events.iter().any(is_failure), "{:?}", rig.events);
    assert!(!rig.events.iter().any(|event| matches!(event, ConsumerEvent::Ended { .. })), "{:?}", rig.events);

    let mut rig = crate::both::rig(one(), ConsumerConfig::default().with_reset(Reset::Earliest));
    produce(&mut rig, 0, numbers(0..4));
    assign(&mut rig, 0, StartAt::Offset(Offset(50)), end);
    assert_eq!(read_all(&mut rig).len(), 4);
    assert_eq!(resets(&rig.events), [ResetCause::OutOfRange(Offset(50))]);
    assert!(rig.machine.assignment.is_finished());

    // At the end there is nothing to ask.
    let fetches = rig.machine.consumer.stats().fetches;
    assign(&mut rig, 0, StartAt::Offset(Offset(4)), end);
    rig.pass(SECOND);
    assert!(rig.machine.assignment.is_finished());
    assert_eq!(rig.machine.consumer.stats().fetches, fetches);
}

#[test]
fn what_a_group_has_committed_is_where_it_goes_on_in_each_store() {
    for store in [OffsetStore::Kafka, OffsetStore::ZooKeeper] {
        let mut rig = rig(one(), ConsumerConfig::default());
        produce(&mut rig, 0, numbers(0..5));
        let start = |otherwise| StartAt::Committed { group: Text::from_static("g"), store, otherwise };
        assign(&mut rig, 0, start(Reset::Earliest), EndAt::Never);
        rig.pass(5 * SECOND);
        assert_eq!(read_all(&mut rig), expected(0..5));
        let why = ResetCause::NothingCommitted { group: Text::from_static("g") };
        assert_eq!(resets(&rig.events), std::slice::from_ref(&why));
        assert_eq!(commit(&mut rig, "g", store), []);
        rig.events.clear();
        produce(&mut rig, 0, numbers(5..7));
        rig.pass(SECOND);
        assign(&mut rig, 0, start(Reset::Fail), EndAt::Never);
        rig.pass(SECOND);
        assert_eq!(started(&rig), [(0, 5)]);
        assert_eq!(read_all(&mut rig), expected(5..7));
        // The other store knows nothing of it.
        let other = if store == OffsetStore::Kafka { OffsetStore::ZooKeeper } else { OffsetStore::Kafka };
        let other = StartAt::Committed { group: Text::from_static("g"), store: other, otherwise: Reset::Fail };
        assign(&mut rig, 0, other, EndAt::Never);
        rig.pass(5 * SECOND);
        let failed = ConsumerEvent::Failed { partition: part(0), cause: FetchCause::Lost(why) };
        assert!(rig.events.contains(&failed), "{:?}", rig.events);
    }
}

#[test]
fn reading_creates_no_topic_and_goes_on_when_somebody_has_created_it() {
    let brokers = BrokerConfig::default();
    let mut rig = rig(brokers, ConsumerConfig::default());
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    rig.pass(40 * SECOND);
    assert_eq!(rig.brokers.leader("t", 0), None);
    let is_stalled = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Stalled { .. });
    assert_eq!(rig.events.iter().filter(|event| is_stalled(event)).count(), 1, "{:?}", rig.events);
    rig.brokers(|brokers, now| brokers.create_topic("t", 1, now)).expect("created");
    produce(&mut rig, 0, numbers(0..3));
    rig.pass(20 * SECOND);
    assert_eq!(read_all(&mut rig), expected(0..3));
}

fn from_zookeeper(otherwise: Reset) -> StartAt {
    StartAt::Committed { group: Text::from_static("g"), store: OffsetStore::ZooKeeper, otherwise }
}

/// A broker of 0.8 that has just started does not know the topics yet, and says of each group that it has committed nothing.
#[test]
fn a_broker_that_has_not_heard_of_a_topic_does_not_make_a_group_start_elsewhere() {
    for is_met in [false, true] {
        for otherwise in [Reset::Earliest, Reset::Latest, Reset::Fail] {
            let mut rig = rig(one(), ConsumerConfig::default());
            produce(&mut rig, 0, numbers(0..5));
            let id = rig.command(|both, _| {
                let offsets = vec![(part(0), Offset(3))];
                both.assignment.commit_offsets(Text::from_static("g"), OffsetStore::ZooKeeper, offsets)
            });
            assert_eq!(committed(&mut rig, id), []);
            // Whether the leader is known before.
            if is_met {
                assign(&mut rig, 1, StartAt::Latest, EndAt::Never);
            }
            for rule in ["offset-fetch: refuse code=3", "metadata: lie empty"] {
                rig.brokers.add_rule(rule.parse().expect("a rule"));
            }
            rig.events.clear();
            assign(&mut rig, 0, from_zookeeper(otherwise), EndAt::Never);
            rig.pass(10 * SECOND);
            assert_eq!(rig.events, [], "{otherwise:?}: nothing is known yet");
            rig.brokers.clear_rules();
            rig.pass(10 * SECOND);
            assert_eq!(started(&rig), [(0, 3)], "{otherwise:?}");
            assert_eq!(resets(&rig.events), [], "{otherwise:?}");
            assert_eq!(read_all(&mut rig), expected(3..5));
        }
    }
}

/// The leader that is asked whether it knows the partition never answers.
#[test]
fn a_leader_that_is_gone_for_good_does_not_hold_up_the_start() {
    let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 1);
    let mut rig = rig(brokers, ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    let leader = rig.brokers.leader("t", 0).expect("it has a leader");
    // The first answer leaves open whether the group has committed nothing, and then the leader is asked.
    rig.brokers.add_rule(format!("metadata node={leader}: never-answer").parse().expect("a rule"));
    assign(&mut rig, 0, from_zookeeper(Reset::Earliest), EndAt::Never);
    rig.pass(SECOND / 10);
    rig.brokers(|brokers, now| brokers.kill(leader, now));
    rig.pass(10 * SECOND);
    assert_eq!(started(&rig), [(0, 0)]);
    assert_eq!(read_all(&mut rig), expected(0..5));
}

/// The answer of a leader that was left comes when the start is looked up elsewhere.
#[test]
fn a_late_answer_about_a_group_says_nothing_about_where_the_log_ends() {
    let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 1);
    let mut rig = rig(brokers, ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    let leader = rig.brokers.leader("t", 0).expect("it has a leader");
    let next = NodeId(leader.0 % 3 + 1);
    rig.command(|both, now| both.consumer.connect(now));
    rig.pass(SECOND);
    rig.brokers.add_rule(format!("metadata node={leader} first=1: delay by=2s").parse().expect("a rule"));
    rig.brokers.add_rule(format!("list-offsets node={next}: delay by=5s").parse().expect("a rule"));
    assign(&mut rig, 0, from_zookeeper(Reset::Latest), EndAt::Never);
    // The leader is asked whether it knows the partition.
    rig.pass(SECOND / 10);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, next, now)).expect("it is there");
    rig.command(|both, now| both.consumer.connect(now));
    rig.pass(SECOND);
    assert_eq!(resets(&rig.events), [ResetCause::NothingCommitted { group: Text::from_static("g") }]);
    rig.pass(9 * SECOND);
    assert_eq!(started(&rig), [(0, 5)]);
    assert_eq!(rig.brokers.history().of(ApiKey::LIST_OFFSETS).count(), 1, "it was not asked for again");
}

#[test]
fn a_topic_that_is_not_there_says_nothing_about_what_a_group_has_committed() {
    let mut rig = rig(BrokerConfig::default(), ConsumerConfig::default());
    assign(&mut rig, 0, from_zookeeper(Reset::Earliest), EndAt::Never);
    rig.pass(10 * SECOND);
    assert_eq!(rig.events, []);
    rig.brokers(|brokers, now| brokers.create_topic("t", 1, now)).expect("created");
    produce(&mut rig, 0, numbers(0..3));
    rig.pass(20 * SECOND);
    assert_eq!(read_all(&mut rig), expected(0..3));
    let group = Text::from_static("g");
    assert_eq!(resets(&rig.events), [ResetCause::NothingCommitted { group }], "told once, when it is known");
}
