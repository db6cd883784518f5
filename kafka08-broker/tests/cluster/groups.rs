use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetFetchRequestV0,
        OffsetFetchRequestV1, OffsetToCommitV1,
    },
    connection::Ticket,
    error_code::ErrorCode,
    ids::{NodeId, Offset, Timestamp},
};

use crate::{
    rig::{Rig, START},
    steps::{OK, first, kill, ms, second, start, three},
};

const OFFSETS: &str = "__consumer_offsets";
const UNAVAILABLE: ErrorCode = ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE;
const NOT_COORDINATOR: ErrorCode = ErrorCode::NOT_COORDINATOR_FOR_CONSUMER;
/// "g".hashCode() is 103, and 103 modulo 7 is 5.
const PARTITION: i32 = 5;
const DAY: i64 = 24 * 3600 * 1000;

fn config() -> BrokerConfig {
    BrokerConfig::default().with_offsets_partitions(7)
}

/// A cluster that has a coordinator for the group "g": the coordinator first.
fn coordinated(config: BrokerConfig) -> (Rig, [NodeId; 3]) {
    let (mut rig, mut nodes) = three(config);
    assert_eq!(rig.call_as(first(nodes[0]), &ConsumerMetadataRequest::new("g")).error, UNAVAILABLE);
    rig.pass(ms(20));
    let coordinator = rig.cluster.leader(OFFSETS, PARTITION).expect("it is led");
    nodes.sort_by_key(|node| *node != coordinator);
    (rig, nodes)
}

/// Sends a commit of one offset.
fn send(
    rig: &mut Rig,
    to: NodeId,
    offset: i64,
    metadata: Option<&str>,
    timestamp: i64,
) -> Ticket<OffsetCommitRequestV1> {
    let mut request = OffsetCommitRequestV1::new("g");
    let metadata = metadata.map(Into::into);
    let item = OffsetToCommitV1 { offset: Offset(offset), timestamp: Timestamp(timestamp), metadata };
    request.topics.push("t", 0, item);
    rig.send(first(to), &request)
}

fn answer(rig: &mut Rig, by: NodeId, ticket: Ticket<OffsetCommitRequestV1>) -> Option<ErrorCode> {
    rig.answer(first(by), ticket).map(|response| *response.topics.find("t", 0).expect("it is told"))
}

fn commit(rig: &mut Rig, to: NodeId, offset: i64, metadata: Option<&str>) -> ErrorCode {
    let ticket = send(rig, to, offset, metadata, -1);
    answer(rig, to, ticket).expect("an answer at once")
}

/// The code, offset and metadata of what the group has committed.
fn committed(rig: &mut Rig, by: NodeId) -> (ErrorCode, i64, Option<String>) {
    let response = rig.call_as(second(by), &OffsetFetchRequestV1::new("g").with("t", 0));
    let told = response.topics.find("t", 0).expect("it is told");
    (told.error, told.offset.0, told.metadata.as_ref().map(ToString::to_string))
}

fn move_to(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.move_leader(OFFSETS, PARTITION, node, now)).expect("it has a replica");
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn any_broker_names_the_coordinator_after_the_first_question() {
    let (mut rig, nodes) = coordinated(config());
    for node in nodes {
        let response = rig.call_as(first(node), &ConsumerMetadataRequest::new("g"));
        let coordinator = response.coordinator().expect("it is known");
        assert_eq!((coordinator.node, coordinator.port()), (nodes[0], u16::try_from(nodes[0].0 + 9091).ok()));
    }
    move_to(&mut rig, nodes[1]);
    let response = rig.call_as(first(nodes[2]), &ConsumerMetadataRequest::new("g"));
    assert_eq!(response.coordinator().expect("it is known").node, nodes[1]);
}

#[test]
fn there_is_no_coordinator_while_its_partition_has_no_leader() {
    let (mut rig, [coordinator, other, _]) = coordinated(config().with_replication(1));
    kill(&mut rig, coordinator);
    rig.pass(ms(100));
    let response = rig.call_as(first(other), &ConsumerMetadataRequest::new("g"));
    assert_eq!((response.error, response.broker.node, response.broker.raw_port), (UNAVAILABLE, NodeId(-1), -1));
    start(&mut rig, coordinator);
    assert_eq!(rig.call_as(first(other), &ConsumerMetadataRequest::new("g")).error, OK);
}

