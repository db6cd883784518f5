use kafka08_broker::{BrokerConfig, Refused};
use kafka08_proto::{ClientEvent, error_code::ErrorCode, ids::NodeId, profile::Profile};

use crate::{
    rig::{Rig, one},
    steps::{
        NOT_LEADER, OK, answered, described, ends, fetched, first, hold, kill, leader, metadata, move_to, ms, poll,
        produce, produced, second, sorted, start, three,
    },
};

fn brokers(rig: &mut Rig, by: NodeId) -> Vec<NodeId> {
    metadata(rig, by).brokers().iter().map(|broker| broker.node).collect()
}

#[test]
fn the_old_leader_refuses_and_metadata_names_the_new_one() {
    let (mut rig, nodes) = three(BrokerConfig::default());
    let [old, new, _] = nodes;
    produced(&mut rig, old, -1, &["a"]);
    move_to(&mut rig, new);
    for node in nodes {
        assert_eq!(described(&mut rig, node).leader, Some(new));
    }
    assert_eq!(produced(&mut rig, old, 1, &["b"]), (NOT_LEADER, -1));
    assert_eq!(fetched(&mut rig, old, 0).error, NOT_LEADER);
    assert_eq!(produced(&mut rig, new, -1, &["b"]), (OK, 1));
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(2, 2); 3]);
}

#[test]
fn a_fetch_that_waits_is_answered_at_once_when_the_leader_moves_but_not_before_0_8_2() {
    for (profile, at_once) in [(Profile::V0_8_0, false), (Profile::V0_8_1, false), (Profile::V0_8_2, true)] {
        let (mut rig, [old, new, _]) = three(BrokerConfig::default().with_profile(profile));
        let ticket = poll(&mut rig, old, 0, 1000);
        move_to(&mut rig, new);
        let early = rig.answer(second(old), ticket);
        assert_eq!(early.is_some(), at_once, "{profile:?}");
        let response = early.unwrap_or_else(|| {
            rig.pass(ms(1000));
            rig.answer(second(old), ticket).expect("its time is over")
        });
        assert_eq!(one(&response).error, NOT_LEADER);
    }
}

#[test]
fn a_produce_that_waits_for_replicas_fails_when_the_leader_moves() {
    for acks in [-1, 3] {
        let (mut rig, [old, new, other]) = three(BrokerConfig::default());
        hold(&mut rig, other);
        let ticket = produce(&mut rig, old, acks, 60_000, &["a"]);
        move_to(&mut rig, new);
        let (error, _) = answered(&mut rig, old, ticket).expect("at once");
        assert_eq!(error, NOT_LEADER, "{acks}");
    }
}

#[test]
fn a_killed_leader_ends_its_connections_and_is_named_until_it_is_missed() {
    let (mut rig, [old, new, other]) = three(BrokerConfig::default());
    produced(&mut rig, old, -1, &["a"]);
    poll(&mut rig, old, 1, 1000);
    kill(&mut rig, old);
    rig.closed(first(old));
    rig.closed(second(old));
    assert_eq!(rig.try_connect(99, old), Err(Refused::NotRunning(old)));
    rig.pass(ms(99));
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader, partition.isr.len()), (OK, Some(old), 3));
    assert_eq!(produced(&mut rig, new, 1, &["b"]).0, NOT_LEADER);
    rig.pass(ms(1));
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader), (ErrorCode::REPLICA_NOT_AVAILABLE, Some(new)));
    assert_eq!((partition.isr, partition.replicas), (sorted([new, other]), sorted([new, other])));
    assert_eq!(brokers(&mut rig, other), sorted([new, other]));
    assert_eq!(produced(&mut rig, new, -1, &["b"]), (OK, 1));
    assert!(rig.cluster.losses().is_empty());
}

#[test]
fn a_partition_whose_only_replica_is_gone_has_no_leader_until_it_comes_back() {
    let (mut rig, [old, other, _]) = three(BrokerConfig::default().with_replication(1));
    produced(&mut rig, old, -1, &["a"]);
    kill(&mut rig, old);
    rig.pass(ms(100));
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader), (ErrorCode::LEADER_NOT_AVAILABLE, None));
    assert!(partition.isr.is_empty() && partition.replicas.is_empty());
    start(&mut rig, old);
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader, partition.isr), (OK, Some(old), vec![old]));
    assert_eq!(fetched(&mut rig, old, 0).high_watermark.0, 1);
}

#[test]
fn a_broker_that_is_killed_again_is_missed_no_later_and_its_partition_can_be_led_again() {
    let (mut rig, [old, follower, other]) = three(BrokerConfig::default().without_unclean_election());
    for node in [follower, other, old] {
        kill(&mut rig, node);
    }
    rig.pass(ms(50));
    kill(&mut rig, old);
    rig.pass(ms(50));
    assert_eq!(leader(&rig.cluster), None);
    kill(&mut rig, old);
    let shrunk = rig.with(|cluster, now| cluster.shrink_isr("t", 0, old, now));
    assert_eq!(shrunk, Ok(()));
    rig.pass(ms(100));
    start(&mut rig, follower);
    assert_eq!(leader(&rig.cluster), None, "it was missed before the leader was");
    start(&mut rig, old);
    assert_eq!(leader(&rig.cluster), Some(old));
}

