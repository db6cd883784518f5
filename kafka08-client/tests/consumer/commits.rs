//! Commits of what has passed.

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    config::{ConsumerConfig, EndAt, OffsetStore, Reset, StartAt},
    consumer::{CommitCause, ConsumerEvent},
    error::Cause,
};
use kafka08_proto::{
    api::OffsetFetchRequestV1,
    error_code::ErrorCode,
    ids::{NodeId, Offset, Text, TopicPartition},
    message::Inflater,
};

use crate::{
    SECOND,
    both::{
        ConsumerRig, ask, assign, commit, committed, next, numbers, part, pass, produce, read, read_all, rig, take,
    },
};

fn one() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 3)
}

fn committable(rig: &ConsumerRig) -> Vec<(i32, i64)> {
    rig.machine.assignment.committable().map(|(of, offset)| (of.partition.0, offset.0)).collect()
}

fn stored(rig: &mut ConsumerRig, partition: i32) -> i64 {
    let answer = ask(rig, NodeId(1), &OffsetFetchRequestV1::new("g").with("t", partition));
    answer.topics.find("t", partition).expect("asked for").offset.0
}

/// Sets of partition 0, each with four messages.
fn four_sets(rig: &mut ConsumerRig) -> Vec<kafka08_client::assignment::Fetched> {
    assign(rig, 0, StartAt::Earliest, EndAt::Never);
    let mut sets = Vec::new();
    for n in 0..4 {
        produce(rig, 0, numbers(4 * n..4 * n + 4));
        rig.pass(SECOND);
        sets.push(take(rig).expect("it has come"));
    }
    sets
}

#[test]
fn only_what_has_passed_without_a_gap_is_committed_whatever_the_order() {
    let mut rig = rig(one(), ConsumerConfig::default());
    let mut sets: Vec<_> = four_sets(&mut rig).into_iter().map(|set| Some(set.open())).collect();
    assert_eq!(committable(&rig), [(0, 0)], "where reading has started");
    let mut finish = |rig: &mut ConsumerRig, n: usize| {
        let mut messages = sets[n].take().expect("once");
        assert_eq!(read(&mut messages).len(), 4);
        pass(rig, &messages);
    };
    finish(&mut rig, 2);
    assert_eq!(committable(&rig), [(0, 0)]);
    finish(&mut rig, 0);
    assert_eq!(committable(&rig), [(0, 4)]);
    finish(&mut rig, 1);
    assert_eq!(committable(&rig), [(0, 12)]);
    assert_eq!(commit(&mut rig, "g", OffsetStore::Kafka), []);
    assert_eq!(stored(&mut rig, 0), 12);
    finish(&mut rig, 3);
    assert_eq!(committable(&rig), [(0, 16)]);
}

#[test]
fn a_group_in_whose_partition_nothing_happens_begins_there_again() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..4));
    let start = StartAt::Committed { group: "g".into(), store: OffsetStore::Kafka, otherwise: Reset::Latest };
    assign(&mut rig, 0, start.clone(), EndAt::Never);
    assert_eq!(committable(&rig), [], "no broker has said that the log has this offset");
    rig.pass(SECOND);
    assert_eq!(commit(&mut rig, "g", OffsetStore::Kafka), []);
    assert_eq!(stored(&mut rig, 0), 4);
    // Written while nobody reads.
    let _ = rig.command(|both, _| both.assignment.unassign(&part(0)));
    produce(&mut rig, 0, numbers(4..8));
    assign(&mut rig, 0, start, EndAt::Never);
    assert_eq!(read_all(&mut rig).len(), 4);
}

#[test]
fn a_name_that_no_broker_accepts_fails_its_own_commit_only() {
    let mut rig = rig(one(), ConsumerConfig::default());
    rig.brokers.add_rule("offset-commit: delay by=1s".parse().expect("a rule"));
    let group = || Text::from_static("g");
    let commit = |rig: &mut ConsumerRig, topic: &str| {
        let offsets = vec![(TopicPartition::new(topic, 0), Offset(1))];
        rig.command(|both, _| both.assignment.commit_offsets(group(), OffsetStore::Kafka, offsets))
    };
    // The first is on its way when the others are asked for, which are sent together.
    let (first, bad, good) = (commit(&mut rig, "t"), commit(&mut rig, "a b"), commit(&mut rig, "t"));
    assert_eq!(committed(&mut rig, bad).len(), 1);
    assert_eq!((committed(&mut rig, first), committed(&mut rig, good)), (vec![], vec![]));
}

