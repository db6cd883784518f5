use kafka08_broker::BrokerConfig;
use kafka08_proto::{error_code::ErrorCode, profile::Profile};

use crate::{
    rig::plain,
    steps::{
        OK, answered, described, ends, fetched, hold, kill, let_go, ms, produce, produced, shrink, sorted, start, three,
    },
};

const TIMED_OUT: ErrorCode = ErrorCode::REQUEST_TIMED_OUT;
const TOO_FEW: ErrorCode = ErrorCode::NOT_ENOUGH_REPLICAS;
const TOO_FEW_AFTER: ErrorCode = ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND;

#[test]
fn acks_all_waits_for_a_follower_until_it_is_let_go() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, leader, -1, 1000, &["a"]);
    rig.pass(ms(999));
    assert_eq!(answered(&mut rig, leader, ticket), None);
    let_go(&mut rig, follower);
    assert_eq!(answered(&mut rig, leader, ticket), Some((OK, 0)));
}

#[test]
fn acks_all_that_takes_too_long_is_told_so_and_the_messages_stay() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, leader, -1, 1000, &["a"]);
    rig.pass(ms(1000));
    assert_eq!(answered(&mut rig, leader, ticket), Some((TIMED_OUT, 0)));
    assert_eq!([leader, other, follower].map(|node| ends(&rig, node)), [(1, 0), (1, 0), (0, 0)]);
    let_go(&mut rig, follower);
    assert_eq!([leader, other, follower].map(|node| ends(&rig, node)), [(1, 1); 3]);
    assert_eq!(plain(&fetched(&mut rig, leader, 0).messages), [(0, "a".to_owned())]);
}

#[test]
fn acks_all_is_answered_when_the_follower_that_is_behind_is_no_longer_in_sync() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default().with_isr_lag(ms(500)));
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, leader, -1, 60_000, &["a"]);
    rig.pass(ms(499));
    assert_eq!(answered(&mut rig, leader, ticket), None);
    assert_eq!(described(&mut rig, other).isr, sorted([leader, follower, other]));
    rig.pass(ms(1));
    assert_eq!(answered(&mut rig, leader, ticket), Some((OK, 0)));
    // The follower is still there, so nothing is wrong with its replica.
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.isr), (OK, sorted([leader, other])));
    assert_eq!(partition.replicas, sorted([leader, follower, other]));
    let_go(&mut rig, follower);
    assert_eq!(described(&mut rig, other).isr, sorted([leader, follower, other]));
}

#[test]
fn a_follower_that_has_nothing_to_fetch_stays_in_sync() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default().with_isr_lag(ms(500)));
    hold(&mut rig, follower);
    rig.pass(ms(5000));
    assert_eq!(described(&mut rig, leader).isr, sorted([leader, follower, other]));
}

#[test]
fn acks_0_and_1_do_not_wait() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default().with_min_insync(3));
    hold(&mut rig, follower);
    hold(&mut rig, other);
    assert_eq!(produced(&mut rig, leader, 1, &["a"]), (OK, 0));
    produce(&mut rig, leader, 0, 1000, &["b"]);
    assert_eq!(ends(&rig, leader), (2, 0));
}

#[test]
fn acks_2_needs_one_follower_and_acks_3_both() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    assert_eq!(produced(&mut rig, leader, 2, &["a"]), (OK, 0));
    let ticket = produce(&mut rig, leader, 3, 1000, &["b"]);
    assert_eq!(answered(&mut rig, leader, ticket), None);
    let_go(&mut rig, follower);
    assert_eq!(answered(&mut rig, leader, ticket), Some((OK, 1)));
    let ticket = produce(&mut rig, leader, 4, 1000, &["c"]);
    rig.pass(ms(1000));
    assert_eq!(answered(&mut rig, leader, ticket), Some((TIMED_OUT, 2)), "there is no fourth replica");
}

