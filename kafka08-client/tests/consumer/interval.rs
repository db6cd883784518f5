//! Commits every so often, and the last one when a consumer closes.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    assignment::Wake,
    config::{ConsumerConfig, EndAt, OffsetStore, StartAt},
    consumer::{CommitCause, ConsumerEvent},
    error::Cause,
    machine::Machine as _,
};
use kafka08_proto::{
    api::{OffsetFetchRequestV0, OffsetFetchRequestV1},
    error_code::ErrorCode,
    ids::{ApiKey, NodeId, Offset, Text, TopicPartition},
};

use crate::{
    SECOND,
    both::{ConsumerRig, ask, assign, commit, next, numbers, part, pass, produce, read, read_all, rig},
};

const EVERY: Duration = Duration::from_secs(5);

fn config(store: OffsetStore) -> ConsumerConfig {
    ConsumerConfig::default().with_interval_commit("g", store, EVERY)
}

fn one() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 3)
}

/// A consumer that reads partition 0, in which there are four messages.
fn reading(config: ConsumerConfig) -> ConsumerRig {
    let mut rig = rig(one(), config);
    produce(&mut rig, 0, numbers(0..4));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    rig
}

fn stored(rig: &mut ConsumerRig) -> i64 {
    let answer = ask(rig, NodeId(1), &OffsetFetchRequestV1::new("g").with("t", 0));
    answer.topics.find("t", 0).expect("asked for").offset.0
}

/// How many commits the brokers have seen.
fn commits(rig: &ConsumerRig) -> usize {
    rig.brokers.history().of(ApiKey::OFFSET_COMMIT).count()
}

fn failures(rig: &ConsumerRig) -> Vec<Vec<(TopicPartition, CommitCause)>> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::NotCommitted { failed } => Some(failed.clone()),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

fn closed_by(rig: &mut ConsumerRig, time: Duration) {
    rig.command(|both, now| both.consumer.close_by(now, now + time));
}

#[test]
fn what_has_passed_is_stored_every_so_often_in_each_store_and_success_is_not_told() {
    for store in [OffsetStore::Kafka, OffsetStore::ZooKeeper] {
        let mut rig = reading(config(store));
        let found = |rig: &mut ConsumerRig| match store {
            OffsetStore::Kafka => stored(rig),
            OffsetStore::ZooKeeper => {
                let answer = ask(rig, NodeId(1), &OffsetFetchRequestV0::new("g").with("t", 0));
                answer.topics.find("t", 0).expect("asked for").offset.0
            }
        };
        assert_eq!(read_all(&mut rig).len(), 4);
        assert_eq!(found(&mut rig), -1, "not before its time");
        rig.pass(EVERY);
        assert_eq!(found(&mut rig), 4);
        produce(&mut rig, 0, numbers(4..6));
        assert_eq!(read_all(&mut rig).len(), 2);
        rig.pass(EVERY);
        assert_eq!(found(&mut rig), 6);
        let is_of_commit = |event: &ConsumerEvent| {
            matches!(event, ConsumerEvent::Committed { .. } | ConsumerEvent::NotCommitted { .. })
        };
        assert!(!rig.events.iter().any(is_of_commit), "{:?}", rig.events);
    }
}

#[test]
fn it_is_off_unless_it_is_set() {
    let mut rig = reading(ConsumerConfig::default());
    read_all(&mut rig);
    rig.pass(600 * SECOND);
    assert_eq!(commits(&rig), 0);
}

#[test]
fn nothing_is_sent_while_nothing_passes() {
    let mut rig = reading(config(OffsetStore::Kafka));
    let mut open = next(&mut rig, SECOND).open();
    rig.pass(10 * EVERY);
    assert_eq!((commits(&rig), stored(&mut rig)), (1, 0), "the start; a set that somebody holds has not passed");
    read(&mut open);
    pass(&mut rig, &open);
    rig.pass(10 * EVERY);
    assert_eq!((commits(&rig), stored(&mut rig)), (2, 4));
    // The start of another partition, of which nothing passes.
    assign(&mut rig, 1, StartAt::Earliest, EndAt::Never);
    rig.pass(10 * EVERY);
    assert_eq!(commits(&rig), 3);
}