#[test]
fn an_offset_that_no_log_has_is_not_committed() {
    let mut rig = rig(one(), ConsumerConfig::default());
    assign(&mut rig, 0, StartAt::Offset(Offset(50)), EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(committable(&rig), []);
    let mut rig = rig_with_reset();
    assign(&mut rig, 0, StartAt::Offset(Offset(50)), EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(committable(&rig), [(0, 0)], "where reading has started instead");
}

fn rig_with_reset() -> ConsumerRig {
    rig(one(), ConsumerConfig::default().with_reset(Reset::Earliest))
}

#[test]
fn a_message_passes_when_the_next_is_asked_for_and_a_set_that_is_left_holds_the_commits() {
    let mut rig = rig(one(), ConsumerConfig::default());
    let mut sets = four_sets(&mut rig).into_iter();
    let (mut first, mut second) = (sets.next().expect("four").open(), sets.next().expect("four").open());
    let mut inflater = Inflater::new();
    for (offset, passed) in [(0, 0), (1, 1), (2, 2)] {
        let message = first.next_message(&mut inflater).expect("four").expect("sound");
        assert_eq!(message.offset, Offset(offset));
        assert_eq!(first.passed().offset(), Offset(passed));
    }
    // Dropped in the middle of the third.
    pass(&mut rig, &first);
    assert_eq!(committable(&rig), [(0, 2)]);
    read(&mut second);
    pass(&mut rig, &second);
    assert_eq!(committable(&rig), [(0, 2)], "what is behind a set that is left is not committed");
    let passed = first.pass();
    let _ = rig.command(|both, _| both.assignment.handle_passed(passed));
    assert_eq!(committable(&rig), [(0, 8)], "the rest was not wanted");
}

#[test]
fn commits_of_a_group_wait_for_each_other_and_each_is_told() {
    let mut rig = rig(one(), ConsumerConfig::default());
    let group = || Text::from_static("g");
    let ids = rig.command(|both, _| {
        let mut commit = |partition, offset| {
            let offsets = vec![(part(partition), Offset(offset))];
            both.assignment.commit_offsets(group(), OffsetStore::Kafka, offsets)
        };
        [commit(0, 5), commit(0, 7), commit(1, 3), commit(0, 9)]
    });
    for id in ids {
        assert_eq!(committed(&mut rig, id), []);
    }
    assert_eq!((stored(&mut rig, 0), stored(&mut rig, 1)), (9, 3));
    // Nothing has passed, so nothing is sent.
    assert_eq!(commit(&mut rig, "g", OffsetStore::Kafka), []);
}

#[test]
fn a_commit_that_a_broker_refuses_is_told_with_its_code_and_one_it_leaves_out_has_failed() {
    let offsets = || vec![(part(0), Offset(5)), (part(1), Offset(6))];
    let group = || Text::from_static("g");
    for (rule, failed) in [
        ("offset-commit partition=0: answer code=12", CommitCause::Refused(ErrorCode::OFFSET_METADATA_TOO_LARGE)),
        ("offset-commit: lie partition-missing", CommitCause::Attempt(Cause::Incomplete)),
    ] {
        let mut rig = rig(one(), ConsumerConfig::default());
        rig.brokers.add_rule(rule.parse().expect("a rule"));
        let id = rig.command(|both, _| both.assignment.commit_offsets(group(), OffsetStore::Kafka, offsets()));
        let told = committed(&mut rig, id);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, failed);
    }
}

#[test]
fn a_coordinator_that_loads_is_waited_for_and_keeps_no_fetch_from_going_on() {
    let mut rig = rig(one(), ConsumerConfig::default());
    rig.brokers.add_rule("offset-commit first=5: refuse code=14".parse().expect("a rule"));
    rig.brokers.add_rule("consumer-metadata first=3: answer code=15".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let id = rig.command(|both, _| {
        both.assignment.commit_offsets(Text::from_static("g"), OffsetStore::Kafka, vec![(part(0), Offset(1))])
    });
    produce(&mut rig, 0, numbers(0..3));
    let is_committed = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Committed { .. });
    let mut messages = next(&mut rig, SECOND).open();
    assert_eq!(read(&mut messages).len(), 3);
    assert!(!rig.events.iter().any(is_committed), "it goes on while the commit waits");
    assert_eq!(committed(&mut rig, id), []);
    assert_eq!(stored(&mut rig, 0), 1);
}

#[test]
fn a_commit_ends_when_the_consumer_is_closed() {
    let mut rig = rig(one(), ConsumerConfig::default());
    rig.brokers.add_rule("offset-commit: never-answer".parse().expect("a rule"));
    let ids = rig.command(|both, _| {
        let mut commit = |n| {
            let offsets = vec![(part(0), Offset(n))];
            both.assignment.commit_offsets(Text::from_static("g"), OffsetStore::Kafka, offsets)
        };
        [commit(1), commit(2)]
    });
    rig.pass(SECOND);
    rig.command(|both, now| both.consumer.close(now));
    for id in ids {
        assert_eq!(committed(&mut rig, id), [(part(0), CommitCause::Attempt(Cause::Closed))]);
    }
}
