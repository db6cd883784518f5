//! Brokers that die, pause and move, and what becomes of records.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, Lie, Rule};
use kafka08_client::{
    accumulator::AppendError,
    config::{ProducerConfig, RetryPolicy},
    producer::ProduceCause,
};
use kafka08_proto::{
    fate::Fate,
    ids::{ApiKey, NodeId},
};

use crate::{
    SECOND,
    both::{End, ProducerRig, another, append, ends, flush, log, rig, try_append},
    rig::{Behaviour, address},
};

/// Three brokers, whose topic "t" has six partitions with three replicas each.
fn replicated() -> BrokerConfig {
    BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 6)
}

fn leader(rig: &ProducerRig, partition: i32) -> NodeId {
    rig.brokers.leader("t", partition).expect("it is led")
}

fn is_delivered(end: &End) -> bool {
    matches!(end, End::Delivered { .. })
}

#[test]
fn records_go_to_the_new_leader_when_the_old_one_dies() {
    let mut rig = rig(replicated(), ProducerConfig::default());
    append(&mut rig, 0, b"0");
    flush(&mut rig, SECOND);
    let dead = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.kill(dead, now));
    for n in 1..10u8 {
        append(&mut rig, 0, &[b'0' + n]);
    }
    assert_eq!(flush(&mut rig, 30 * SECOND), (0, 0));
    assert!(ends(&mut rig).values().all(is_delivered));
    assert_eq!(log(&mut rig, 0).concat(), b"0123456789");
}

#[test]
fn a_moved_leader_costs_one_refusal_and_no_pause() {
    let mut rig = rig(replicated(), ProducerConfig::default());
    append(&mut rig, 0, b"0");
    flush(&mut rig, SECOND);
    let to = another(leader(&rig, 0));
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, to, now)).expect("it exists");
    append(&mut rig, 0, b"1");
    let before = rig.elapsed();
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    // The pause between two look-ups is 100 ms.
    assert!(rig.elapsed() - before < Duration::from_millis(300));
    assert_eq!(log(&mut rig, 0).concat(), b"01");
}

#[test]
fn a_paused_leader_is_left_when_another_broker_names_the_new_one() {
    let mut rig = rig(replicated(), ProducerConfig::default());
    for partition in 0..6 {
        append(&mut rig, partition, b"0");
    }
    flush(&mut rig, SECOND);
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    append(&mut rig, 0, b"1");
    rig.pass(2 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, another(paused), now)).expect("it exists");
    let before = rig.elapsed();
    ends(&mut rig);
    flush(&mut rig, 30 * SECOND);
    // Silence is noticed after the replica wait of 10 s and 3 s more. The request timeout would be 40 s.
    assert!(rig.elapsed() - before < 13 * SECOND, "{:?}", rig.elapsed() - before);
    let ends = ends(&mut rig);
    let once = |end: &End| matches!(end, End::Delivered { maybe_applied: 1, .. });
    assert!(ends.len() == 1 && ends.values().all(once), "{ends:?}");
    rig.brokers(|brokers, now| brokers.resume(paused, now));
}

#[test]
fn records_of_brokers_that_cannot_be_reached_expire_and_later_ones_arrive() {
    let mut rig = rig(replicated(), ProducerConfig::default());
    append(&mut rig, 0, b"0");
    flush(&mut rig, SECOND);
    ends(&mut rig);
    for node in 1..4 {
        rig.set(&address(node), Behaviour::Refuses);
        rig.cut(NodeId(node));
    }
    let place = append(&mut rig, 0, b"1");
    assert_eq!(flush(&mut rig, 121 * SECOND), (1, 0));
    let ends = ends(&mut rig);
    let End::Failed(error) = &ends[&place] else { panic!("{ends:?}") };
    assert_eq!((error.fate, error.attempts), (Fate::NotApplied, 0));
    let text = error.to_string();
    for part in ["t/0", "120s", "127.0.0.1", "no broker has stored"] {
        assert!(text.contains(part), "{text}");
    }
    for node in 1..4 {
        rig.set(&address(node), Behaviour::Serves(NodeId(node)));
    }
    append(&mut rig, 0, b"2");
    assert_eq!(flush(&mut rig, 30 * SECOND), (0, 0));
    assert_eq!(log(&mut rig, 0).concat(), b"02");
}