#[test]
fn what_was_stored_is_stored_again_before_a_broker_forgets_it() {
    // A broker forgets what was not stored again for a day.
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    rig.pass(2 * EVERY);
    for _ in 0..2 {
        // The history of the brokers ends before the commit in front of this time.
        rig.pass(3500 * SECOND);
        assert_eq!(commits(&rig), 0);
        rig.pass(100 * SECOND + EVERY);
        assert_eq!(commits(&rig), 1);
    }
}

#[test]
fn what_was_not_stored_is_told_and_tried_again_at_the_next_interval() {
    let mut rig = reading(config(OffsetStore::Kafka));
    let rule = rig.brokers.add_rule("offset-commit: answer code=12".parse().expect("a rule"));
    read_all(&mut rig);
    rig.pass(2 * EVERY + SECOND);
    let refused = (part(0), CommitCause::Refused(ErrorCode::OFFSET_METADATA_TOO_LARGE));
    assert_eq!(failures(&rig), [[refused.clone()], [refused]]);
    assert!(rig.brokers.remove_rule(rule).is_some());
    rig.pass(EVERY);
    assert_eq!((failures(&rig).len(), stored(&mut rig)), (2, 4));
}

#[test]
fn a_coordinator_that_does_not_answer_keeps_one_commit_in_flight_and_the_last_offset_is_stored() {
    let mut rig = reading(config(OffsetStore::Kafka));
    let rule = rig.brokers.add_rule("offset-commit: never-answer".parse().expect("a rule"));
    read_all(&mut rig);
    for n in 4..14 {
        produce(&mut rig, 0, numbers(n..n + 1));
        read_all(&mut rig);
        rig.pass(EVERY);
        assert!(rig.machine.consumer.stats().cluster.calls <= 1);
    }
    assert!(rig.brokers.remove_rule(rule).is_some());
    rig.pass(120 * SECOND);
    assert_eq!(stored(&mut rig), 14);
    // Each call ends at its deadline, after a minute, and is told once.
    assert!(failures(&rig).len() <= 2, "{:?}", failures(&rig));
}

#[test]
fn an_offset_is_stored_again_if_the_partition_begins_anew_and_somebody_else_has_committed() {
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    rig.pass(EVERY);
    assert_eq!(stored(&mut rig), 4);
    let other = vec![(part(0), Offset(1))];
    rig.command(|both, _| both.assignment.commit_offsets(Text::from_static("g"), OffsetStore::Kafka, other));
    rig.pass(SECOND);
    assert_eq!(stored(&mut rig), 1);
    rig.pass(3 * EVERY);
    assert_eq!(stored(&mut rig), 1, "nothing has passed since");
    let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(2))));
    assert_eq!(read_all(&mut rig).len(), 2);
    rig.pass(EVERY);
    assert_eq!(stored(&mut rig), 4);
}

#[test]
fn a_consumer_that_closes_in_time_commits_a_last_time() {
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    closed_by(&mut rig, 10 * SECOND);
    assert!(!rig.events.iter().any(|event| matches!(event, ConsumerEvent::Failed { .. })));
    rig.pass(SECOND);
    assert!(rig.machine.is_over(), "it does not wait for its deadline");
    assert_eq!((rig.open_links(), failures(&rig)), (0, vec![]));
    assert_eq!((commits(&rig), stored(&mut rig)), (1, 4));
}

#[test]
fn a_consumer_that_closes_has_nothing_to_commit_if_all_is_stored() {
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    rig.pass(EVERY);
    closed_by(&mut rig, 10 * SECOND);
    assert!(rig.machine.is_over());
    assert_eq!((commits(&rig), stored(&mut rig)), (1, 4));
}

