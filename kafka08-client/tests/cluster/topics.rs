//! Topics that are missing, new or without leaders.

use kafka08_broker::BrokerConfig;
use kafka08_client::{config::ClusterConfig, error::Cause};
use kafka08_proto::{
    api::{LeaderProblem, ListOffsetsRequest},
    ids::NodeId,
};

use super::{SECOND, call, start, three, with};

#[test]
fn reading_creates_no_topic() {
    let mut rig = three();
    let answer = call(&mut rig, ListOffsetsRequest::latest([("missing", 0)])).expect("the call ends");
    let [(of, failure)] = answer.failed.as_slice() else { panic!("{answer:?}") };
    assert_eq!(&*of.topic, "missing");
    assert!(matches!(failure.cause, Cause::NoLeader(LeaderProblem::TopicMissing)), "{failure}");
    // It fails long before the deadline of the call.
    assert!(rig.elapsed() < 10 * SECOND, "{:?}", rig.elapsed());
    assert!(rig.brokers.leader("missing", 0).is_none());
}

#[test]
fn a_topic_that_appears_while_a_call_waits_for_it_is_found() {
    let mut rig = three();
    let claim = start(&mut rig, ListOffsetsRequest::latest([("late", 0)]));
    rig.pass(2 * SECOND);
    rig.brokers(|brokers, now| brokers.create_topic("late", 1, now)).expect("it can be created");
    let answer = super::finish(&mut rig, claim).expect("it exists");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
}

#[test]
fn a_partition_without_a_leader_fails_alone() {
    let config = ClusterConfig::default().with_call_timeout(5 * SECOND);
    let brokers =
        BrokerConfig::default().with_brokers(3).with_topic("t", 6).with_replication(1).without_unclean_election();
    let mut rig = with(brokers, config);
    let all = ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)));
    call(&mut rig, all.clone()).expect("brokers are up");
    let dead = rig.brokers.leader("t", 0).expect("it is led");
    rig.brokers(|brokers, now| brokers.kill(dead, now));
    rig.pass(10 * SECOND);
    let answer = call(&mut rig, all).expect("some have answered");
    assert!(!answer.failed.is_empty() && !answer.response.topics.is_empty(), "{answer:?}");
    assert!(answer.failed.iter().all(|(_, failure)| failure.attempts == 0 || failure.attempts == 1), "{answer:?}");
    let _ = NodeId(0);
}

#[test]
fn a_partition_that_does_not_exist_fails_with_its_reason() {
    let mut rig = three();
    let answer = call(&mut rig, ListOffsetsRequest::latest([("t", 0), ("t", 99)])).expect("one exists");
    let [(of, failure)] = answer.failed.as_slice() else { panic!("{answer:?}") };
    assert_eq!(of.partition.0, 99);
    assert!(matches!(failure.cause, Cause::NoLeader(LeaderProblem::NoSuchPartition)), "{failure}");
    assert_eq!(answer.response.topics.len(), 1);
}
