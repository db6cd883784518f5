use kafka08_broker::BrokerConfig;
use kafka08_proto::{error_code::ErrorCode, ids::OffsetTime, profile::Profile};

use crate::{
    rig::plain,
    steps::{
        OK, answered, ends, fetched, fetched_for_debugging, hold, kill, leader, let_go, listed, move_to, ms, poll,
        produce, produced, second, three,
    },
};

const LATEST: OffsetTime = OffsetTime::LATEST;

/// The values of a fetch.
fn texts(fetched: &kafka08_proto::api::FetchedPartition) -> Vec<String> {
    plain(&fetched.messages).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn consumers_see_nothing_above_the_high_watermark() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default());
    produced(&mut rig, leader, -1, &["a", "b"]);
    hold(&mut rig, follower);
    produced(&mut rig, leader, 1, &["c", "d"]);
    assert_eq!(ends(&rig, leader), (4, 2));
    for (offset, error, seen) in [
        (0, OK, vec!["a", "b"]),
        (2, OK, vec![]),
        (3, ErrorCode::UNKNOWN, vec![]),
        (4, OK, vec![]),
        (5, ErrorCode::OFFSET_OUT_OF_RANGE, vec![]),
    ] {
        let found = fetched(&mut rig, leader, offset);
        assert_eq!((found.error, texts(&found)), (error, seen.into_iter().map(str::to_owned).collect()), "{offset}");
        assert_eq!(found.high_watermark.0, if error == OK { 2 } else { -1 });
    }
    let_go(&mut rig, follower);
    assert_eq!(texts(&fetched(&mut rig, leader, 3)), ["d"]);
}

#[test]
fn a_consumer_that_waits_is_answered_when_the_high_watermark_moves() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    let ticket = poll(&mut rig, leader, 0, 1000);
    produced(&mut rig, leader, 1, &["a"]);
    assert!(rig.answer(second(leader), ticket).is_none());
    let_go(&mut rig, follower);
    let response = rig.answer(second(leader), ticket).expect("it can be read now");
    assert_eq!(texts(&crate::rig::one(&response)), ["a"]);
}

#[test]
fn the_latest_offset_is_the_high_watermark_for_consumers_and_the_end_for_others() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    produced(&mut rig, leader, -1, &["a", "b"]);
    hold(&mut rig, follower);
    produced(&mut rig, leader, 1, &["c", "d"]);
    assert_eq!(listed(&mut rig, leader, -1, LATEST, 1), (OK, vec![2]));
    assert_eq!(listed(&mut rig, leader, -1, LATEST, 9), (OK, vec![2, 0]));
    assert_eq!(listed(&mut rig, leader, 0, LATEST, 1), (OK, vec![4]));
    // A consumer for debugging asks any replica; others ask the leader.
    assert_eq!(listed(&mut rig, leader, -2, LATEST, 1), (OK, vec![4]));
    assert_eq!(listed(&mut rig, other, -2, LATEST, 1), (OK, vec![4]));
    assert_eq!(listed(&mut rig, follower, -2, LATEST, 1), (OK, vec![2]));
    assert_eq!(listed(&mut rig, follower, -1, LATEST, 1), (ErrorCode::NOT_LEADER_FOR_PARTITION, vec![]));
}

#[test]
fn a_consumer_for_debugging_reads_from_followers() {
    for (profile, seen) in
        [(Profile::V0_8_0, vec!["a", "b"]), (Profile::V0_8_1, vec!["a"]), (Profile::V0_8_2, vec!["a"])]
    {
        let (mut rig, [leader, follower, other]) = three(BrokerConfig::default().with_profile(profile));
        produced(&mut rig, leader, 1, &["a"]);
        hold(&mut rig, other);
        produced(&mut rig, leader, 1, &["b"]);
        let found = fetched_for_debugging(&mut rig, follower, 0);
        assert_eq!((found.error, texts(&found)), (OK, seen.into_iter().map(str::to_owned).collect()), "{profile:?}");
        assert_eq!(fetched(&mut rig, follower, 0).error, ErrorCode::NOT_LEADER_FOR_PARTITION);
    }
}

#[test]
fn a_broker_without_a_replica_says_so() {
    let (mut rig, [_, follower, _]) = three(BrokerConfig::default().with_replication(1));
    assert_eq!(fetched(&mut rig, follower, 0).error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(fetched_for_debugging(&mut rig, follower, 0).error, ErrorCode::REPLICA_NOT_AVAILABLE);
    assert_eq!(listed(&mut rig, follower, -2, LATEST, 1), (ErrorCode::REPLICA_NOT_AVAILABLE, vec![]));
    assert_eq!(produced(&mut rig, follower, 1, &["a"]), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1));
}

#[test]
fn followers_learn_of_a_high_watermark_that_moves_because_one_of_them_is_late() {
    let (mut rig, [old, follower, other]) = three(BrokerConfig::default().with_isr_lag(ms(500)));
    hold(&mut rig, other);
    produced(&mut rig, old, 1, &["a"]);
    assert_eq!(ends(&rig, follower), (1, 0));
    rig.pass(ms(500));
    assert_eq!([old, follower, other].map(|node| ends(&rig, node)), [(1, 1), (1, 1), (0, 0)]);
    kill(&mut rig, old);
    rig.pass(ms(100));
    assert_eq!((leader(&rig.cluster), ends(&rig, follower)), (Some(follower), (1, 1)));
}

#[test]
fn the_high_watermark_of_a_dead_leader_does_not_move() {
    let (mut rig, [old, follower, other]) = three(BrokerConfig::default().without_unclean_election());
    hold(&mut rig, follower);
    produced(&mut rig, old, 1, &["a"]);
    kill(&mut rig, follower);
    rig.pass(ms(50));
    kill(&mut rig, old);
    rig.pass(ms(50));
    // The follower was missed before the leader was.
    assert_eq!((leader(&rig.cluster), ends(&rig, old), ends(&rig, other)), (Some(old), (1, 0), (1, 0)));
}

#[test]
fn a_new_leader_that_lags_knows_an_older_high_watermark_at_first() {
    let (mut rig, [old, new, _]) = three(BrokerConfig::default().with_replication_lag(ms(50)));
    let ticket = produce(&mut rig, old, -1, 1000, &["a", "b"]);
    while answered(&mut rig, old, ticket).is_none() {
        rig.pass(ms(1));
    }
    assert_eq!((ends(&rig, old), ends(&rig, new)), ((2, 2), (2, 0)));
    move_to(&mut rig, new);
    assert_eq!(fetched(&mut rig, new, 1).error, ErrorCode::UNKNOWN, "the position of a consumer is above it");
    rig.pass(ms(100));
    assert_eq!(texts(&fetched(&mut rig, new, 1)), ["b"]);
}
