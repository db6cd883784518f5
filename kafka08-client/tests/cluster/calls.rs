//! Requests that are taken apart by leader, and answers that are put together.

use std::collections::BTreeSet;

use kafka08_broker::Rule;
use kafka08_client::{
    cluster::{RefusedWhy, Route},
    error::Cause,
};
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV0,
        OffsetCommitRequestV1, OffsetFetchRequestV0, OffsetFetchRequestV1, ProduceRequest, RequestProblem,
    },
    error_code::ErrorCode,
    fate::Fate,
    ids::{Acks, ApiKey, Millis, Offset},
    message::MessageSet,
};

use super::{SECOND, call, finish, leader, start, three};

#[test]
fn one_call_asks_all_leaders_and_the_answer_is_in_the_order_asked() {
    let mut rig = three();
    let leaders: BTreeSet<_> = (0..6).map(|partition| leader(&rig, partition)).collect();
    assert!(leaders.len() > 1, "one leader proves nothing");
    let asked = [("t", 5), ("t", 0), ("t", 3), ("t", 1), ("t", 4), ("t", 2)];
    let answer = call(&mut rig, ListOffsetsRequest::latest(asked)).expect("brokers are up");
    let listed: Vec<_> = answer.response.topics.iter().map(|(_, partition, _)| partition.0).collect();
    assert_eq!(listed, [5, 0, 3, 1, 4, 2]);
    assert!(answer.response.topics.iter().all(|(_, _, found)| found.error.is_ok() && found.offsets == [Offset(0)]));
    assert!(answer.failed.is_empty());
}

#[test]
fn produced_messages_are_fetched_from_their_leaders() {
    let mut rig = three();
    let produce = (0..6).fold(ProduceRequest::new(Acks::ALL, Millis(1000)), |request, partition| {
        request.with("t", partition, MessageSet::of_value(format!("value {partition}").as_bytes()))
    });
    let answer = call(&mut rig, produce).expect("brokers are up");
    assert!(answer.response.topics.iter().all(|(_, _, produced)| produced.error.is_ok()));
    let fetch = (0..6)
        .fold(FetchRequest::new(Millis(100), 1), |request, partition| request.with("t", partition, Offset(0), 1000));
    let answer = call(&mut rig, fetch).expect("brokers are up");
    for partition in 0..6 {
        let found = answer.response.topics.find("t", partition).expect("it is listed");
        let text = format!("value {partition}");
        assert!(found.messages.bytes().windows(text.len()).any(|window| window == text.as_bytes()));
    }
}

#[test]
fn offsets_are_committed_to_the_coordinator_and_read_from_it() {
    let mut rig = three();
    let mut commit = OffsetCommitRequestV1::new("group");
    commit = commit.with("t", 2, Offset(7), "");
    let answer = call(&mut rig, commit).expect("there is a coordinator");
    assert!(answer.response.topics.iter().all(|(_, _, code)| code.is_ok()), "{answer:?}");
    let answer = call(&mut rig, OffsetFetchRequestV1::new("group").with("t", 2)).expect("there is a coordinator");
    let found = answer.response.topics.find("t", 2).expect("it is listed");
    assert_eq!(found.offset, Offset(7));
}

#[test]
fn requests_for_any_broker_are_answered() {
    let mut rig = three();
    let answer = call(&mut rig, MetadataRequest::of(["t"])).expect("brokers are up");
    assert_eq!(answer.response.topics().len(), 1);
    let answer = call(&mut rig, ConsumerMetadataRequest::new("group")).expect("brokers are up");
    assert!(answer.response.coordinator().is_ok());
}

#[test]
fn offsets_of_any_broker_are_asked_for_again_by_partition_while_a_code_may_pass() {
    let mut rig = three();
    let commit = OffsetCommitRequestV0::new("group").with("t", 2, Offset(7)).with("t", 1, Offset(5));
    for api in [ApiKey::OFFSET_COMMIT, ApiKey::OFFSET_FETCH] {
        rig.brokers(|brokers, _| brokers.add_rule(Rule::on(api).partition(1).first(2).answer_with(ErrorCode::UNKNOWN)));
    }
    let answer = call(&mut rig, commit).expect("brokers are up");
    let codes: Vec<_> = answer.response.topics.iter().map(|(_, partition, code)| (partition.0, code.0)).collect();
    assert_eq!(codes, [(2, 0), (1, 0)]);
    let answer = call(&mut rig, OffsetFetchRequestV0::new("group").with("t", 1).with("t", 2)).expect("brokers are up");
    let found: Vec<_> = answer.response.topics.iter().map(|(_, partition, at)| (partition.0, at.offset.0)).collect();
    assert_eq!(found, [(1, 5), (2, 7)]);
}

#[test]
fn a_partition_that_the_answer_of_any_broker_lacks_has_no_answer() {
    let mut rig = three();
    call(&mut rig, MetadataRequest::of(["t"])).expect("brokers are up");
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::OFFSET_COMMIT).partition(1).omit()));
    let commit = OffsetCommitRequestV0::new("group").with("t", 2, Offset(7)).with("t", 1, Offset(5));
    let answer = call(&mut rig, commit).expect("one partition was stored");
    let [(of, failure)] = answer.failed.as_slice() else { panic!("{answer:?}") };
    assert_eq!((of.partition.0, &failure.cause, failure.fate), (1, &Cause::Incomplete, Fate::MaybeApplied));
    assert_eq!(answer.response.topics.len(), 1);
}

#[test]
fn a_request_is_sent_to_the_broker_that_the_caller_names() {
    let mut rig = three();
    let node = leader(&rig, 0);
    let request = ListOffsetsRequest::latest([("t", 0)]);
    let claim = rig.command(|cluster, now| cluster.call_at(now, Route::Node(node), request.clone())).expect("taken");
    let answer = finish(&mut rig, claim).expect("it is up");
    assert!(answer.response.partition("t", 0).is_ok());
    let other = if node.0 == 1 { 2 } else { 1 };
    let claim =
        rig.command(|cluster, now| cluster.call_at(now, Route::Node(other.into()), request.clone())).expect("taken");
    // What the answer says is not looked at.
    let answer = finish(&mut rig, claim).expect("it is up");
    let code = answer.response.topics.find("t", 0).expect("listed").error;
    assert_eq!(code, ErrorCode::NOT_LEADER_FOR_PARTITION);
}

#[test]
fn calls_that_would_lose_data_or_hang_are_refused_with_their_request() {
    let mut rig = three();
    let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
    let refused = rig.command(|cluster, now| cluster.call(now, request.clone())).expect_err("never answered");
    assert_eq!((refused.why, refused.request), (RefusedWhy::NoAnswer, request));
    let refused = rig.command(|cluster, now| cluster.call(now, MetadataRequest::of(["a/b"]))).expect_err("a bad name");
    assert!(matches!(refused.why, RefusedWhy::Problem(RequestProblem::TopicName { .. })), "{:?}", refused.why);
}

#[test]
fn a_call_that_was_given_up_tells_nothing_and_leaves_nothing() {
    let mut rig = three();
    let claim = start(&mut rig, ListOffsetsRequest::latest([("missing", 0)]));
    let id = claim.id();
    rig.command(|cluster, _| cluster.cancel(id));
    rig.pass(100 * SECOND);
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    assert_eq!(rig.machine.stats().calls, 0);
}

#[test]
fn a_client_that_has_nothing_to_do_does_nothing() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    let steps = rig.steps;
    rig.pass(100 * SECOND);
    assert!(rig.steps - steps <= 2, "{} steps in 100 idle seconds", rig.steps - steps);
}
