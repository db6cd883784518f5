use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{FetchRequest, MetadataRequest},
    ids::{Millis, NodeId, Offset},
};

use crate::{
    rig::{Rig, one, plain},
    steps::{
        NOT_LEADER, OK, answered, described, ends, first, hold, kill, leader, ms, poll, produce, produced, second,
        sorted, start, three,
    },
};

fn pause(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.pause(node, now));
}

fn resume(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.resume(node, now));
}

#[test]
fn a_paused_broker_accepts_connections_and_answers_when_it_goes_on() {
    let (mut rig, [paused, ..]) = three(BrokerConfig::default());
    pause(&mut rig, paused);
    let ticket = produce(&mut rig, paused, 1, 1000, &["a"]);
    rig.connect(99, paused);
    let asked = rig.send(99, &MetadataRequest::all());
    rig.pass(ms(50));
    assert_eq!((answered(&mut rig, paused, ticket), ends(&rig, paused)), (None, (0, 0)));
    assert!(rig.answer(99, asked).is_none());
    resume(&mut rig, paused);
    assert_eq!(answered(&mut rig, paused, ticket), Some((OK, 0)));
    assert!(rig.answer(99, asked).is_some());
    rig.pass(ms(1000));
    assert_eq!((leader(&rig.cluster), described(&mut rig, paused).isr.len()), (Some(paused), 3));
}

#[test]
fn a_leader_that_is_paused_for_too_long_is_replaced_and_follows() {
    let (mut rig, [paused, new, other]) = three(BrokerConfig::default());
    pause(&mut rig, paused);
    rig.pass(ms(99));
    assert_eq!(described(&mut rig, other).leader, Some(paused));
    rig.pass(ms(1));
    assert_eq!((described(&mut rig, other).leader, described(&mut rig, other).isr), (Some(new), sorted([new, other])));
    let ticket = produce(&mut rig, paused, 1, 1000, &["lost"]);
    produced(&mut rig, new, -1, &["a"]);
    resume(&mut rig, paused);
    assert_eq!(answered(&mut rig, paused, ticket), Some((NOT_LEADER, -1)));
    assert_eq!((ends(&rig, paused), described(&mut rig, paused).isr.len()), ((1, 1), 3));
}

#[test]
fn an_answer_that_falls_due_while_a_broker_is_paused_is_given_when_it_goes_on() {
    let (mut rig, [paused, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, paused, -1, 20, &["a"]);
    let waiting = poll(&mut rig, paused, 0, 30);
    pause(&mut rig, paused);
    rig.pass(ms(60));
    assert_eq!(answered(&mut rig, paused, ticket), None);
    assert!(rig.answer(second(paused), waiting).is_none());
    resume(&mut rig, paused);
    let (error, _) = answered(&mut rig, paused, ticket).expect("it goes on");
    assert_eq!(error, kafka08_proto::error_code::ErrorCode::REQUEST_TIMED_OUT);
    assert!(rig.answer(second(paused), waiting).is_some());
}

#[test]
fn a_fetch_that_waits_at_a_paused_leader_learns_of_its_successor_when_it_goes_on() {
    let (mut rig, [paused, ..]) = three(BrokerConfig::default());
    let waiting = poll(&mut rig, paused, 0, 60_000);
    pause(&mut rig, paused);
    rig.pass(ms(100));
    assert!(rig.answer(second(paused), waiting).is_none());
    resume(&mut rig, paused);
    assert_eq!(one(&rig.answer(second(paused), waiting).expect("it goes on")).error, NOT_LEADER);
}

#[test]
fn the_answers_of_a_paused_broker_that_is_killed_are_gone() {
    let (mut rig, [paused, ..]) = three(BrokerConfig::default());
    poll(&mut rig, paused, 0, 20);
    pause(&mut rig, paused);
    rig.pass(ms(50));
    kill(&mut rig, paused);
    rig.closed(first(paused));
    rig.closed(second(paused));
    start(&mut rig, paused);
    resume(&mut rig, paused);
    assert_eq!(rig.events(second(paused)).len(), 0);
    let request = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 100);
    assert_eq!(plain(&one(&rig.call_as(second(paused), &request)).messages), []);
}

#[test]
fn a_paused_follower_is_late_and_catches_up_when_it_goes_on() {
    let config = BrokerConfig::default().with_isr_lag(ms(500)).with_election_delay(ms(60_000));
    let (mut rig, [leader, paused, other]) = three(config);
    pause(&mut rig, paused);
    let ticket = produce(&mut rig, leader, -1, 60_000, &["a"]);
    rig.pass(ms(499));
    assert_eq!(answered(&mut rig, leader, ticket), None);
    rig.pass(ms(1));
    assert_eq!(answered(&mut rig, leader, ticket), Some((OK, 0)));
    assert_eq!(described(&mut rig, other).isr, sorted([leader, other]));
    resume(&mut rig, paused);
    assert_eq!((ends(&rig, paused), described(&mut rig, other).isr.len()), ((1, 1), 3));
}

#[test]
fn a_follower_that_became_late_while_its_leader_was_paused_leaves_when_the_leader_goes_on() {
    let config = BrokerConfig::default().with_isr_lag(ms(500)).with_election_delay(ms(60_000));
    let (mut rig, [paused, follower, other]) = three(config);
    hold(&mut rig, follower);
    let ticket = produce(&mut rig, paused, -1, 60_000, &["a"]);
    pause(&mut rig, paused);
    rig.pass(ms(600));
    resume(&mut rig, paused);
    assert_eq!(answered(&mut rig, paused, ticket), Some((OK, 0)));
    assert_eq!(described(&mut rig, other).isr, sorted([paused, other]));
}