/// More has passed while the first commit was on its way, and then the consumer was closed in good order.
fn closed_while_one_is_on_its_way(rules: &[&str]) -> ConsumerRig {
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    for rule in rules.iter().chain(&["offset-commit first=1: delay by=3s"]) {
        rig.brokers.add_rule(rule.parse().expect("a rule"));
    }
    rig.pass(EVERY);
    produce(&mut rig, 0, numbers(4..6));
    read_all(&mut rig);
    assert_eq!(rig.machine.consumer.stats().cluster.calls, 1, "the first one is on its way");
    closed_by(&mut rig, 10 * SECOND);
    rig.pass(5 * SECOND);
    assert!(rig.machine.is_over());
    rig
}

#[test]
fn what_passes_while_a_commit_is_on_its_way_is_committed_by_closing() {
    let mut rig = closed_while_one_is_on_its_way(&[]);
    assert_eq!(stored(&mut rig), 6);
}

#[test]
fn of_two_commits_while_closing_the_end_of_the_last_one_counts() {
    let mut rig = closed_while_one_is_on_its_way(&["offset-commit first=1: answer code=12"]);
    assert_eq!((stored(&mut rig), commits(&rig)), (6, 2));
    assert_eq!(failures(&rig), Vec::<Vec<_>>::new(), "all offsets are stored");
}

#[test]
fn a_last_commit_that_is_not_answered_ends_with_the_deadline_and_is_told() {
    let mut rig = reading(config(OffsetStore::Kafka));
    read_all(&mut rig);
    rig.brokers.add_rule("offset-commit: never-answer".parse().expect("a rule"));
    closed_by(&mut rig, 10 * SECOND);
    rig.pass(9 * SECOND);
    assert!(!rig.machine.is_over() && failures(&rig).is_empty());
    rig.pass(SECOND);
    assert!(rig.machine.is_over());
    assert_eq!(failures(&rig), [[(part(0), CommitCause::Attempt(Cause::Closed))]]);
    assert_eq!(rig.open_links(), 0);
}

#[test]
fn a_consumer_that_has_no_time_to_close_ends_at_once() {
    for has_deadline in [true, false] {
        let mut rig = reading(config(OffsetStore::Kafka));
        read_all(&mut rig);
        let end = |both: &mut crate::both::Both, now| match has_deadline {
            true => both.consumer.close_by(now, now),
            false => both.consumer.close(now),
        };
        // No answer to a commit comes in time.
        rig.brokers.add_rule("offset-commit: delay by=1s".parse().expect("a rule"));
        rig.command(end);
        rig.pass(Duration::ZERO);
        assert!(rig.machine.is_over());
        assert_eq!(rig.open_links(), 0);
        // The last commit was tried if there was a deadline, and is told.
        assert_eq!(failures(&rig).len(), usize::from(has_deadline));
    }
}

#[test]
fn closing_waits_for_commits_that_callers_have_asked_for_and_reads_no_more() {
    let mut rig = reading(ConsumerConfig::default());
    read_all(&mut rig);
    rig.brokers.add_rule("offset-commit first=1: delay by=3s".parse().expect("a rule"));
    let ids = rig.command(|both, _| {
        [4, 3].map(|offset| {
            let offsets = vec![(part(0), Offset(offset))];
            both.assignment.commit_offsets(Text::from_static("g"), OffsetStore::Kafka, offsets)
        })
    });
    closed_by(&mut rig, 10 * SECOND);
    let fetches = rig.machine.consumer.stats().fetches;
    rig.pass(2 * SECOND);
    assert!(!rig.machine.is_over());
    rig.pass(3 * SECOND);
    assert!(rig.machine.is_over());
    for id in ids {
        assert!(rig.events.contains(&ConsumerEvent::Committed { id, failed: Vec::new() }), "{:?}", rig.events);
    }
    assert_eq!((stored(&mut rig), rig.machine.consumer.stats().fetches), (3, fetches));
    let wake = rig.command(|both, _| both.assignment.assign(part(1), StartAt::Earliest, EndAt::Never));
    assert_eq!(wake, Ok(Wake::Yes));
    let late = commit(&mut rig, "g", OffsetStore::Kafka);
    assert_eq!(late, [(part(0), CommitCause::Attempt(Cause::Closed))], "it is closed");
}
