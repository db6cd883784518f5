//! Brokers that die, pause and move, and what becomes of calls.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{config::ClusterConfig, error::Cause};
use kafka08_proto::{
    api::{ConsumerMetadataRequest, ListOffsetsRequest, OffsetFetchRequestV1, ProduceRequest},
    fate::Fate,
    ids::{Acks, Millis, NodeId},
    message::MessageSet,
};

use super::{
    SECOND, call, finish, leader,
    rig::{Behaviour, address},
    start, three, with,
};

fn all() -> ListOffsetsRequest {
    ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))
}

#[test]
fn a_call_survives_the_death_of_a_leader() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    let dead = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.kill(dead, now));
    let answer = call(&mut rig, all()).expect("the others are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert!(answer.response.topics.iter().all(|(_, _, found)| found.error.is_ok()));
    assert!(rig.elapsed() < 30 * SECOND, "{:?}", rig.elapsed());
}

#[test]
fn a_partition_whose_leader_has_moved_is_asked_for_again_alone() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    let from = leader(&rig, 0);
    let to = NodeId(if from.0 == 1 { 2 } else { 1 });
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, to, now)).expect("it exists");
    let answer = call(&mut rig, all()).expect("brokers are up");
    assert!(answer.response.topics.iter().all(|(_, _, found)| found.error.is_ok()), "{answer:?}");
    assert!(answer.failed.is_empty());
    assert!(rig.machine.stats().retries > 0);
}

#[test]
fn a_paused_leader_is_left_as_soon_as_another_broker_names_the_new_one() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let claim = start(&mut rig, all());
    rig.pass(2 * SECOND);
    let to = NodeId(if paused.0 == 1 { 2 } else { 1 });
    for partition in 0..6 {
        if leader(&rig, partition) == paused {
            rig.brokers(|brokers, now| brokers.move_leader("t", partition, to, now)).expect("it exists");
        }
    }
    let before = rig.elapsed();
    let answer = finish(&mut rig, claim).expect("the others are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    // The request timeout is 30 s, and the silence is noticed after 3 s.
    assert!(rig.elapsed() - before < 5 * SECOND, "{:?}", rig.elapsed() - before);
}

#[test]
fn one_broker_that_does_not_answer_leaves_the_answers_of_the_others() {
    let config = ClusterConfig::default().with_call_timeout(5 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    call(&mut rig, all()).expect("brokers are up");
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let answer = call(&mut rig, all()).expect("some have answered");
    let of_paused: Vec<_> = (0..6).filter(|partition| leader(&rig, *partition) == paused).collect();
    let failed: Vec<_> = answer.failed.iter().map(|(of, _)| of.partition.0).collect();
    assert_eq!(failed, of_paused);
    assert_eq!(answer.response.topics.len() + failed.len(), 6);
    assert!(answer.failed.iter().all(|(_, failure)| failure.fate == Fate::NotApplied && failure.attempts >= 1));
}

#[test]
fn a_produce_that_may_have_been_applied_is_not_sent_again() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    let node = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(node, now));
    let request = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
    let claim = start(&mut rig, request);
    rig.cut(node);
    let answer = finish(&mut rig, claim).expect("the call ends");
    let [(_, failure)] = answer.failed.as_slice() else { panic!("{answer:?}") };
    assert_eq!((failure.fate, failure.attempts), (Fate::MaybeApplied, 1));
    assert!(matches!(failure.cause, Cause::Request { .. }), "{failure}");
}

#[test]
fn a_link_that_is_closed_while_it_is_idle_costs_no_retry() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    for node in 1..=3 {
        rig.cut(NodeId(node));
    }
    rig.pass(SECOND);
    let before = rig.elapsed();
    call(&mut rig, all()).expect("brokers are up");
    assert_eq!(rig.machine.stats().retries, 0);
    assert!(rig.elapsed() - before < Duration::from_millis(100), "{:?}", rig.elapsed() - before);
}

#[test]
fn all_brokers_down_for_an_hour_and_back() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.kill(NodeId(node), now));
    }
    for _ in 0..60 {
        let failed = call(&mut rig, all()).expect("it ends").failed;
        assert_eq!(failed.len(), 6);
        rig.pass(Duration::from_secs(1));
    }
    assert!(rig.elapsed() >= Duration::from_secs(3600));
    // One look each ten seconds at each address.
    assert!(rig.connects.len() < 10_000, "{}", rig.connects.len());
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.start(NodeId(node), now));
    }
    let back = rig.elapsed();
    let answer = call(&mut rig, all()).expect("brokers are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert!(rig.elapsed() - back <= 30 * SECOND, "{:?}", rig.elapsed() - back);
}

#[test]
fn an_address_that_drops_packets_does_not_stop_the_other_leaders() {
    let config = ClusterConfig::default().with_call_timeout(8 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    call(&mut rig, all()).expect("brokers are up");
    let lost = leader(&rig, 0);
    rig.set(&address(lost.0), Behaviour::DropsPackets);
    rig.cut(lost);
    let answer = call(&mut rig, all()).expect("some have answered");
    assert!(answer.failed.iter().all(|(of, _)| leader(&rig, of.partition.0) == lost));
    assert!(!answer.failed.is_empty() && !answer.response.topics.is_empty());
}

#[test]
fn a_commit_survives_the_death_of_its_coordinator() {
    // Whether the release of the coordinator is known by then, or not.
    for warm in [1, 0] {
        let mut rig = three();
        call(&mut rig, all()).expect("brokers are up");
        for _ in 0..warm {
            call(&mut rig, OffsetFetchRequestV1::new("group").with("t", 0)).expect("there is a coordinator");
        }
        let found = call(&mut rig, ConsumerMetadataRequest::new("group")).expect("brokers are up");
        let dead = found.response.coordinator().expect("there is one").node;
        rig.brokers(|brokers, now| brokers.kill(dead, now));
        let before = rig.elapsed();
        let answer = call(&mut rig, OffsetFetchRequestV1::new("group").with("t", 0)).expect("the others are up");
        assert!(answer.failed.is_empty(), "{warm}: {:?}", answer.failed);
        assert!(answer.response.topics.iter().all(|(_, _, found)| found.error.is_ok()), "{warm}: {answer:?}");
        assert!(rig.elapsed() - before < 20 * SECOND, "{warm}: {:?}", rig.elapsed() - before);
    }
}

#[test]
fn a_coordinator_that_dies_while_it_is_looked_up_is_looked_up_again() {
    let mut rig = three();
    call(&mut rig, all()).expect("brokers are up");
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.pause(NodeId(node), now));
    }
    let claim = start(&mut rig, OffsetFetchRequestV1::new("group").with("t", 0));
    rig.pass(SECOND);
    for node in 1..=3 {
        rig.cut(NodeId(node));
        rig.brokers(|brokers, now| brokers.resume(NodeId(node), now));
    }
    let answer = finish(&mut rig, claim).expect("brokers are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert!(rig.elapsed() < 10 * SECOND, "{:?}", rig.elapsed());
}