#[test]
fn a_silent_broker_stops_only_its_own_partitions() {
    // Without another replica, there is no other leader.
    let brokers = BrokerConfig::default().with_brokers(3).with_replication(1).with_topic("t", 6);
    let mut rig = rig(brokers, ProducerConfig::default().with_buffer(10_000));
    for partition in 0..6 {
        append(&mut rig, partition, b"v");
    }
    flush(&mut rig, SECOND);
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    append(&mut rig, 0, &[0; 1000]);
    // The broker counts as silent after 13 s, and its partitions get half of the buffer.
    rig.pass(14 * SECOND);
    let mut refused = None;
    for _ in 0..20 {
        if let Err(error) = try_append(&mut rig, 0, &[0; 1000]) {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(AppendError::Full { stuck: true, wake: false }));
    let is_led_by_another = |partition: &i32| rig.brokers.leader("t", *partition).is_some_and(|node| node != paused);
    let other = (0..6).find(is_led_by_another).expect("there are three brokers");
    ends(&mut rig);
    for _ in 0..50 {
        append(&mut rig, other, &[0; 1000]);
        rig.pass(Duration::from_millis(20));
    }
    assert!(ends(&mut rig).len() >= 49);
}

#[test]
fn a_lost_connection_is_an_attempt_only_if_the_policy_says_so() {
    for (policy, delivered) in [(RetryPolicy::OnlyNotApplied, false), (RetryPolicy::AtLeastOnce, true)] {
        let mut rig = rig(replicated(), ProducerConfig::default().with_retry(policy));
        append(&mut rig, 0, b"0");
        flush(&mut rig, SECOND);
        ends(&mut rig);
        let node = leader(&rig, 0);
        rig.brokers(|brokers, now| brokers.pause(node, now));
        let place = append(&mut rig, 0, b"1");
        rig.pass(SECOND);
        rig.cut(node);
        rig.brokers(|brokers, now| brokers.resume(node, now));
        flush(&mut rig, 30 * SECOND);
        let ends = ends(&mut rig);
        match &ends[&place] {
            End::Delivered { maybe_applied, .. } => assert_eq!((delivered, *maybe_applied), (true, 1)),
            End::Failed(error) => {
                assert_eq!((delivered, error.fate, error.attempts), (false, Fate::MaybeApplied, 1));
                assert!(matches!(error.cause, ProduceCause::Attempt(_)));
            }
            End::Written => panic!("acks is not 0"),
        }
    }
}

#[test]
fn records_that_wait_for_a_dead_leader_follow_the_new_one_long_after_its_death() {
    let mut rig = rig(replicated(), ProducerConfig::default());
    append(&mut rig, 0, b"0");
    flush(&mut rig, SECOND);
    let dead = leader(&rig, 0);
    // It still leads for the others, but cannot be connected to any more.
    rig.set(&address(dead.0), Behaviour::Refuses);
    rig.cut(dead);
    append(&mut rig, 0, b"1");
    rig.pass(25 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, another(dead), now)).expect("it exists");
    // The back-off of connecting is up to ten seconds by now, and is not waited for.
    assert_eq!(flush(&mut rig, 2 * SECOND), (0, 0));
    assert_eq!(log(&mut rig, 0).concat(), b"01");
}

#[test]
fn a_topic_that_is_listed_without_partitions_is_soon_asked_for_again() {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 1), ProducerConfig::default());
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::METADATA).lie(Lie::PartitionMissing)));
    for _ in 0..2 {
        let refused = try_append(&mut rig, 0, b"v");
        assert!(matches!(refused, Err(AppendError::UnknownTopic { .. })), "{refused:?}");
        rig.pass(2 * SECOND);
    }
    rig.brokers(|brokers, _| brokers.clear_rules());
    let (from, asked) = (rig.elapsed(), rig.brokers.history().of(ApiKey::METADATA).count());
    assert!((2..60).contains(&asked), "{asked} requests in four seconds");
    append(&mut rig, 0, b"v");
    assert!(rig.elapsed() - from <= 2 * SECOND, "{:?}", rig.elapsed() - from);
}