#[test]
fn a_follower_that_is_gone_makes_the_partition_less_than_complete() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    kill(&mut rig, follower);
    rig.pass(ms(99));
    assert_eq!(described(&mut rig, other).error, OK);
    rig.pass(ms(1));
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader), (ErrorCode::REPLICA_NOT_AVAILABLE, Some(leader)));
    assert_eq!(produced(&mut rig, leader, -1, &["a"]), (OK, 0), "it can be used all the same");
    start(&mut rig, follower);
    assert_eq!(described(&mut rig, other).error, OK);
    assert_eq!(brokers(&mut rig, other).len(), 3);
}

#[test]
fn a_broker_that_stops_in_good_order_is_missed_at_once() {
    let (mut rig, [old, new, other]) = three(BrokerConfig::default());
    produced(&mut rig, old, -1, &["a"]);
    rig.with(|cluster, now| cluster.stop(old, now));
    rig.closed(first(old));
    assert_eq!(described(&mut rig, other).leader, Some(new));
    assert_eq!(brokers(&mut rig, other), sorted([new, other]));
    assert_eq!(produced(&mut rig, new, -1, &["b"]), (OK, 1));
    start(&mut rig, old);
    assert_eq!((described(&mut rig, other).isr.len(), ends(&rig, old)), (3, (2, 2)));
    assert!(rig.cluster.losses().is_empty());
}

#[test]
fn a_broker_that_stops_in_good_order_answers_who_waits_before_it_closes() {
    let (mut rig, [old, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, old, -1, 60_000, &["a"]);
    assert_eq!(answered(&mut rig, old, ticket), None);
    rig.with(|cluster, now| cluster.stop(old, now));
    let events = rig.events(first(old));
    let [ClientEvent::Response(frame), ClientEvent::Closed(_)] = &events[..] else { panic!("{events:?}") };
    let response = ticket.redeem(frame.clone()).expect("well formed");
    assert_eq!(response.topics.find("t", 0).expect("it is told").error, NOT_LEADER);
    // Both clients of the stopped broker are gone, and those of the others are not.
    assert_eq!(rig.cluster.connections(), 4);
}

#[test]
fn a_leader_that_is_killed_and_started_before_it_is_missed_leads_on() {
    let (mut rig, nodes) = three(BrokerConfig::default());
    // Not the replica that is preferred.
    let [other, old, _] = nodes;
    move_to(&mut rig, old);
    produced(&mut rig, old, -1, &["a"]);
    kill(&mut rig, old);
    rig.pass(ms(50));
    start(&mut rig, old);
    rig.pass(ms(1000));
    let partition = described(&mut rig, other);
    assert_eq!((partition.error, partition.leader, partition.isr.len()), (OK, Some(old), 3));
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(1, 1); 3]);
}

#[test]
fn every_leader_in_turn_can_be_killed_without_a_loss() {
    let (mut rig, nodes) = three(BrokerConfig::default().without_unclean_election());
    for n in 0..9 {
        let old = leader(&rig.cluster).expect("it is led");
        assert_eq!(produced(&mut rig, old, -1, &["a"]), (OK, n));
        kill(&mut rig, old);
        rig.pass(ms(100));
        start(&mut rig, old);
    }
    assert!(rig.cluster.losses().is_empty());
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(9, 9); 3]);
}

#[test]
fn a_broker_that_is_down_cannot_be_made_the_leader() {
    let (mut rig, [old, gone, other]) = three(BrokerConfig::default());
    produced(&mut rig, old, -1, &["a"]);
    kill(&mut rig, gone);
    rig.pass(ms(100));
    move_to(&mut rig, gone);
    assert_eq!((leader(&rig.cluster), described(&mut rig, other).isr.len()), (Some(old), 2));
    assert!(rig.cluster.losses().is_empty());
    // While the controller takes it for live, it is elected, and replaced when it is missed.
    kill(&mut rig, other);
    move_to(&mut rig, other);
    assert_eq!(leader(&rig.cluster), Some(other));
    rig.pass(ms(100));
    assert_eq!((leader(&rig.cluster), ends(&rig, old)), (Some(old), (1, 1)));
}

#[test]
fn a_command_for_what_is_not_there_says_so() {
    let (mut rig, _) = three(BrokerConfig::default());
    let missing = |rig: &mut Rig, topic: &str, partition: i32, node: NodeId| {
        let refused = rig.with(|cluster, now| cluster.move_leader(topic, partition, node, now));
        refused.expect_err("it is not there").to_string()
    };
    assert_eq!(missing(&mut rig, "t", 0, NodeId(7)), "broker 7 has no replica of partition 0 of t");
    assert_eq!(missing(&mut rig, "t", 9, NodeId(1)), "there is no partition 9 of t: create the topic first");
    assert_eq!(missing(&mut rig, "u", 0, NodeId(1)), "there is no partition 0 of u: create the topic first");
}