#[test]
fn too_few_replicas_in_sync_refuse_acks_all_and_store_nothing() {
    for (profile, expected, end) in [(Profile::V0_8_2, (TOO_FEW, -1), 0), (Profile::V0_8_1, (OK, 1), 1)] {
        let config = BrokerConfig::default().with_profile(profile).with_min_insync(3);
        let (mut rig, [leader, follower, _]) = three(config);
        hold(&mut rig, follower);
        shrink(&mut rig, follower);
        assert_eq!(produced(&mut rig, leader, -1, &["a"]), expected, "{profile:?}");
        assert_eq!(ends(&rig, leader).0, end);
        // Only -1 itself is refused.
        assert_eq!(produced(&mut rig, leader, 1, &["b"]), (OK, end));
    }
}

#[test]
fn too_few_replicas_in_sync_after_the_append_are_told_and_the_messages_stay() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default().with_min_insync(3).with_isr_lag(ms(500)));
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, leader, -1, 60_000, &["a"]);
    rig.pass(ms(500));
    assert_eq!(answered(&mut rig, leader, ticket), Some((TOO_FEW_AFTER, 0)));
    assert_eq!(ends(&rig, leader), (1, 1));
    // Lower acks are the same as -1, except that nothing is refused before the append.
    assert_eq!(produced(&mut rig, leader, -2, &["b"]), (TOO_FEW_AFTER, 1));
    assert_eq!(produced(&mut rig, leader, -1, &["c"]), (TOO_FEW, -1));
}

/// After how many milliseconds each of ten messages was acknowledged by all.
fn times_of_lag(seed: u64) -> Vec<u64> {
    let (mut rig, [leader, ..]) = three(BrokerConfig::default().with_seed(seed).with_replication_lag(ms(50)));
    let mut times = Vec::new();
    for _ in 0..10 {
        let ticket = produce(&mut rig, leader, -1, 1000, &["a"]);
        let mut waited = 0;
        while answered(&mut rig, leader, ticket).is_none() {
            rig.pass(ms(1));
            waited += 1;
        }
        times.push(waited);
    }
    times
}

#[test]
fn the_lag_of_followers_is_drawn_from_the_seed() {
    let times = times_of_lag(1);
    assert!(times.iter().all(|time| *time <= 50) && times.iter().any(|time| *time > 0), "{times:?}");
    assert_eq!(times, times_of_lag(1));
    assert_ne!(times, times_of_lag(2));
}

#[test]
fn a_follower_that_lags_learns_the_high_watermark_with_its_next_fetch() {
    let (mut rig, nodes) = three(BrokerConfig::default().with_replication_lag(ms(50)));
    produce(&mut rig, nodes[0], 1, 1000, &["a"]);
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(1, 0), (0, 0), (0, 0)]);
    rig.pass(ms(100));
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(1, 1); 3]);
    assert_eq!(described(&mut rig, nodes[0]).isr.len(), 3, "a lag shorter than the limit is no harm");
}

#[test]
fn a_broker_that_comes_back_catches_up_and_is_in_sync_again() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    kill(&mut rig, follower);
    let ticket = produce(&mut rig, leader, -1, 1000, &["a"]);
    assert_eq!(answered(&mut rig, leader, ticket), None, "nobody has noticed that the follower is gone");
    rig.pass(ms(100));
    assert_eq!(answered(&mut rig, leader, ticket), Some((OK, 0)));
    assert_eq!(described(&mut rig, leader).isr, sorted([leader, other]));
    start(&mut rig, follower);
    assert_eq!(ends(&rig, follower), (1, 1));
    assert_eq!(described(&mut rig, leader).isr, sorted([leader, follower, other]));
}

#[test]
fn a_leader_does_not_leave_its_own_set() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    for node in [leader, follower, other] {
        hold(&mut rig, node);
        rig.with(|cluster, now| cluster.shrink_isr("t", 0, node, now)).expect("it has a replica");
    }
    assert_eq!(described(&mut rig, other).isr, [leader]);
    assert_eq!(produced(&mut rig, leader, -1, &["a"]), (OK, 0));
}
