//! Closing, deadlines, and what is left behind.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, Lie, Rule};
use kafka08_client::{backoff::Backoff, config::ClusterConfig, error::Cause, machine::Machine as _};
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV1, OffsetFetchRequestV1,
        ProduceRequest,
    },
    error_code::ErrorCode,
    fate::Fate,
    ids::{Acks, ApiKey, Millis, NodeId, Offset},
    message::MessageSet,
};

use super::{
    SECOND, call, leader,
    rig::{Behaviour, address},
    start, three, with,
};

#[test]
fn a_closed_client_ends_its_calls_and_its_links() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.pause(NodeId(node), now));
    }
    let claim = start(&mut rig, ListOffsetsRequest::latest([("t", 0), ("t", 1)]));
    rig.command(|cluster, now| cluster.close(now));
    let answer = super::finish(&mut rig, claim).expect("it ends");
    assert_eq!(answer.failed.len(), 2);
    rig.pass(60 * SECOND);
    assert!(rig.machine.is_over());
    assert_eq!(rig.open_links(), 0);
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn links_that_are_idle_are_closed_and_nothing_is_left() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))).expect("brokers are up");
    assert!(rig.open_links() >= 2);
    rig.pass(600 * SECOND);
    assert_eq!(rig.open_links(), 0);
    assert_eq!(rig.machine.poll_timeout(), None, "an idle client has nothing to wait for");
}

#[test]
fn a_produce_that_was_sent_when_the_client_was_closed_may_have_been_applied() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    let produce = || ProduceRequest::new(Acks::ALL, Millis(5000)).with("t", 0, MessageSet::of_value(b"v"));
    call(&mut rig, produce()).expect("brokers are up");
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.pause(NodeId(node), now));
    }
    let sent = start(&mut rig, produce());
    rig.pass(SECOND);
    let untouched = start(&mut rig, ListOffsetsRequest::latest([("t", 0)]));
    rig.command(|cluster, now| cluster.close(now));
    for (claim, fate) in [
        (super::finish(&mut rig, sent).map(|answer| answer.failed), Fate::MaybeApplied),
        (super::finish(&mut rig, untouched).map(|answer| answer.failed), Fate::NotApplied),
    ] {
        let failed = claim.expect("it ends in parts");
        assert!(failed.iter().all(|(_, failure)| failure.cause == Cause::Closed && failure.fate == fate), "{failed:?}");
        assert_eq!(failed.len(), 1);
    }
}

/// What the brokers do while a call is open.
#[derive(Clone, Copy, Debug)]
enum World {
    Serves,
    IsPaused,
    Becomes(Behaviour),
}

#[test]
fn a_call_that_is_given_up_in_any_state_leaves_nothing_behind() {
    let worlds = [
        World::Serves,
        World::IsPaused,
        World::Becomes(Behaviour::Refuses),
        World::Becomes(Behaviour::DropsPackets),
        World::Becomes(Behaviour::IsSilent),
    ];
    for world in worlds {
        for after in [0, 40, 400, 4000, 13_000] {
            for connected in [Connected::Yes, Connected::No] {
                give_up(world, Duration::from_millis(after), connected);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    Yes,
    No,
}

fn give_up(world: World, after: Duration, connected: Connected) {
    let mut rig = three();
    if connected == Connected::Yes {
        call(&mut rig, ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))).expect("brokers are up");
    }
    for node in 1..=3 {
        match world {
            World::Serves => {}
            World::IsPaused => rig.brokers(|brokers, now| brokers.pause(NodeId(node), now)),
            World::Becomes(behaviour) => {
                rig.set(&address(node), behaviour);
                rig.cut(NodeId(node));
            }
        }
    }
    let ids = [
        start(&mut rig, ListOffsetsRequest::latest([("t", 0), ("t", 1), ("missing", 0)])).id(),
        start(&mut rig, OffsetFetchRequestV1::new("group").with("t", 0)).id(),
        start(&mut rig, OffsetCommitRequestV1::new("group").with("t", 0, Offset(1), "")).id(),
        start(&mut rig, MetadataRequest::of(["t"])).id(),
        start(&mut rig, ConsumerMetadataRequest::new("group")).id(),
    ];
    rig.pass(after);
    for id in ids {
        rig.command(|cluster, _| cluster.cancel(id));
    }
    assert_eq!(rig.machine.stats().calls, 0);
    // Abandoned requests time out, and idle links are closed after nine minutes.
    rig.pass(1200 * SECOND);
    let told = format!("{world:?}, {connected:?}, given up after {after:?}");
    assert_eq!(rig.machine.poll_timeout(), None, "{told}");
    assert_eq!(rig.open_links(), 0, "{told}");
}

#[test]
fn a_code_that_is_there_at_the_deadline_stands_in_the_answer_if_no_later_attempt_was_made() {
    let config = ClusterConfig::default().with_call_timeout(5 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    let from = leader(&rig, 0);
    let to = NodeId(if from.0 == 1 { 2 } else { 1 });
    // The new leader cannot be connected to, so the second attempt waits for a link until the deadline.
    rig.set(&address(to.0), Behaviour::DropsPackets);
    rig.cut(to);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, to, now)).expect("it exists");
    let answer = call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("a broker has answered");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    let found = answer.response.topics.find("t", 0).expect("it is listed");
    assert_eq!(found.error, ErrorCode::NOT_LEADER_FOR_PARTITION);
}

#[test]
fn settings_without_pauses_do_not_make_the_client_spin() {
    let none = Backoff { first: Duration::ZERO, most: Duration::ZERO };
    let config = ClusterConfig::default()
        .with_retry_backoff(none)
        .with_reconnect_backoff(none)
        .with_refresh_pause(Duration::ZERO)
        .with_call_timeout(3 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::METADATA).lie(Lie::Port { port: 0 })));
    for node in 1..=3 {
        rig.set(&address(node), Behaviour::Refuses);
        rig.cut(NodeId(node));
    }
    start(&mut rig, ListOffsetsRequest::latest([("t", 0), ("missing", 0)]));
    start(&mut rig, MetadataRequest::of(["t"]));
    rig.pass(5 * SECOND);
    assert_eq!(rig.machine.stats().calls, 0);
}