#[test]
fn a_commit_to_the_wrong_broker_is_refused() {
    let (mut rig, [node, ..]) = three(config());
    assert_eq!(commit(&mut rig, node, 1, None), UNAVAILABLE, "the topic of offsets does not exist");
    let (mut rig, [coordinator, follower, _]) = coordinated(config());
    assert_eq!(commit(&mut rig, follower, 1, None), NOT_COORDINATOR);
    assert_eq!(committed(&mut rig, follower), (NOT_COORDINATOR, -1, text("")));
    assert_eq!(commit(&mut rig, coordinator, 1, None), OK);
    let (mut rig, [_, stranger, _]) = coordinated(config().with_replication(1));
    assert_eq!(commit(&mut rig, stranger, 1, None), UNAVAILABLE, "it has no replica");
    assert_eq!(committed(&mut rig, stranger).0, NOT_COORDINATOR);
}

#[test]
fn a_new_coordinator_has_the_offsets_from_the_log() {
    let (mut rig, [old, new, _]) = coordinated(config());
    assert_eq!(committed(&mut rig, old), (OK, -1, text("")));
    assert_eq!(commit(&mut rig, old, 6, Some("m")), OK);
    assert_eq!(commit(&mut rig, old, 7, None), OK);
    assert_eq!(committed(&mut rig, old), (OK, 7, None));
    move_to(&mut rig, new);
    assert_eq!(committed(&mut rig, old), (NOT_COORDINATOR, -1, text("")));
    assert_eq!(committed(&mut rig, new), (OK, 7, text("")));
    assert_eq!(commit(&mut rig, new, 8, Some("n")), OK);
    move_to(&mut rig, old);
    assert_eq!(committed(&mut rig, old), (OK, 8, text("n")));
}

#[test]
fn a_new_coordinator_loads_until_its_high_watermark_is_that_of_the_old_one() {
    let (mut rig, [old, new, _]) = coordinated(config().with_replication_lag(ms(50)));
    let ticket = send(&mut rig, old, 7, Some("m"), -1);
    while answer(&mut rig, old, ticket).is_none() {
        rig.pass(ms(1));
    }
    move_to(&mut rig, new);
    assert_eq!(committed(&mut rig, new), (ErrorCode::OFFSETS_LOAD_IN_PROGRESS, -1, text("")));
    rig.pass(ms(100));
    assert_eq!(committed(&mut rig, new), (OK, 7, text("m")));
}

#[test]
fn a_coordinator_that_was_killed_reads_its_offsets_again() {
    let (mut rig, [coordinator, ..]) = coordinated(config().with_replication(1));
    commit(&mut rig, coordinator, 7, None);
    kill(&mut rig, coordinator);
    start(&mut rig, coordinator);
    // The topic "t" may have been led by it, and is again.
    assert_eq!(committed(&mut rig, coordinator), (OK, 7, text("")));
}

