//! Brokers that fail, lie and come back.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, Lie, Rule};
use kafka08_client::{
    config::{ConsumerConfig, EndAt, StartAt},
    consumer::ConsumerEvent,
};
use kafka08_proto::{
    HostPort,
    ids::{ApiKey, NodeId},
};

use crate::{
    SECOND,
    both::{assign, cluster, expected, numbers, produce, read_all, rig},
    rig::{Behaviour, address},
};

fn three() -> BrokerConfig {
    BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3)
}

#[test]
fn connections_that_are_cut_lose_and_repeat_nothing() {
    let mut rig = rig(three(), ConsumerConfig::default());
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let mut all = Vec::new();
    for n in 0..20 {
        produce(&mut rig, 0, numbers(3 * n..3 * n + 3));
        for node in 1..=3 {
            rig.cut(NodeId(node));
        }
        rig.pass(Duration::from_millis(300));
        all.extend(read_all(&mut rig));
    }
    rig.pass(10 * SECOND);
    all.extend(read_all(&mut rig));
    assert_eq!(all, expected(0..60));
}

#[test]
fn a_leader_that_is_killed_is_left_for_the_next() {
    let mut rig = rig(three(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let mut all = read_all(&mut rig);
    let leader = rig.brokers.leader("t", 0).expect("led");
    rig.pass(SECOND);
    rig.brokers(|brokers, now| brokers.kill(leader, now));
    rig.pass(10 * SECOND);
    produce(&mut rig, 0, numbers(3..6));
    rig.pass(5 * SECOND);
    all.extend(read_all(&mut rig));
    assert_eq!(all, expected(0..6));
}

#[test]
fn all_brokers_gone_for_an_hour_are_told_once_and_reading_goes_on_when_they_are_back() {
    for behaviour in [Behaviour::Refuses, Behaviour::DropsPackets, Behaviour::IsSilent] {
        gone_for_an_hour(behaviour);
    }
}

fn gone_for_an_hour(behaviour: Behaviour) {
    let mut rig = rig(three(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..3));
    for node in 1..=3 {
        rig.set(&address(node), behaviour);
        rig.cut(NodeId(node));
    }
    let connects = rig.connects.len();
    rig.pass(3600 * SECOND);
    let stalled = rig.events.iter().filter(|event| matches!(event, ConsumerEvent::Stalled { .. })).count();
    assert_eq!(stalled, 1, "{:?}", rig.events);
    assert!(rig.connects.len() - connects < 3600 * 2, "{} attempts in an hour", rig.connects.len() - connects);
    for node in 1..=3 {
        rig.set(&address(node), Behaviour::Serves(NodeId(node)));
    }
    rig.pass(30 * SECOND);
    produce(&mut rig, 0, numbers(3..5));
    rig.pass(SECOND);
    assert_eq!(read_all(&mut rig), expected(3..5));
}

#[test]
fn a_silent_leader_is_left_as_soon_as_another_is_named() {
    let config = ConsumerConfig::default().with_cluster(cluster());
    let mut rig = rig(three(), config);
    produce(&mut rig, 0, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..3));
    rig.pass(2 * SECOND);
    let leader = rig.brokers.leader("t", 0).expect("led");
    rig.brokers(|brokers, now| brokers.pause(leader, now));
    rig.pass(SECOND);
    let other = NodeId(if leader.0 == 1 { 2 } else { 1 });
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, other, now)).expect("it exists");
    produce(&mut rig, 0, numbers(3..6));
    rig.pass(8 * SECOND);
    assert_eq!(read_all(&mut rig), expected(3..6), "long before the request times out");
}

#[test]
fn a_broker_that_has_moved_is_fetched_from_though_it_owes_an_answer_at_its_old_address() {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 1), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..3));
    rig.brokers.add_rule("fetch first=1: never-answer".parse().expect("a rule"));
    // The fetch that is waiting is answered, and the next one is not.
    produce(&mut rig, 0, numbers(3..6));
    rig.pass(SECOND);
    assert_eq!(read_all(&mut rig), expected(3..6));
    produce(&mut rig, 0, numbers(6..9));
    rig.pass(SECOND);
    assert_eq!(read_all(&mut rig), []);
    let moved = HostPort::new("moved", address(1).port());
    rig.set(&moved, Behaviour::Serves(NodeId(1)));
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::METADATA).lie(Lie::Host { host: "moved".into() })));
    rig.command(|both, now| both.consumer.connect(now));
    rig.pass(SECOND);
    assert_eq!(read_all(&mut rig), expected(6..9), "long before the request times out");
}

#[test]
fn a_consumer_that_is_closed_is_over() {
    let mut rig = rig(three(), ConsumerConfig::default());
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    rig.command(|both, now| both.consumer.close(now));
    rig.pass(SECOND);
    assert_eq!(rig.open_links(), 0);
    rig.events.clear();
    assert!(kafka08_client::machine::Machine::is_over(&rig.machine));
}