#[test]
fn metadata_that_is_too_long_is_refused_but_told_until_the_coordinator_moves() {
    let (mut rig, [old, new, _]) = coordinated(config());
    commit(&mut rig, old, 1, Some("m"));
    let long = "x".repeat(4097);
    assert_eq!(commit(&mut rig, old, 2, Some(&long)), ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(committed(&mut rig, old), (OK, 2, Some(long)));
    move_to(&mut rig, new);
    assert_eq!(committed(&mut rig, new), (OK, 1, text("m")));
}

#[test]
fn a_commit_waits_for_the_replicas_of_the_log() {
    let (mut rig, [coordinator, follower, new]) = coordinated(config());
    let hold = |rig: &mut Rig| rig.with(|cluster, _| cluster.hold_back(OFFSETS, PARTITION, follower));
    hold(&mut rig).expect("it has a replica");
    let ticket = send(&mut rig, coordinator, 1, None, -1);
    assert_eq!((answer(&mut rig, coordinator, ticket), committed(&mut rig, coordinator).1), (None, -1));
    rig.with(|cluster, now| cluster.let_go(OFFSETS, PARTITION, follower, now)).expect("it has a replica");
    assert_eq!((answer(&mut rig, coordinator, ticket), committed(&mut rig, coordinator).1), (Some(OK), 1));
    hold(&mut rig).expect("it has a replica");
    let ticket = send(&mut rig, coordinator, 2, None, -1);
    rig.pass(ms(4999));
    assert_eq!(answer(&mut rig, coordinator, ticket), None);
    rig.pass(ms(1));
    assert_eq!(answer(&mut rig, coordinator, ticket), Some(ErrorCode::REQUEST_TIMED_OUT));
    assert_eq!(committed(&mut rig, coordinator).1, 1);
    let ticket = send(&mut rig, coordinator, 3, None, -1);
    move_to(&mut rig, new);
    assert_eq!(answer(&mut rig, coordinator, ticket), Some(NOT_COORDINATOR));
    assert_eq!(committed(&mut rig, new).1, 1, "the others are in the log, but not below the high watermark");
}

#[test]
fn too_few_replicas_in_sync_refuse_a_commit() {
    let (mut rig, [coordinator, follower, _]) = coordinated(config().with_min_insync(3));
    kill(&mut rig, follower);
    rig.pass(ms(100));
    assert_eq!(commit(&mut rig, coordinator, 1, None), ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(committed(&mut rig, coordinator), (OK, -1, text("")));
}

#[test]
fn offsets_that_are_too_old_are_swept_out_every_ten_minutes() {
    let (mut rig, [coordinator, new, _]) = coordinated(config().with_idle_timeout(ms(86_400_000)));
    let ticket = send(&mut rig, coordinator, 1, None, START - DAY);
    assert_eq!(answer(&mut rig, coordinator, ticket), Some(OK));
    rig.pass(ms(599_000));
    assert_eq!(committed(&mut rig, coordinator).1, 1, "too old, but not swept out");
    rig.pass(ms(1000));
    assert_eq!(committed(&mut rig, coordinator), (OK, -1, text("")));
    move_to(&mut rig, new);
    assert_eq!(committed(&mut rig, new), (OK, -1, text("")), "the log says so, too");
    assert_eq!(commit(&mut rig, new, 2, None), OK);
    rig.pass(ms(3_600_000));
    assert_eq!(committed(&mut rig, new).1, 2);
}

#[test]
fn offsets_that_nobody_has_asked_for_since_the_coordinator_moved_are_swept_out_too() {
    let (mut rig, [coordinator, new, _]) = coordinated(config().with_idle_timeout(ms(86_400_000)));
    send(&mut rig, coordinator, 1, None, START - DAY);
    move_to(&mut rig, new);
    rig.pass(ms(600_000));
    assert_eq!(committed(&mut rig, new).1, -1);
}

#[test]
fn offsets_in_zookeeper_are_shared_by_all_brokers() {
    let (mut rig, nodes) = three(config());
    let request = OffsetCommitRequestV0::new("g").with("t", 0, Offset(7));
    assert_eq!(rig.call_as(first(nodes[0]), &request).partition("t", 0), Ok(()));
    kill(&mut rig, nodes[0]);
    for node in [nodes[1], nodes[2]] {
        let response = rig.call_as(first(node), &OffsetFetchRequestV0::new("g").with("t", 0));
        assert_eq!(response.topics.find("t", 0).expect("it is told").offset, Offset(7));
    }
}

#[test]
fn offsets_are_gone_with_their_topic() {
    let (mut rig, [coordinator, ..]) = coordinated(config());
    commit(&mut rig, coordinator, 7, None);
    assert!(rig.with(|cluster, now| cluster.delete_topic(OFFSETS, now)));
    assert_eq!(commit(&mut rig, coordinator, 8, None), UNAVAILABLE);
    assert_eq!(rig.call_as(first(coordinator), &ConsumerMetadataRequest::new("g")).error, UNAVAILABLE);
    rig.pass(ms(20));
    let coordinator = rig.cluster.leader(OFFSETS, PARTITION).expect("it is led");
    assert_eq!(committed(&mut rig, coordinator), (OK, -1, text("")));
}
