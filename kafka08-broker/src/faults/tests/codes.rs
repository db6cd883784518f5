//! Refused partitions, and codes after the deed.

use kafka08_proto::ids::ApiKey;

use super::*;
use crate::faults::merge;

const TIMED_OUT: ErrorCode = ErrorCode::REQUEST_TIMED_OUT;
const NOT_LEADER: ErrorCode = ErrorCode::NOT_LEADER_FOR_PARTITION;

#[track_caller]
fn assert_refused(frame: &str, body: &str) {
    let asked = Asked::new(frame);
    let (acted, refused) = plan(Rule::on_any().refuse_with(NOT_LEADER), frame).split(asked.request);
    assert_eq!(acted, None);
    assert_body(&refused.unwrap(), body);
}

#[test]
fn a_refused_request_is_not_acted_on_and_has_the_answer_of_a_failure() {
    assert_refused(PRODUCE, "00000001 000174 00000001 00000000 0006 ffffffffffffffff -- offset -1");
    assert_refused(FETCH, "00000001 000174 00000001 00000000 0006 ffffffffffffffff 00000000 -- watermark -1, no bytes");
    assert_refused(LIST_OFFSETS, "00000001 000174 00000001 00000000 0006 00000000 -- no offsets");
    assert_refused(OFFSET_COMMIT, "00000001 000174 00000001 00000000 0006");
    assert_refused(OFFSET_FETCH, "00000001 000174 00000001 00000000 ffffffffffffffff 0000 0006 -- offset -1, empty");
    assert_refused(METADATA, "00000000 00000001 0006 000174 00000000 -- no brokers, code 6, topic t, no partitions");
    assert_refused(CONSUMER_METADATA, "0006 ffffffff 0000 ffffffff -- code 6, no broker");
    assert_refused(HEARTBEAT, "0006");
}

#[test]
fn only_the_selected_partitions_are_refused() {
    // Metadata without the topic list's partitions: t/0 and t/1 with empty sets, and u/0.
    let frame = "0000003e 0000 0000 00000001 000163  0001 000003e8  00000002
        000174 00000002 00000000 00000000 00000001 00000000
        000175 00000001 00000000 00000000";
    let (acted, refused) = plan(Rule::on(ApiKey::PRODUCE).topic("t").partition(1).refuse_with(NOT_LEADER), frame)
        .split(Asked::new(frame).request);
    let Some(Request::Produce { sets, .. }) = acted else { panic!("the rest is a produce") };
    let left: Vec<_> = sets.keys().map(|place| (place.topic.as_deref().unwrap(), place.partition.0)).collect();
    assert_eq!(left, [("t", 0), ("u", 0)]);
    let mut answer = Answer::Produce(one(Produced { error: ErrorCode::NONE, offset: Offset(42) }));
    merge(&mut answer, refused.unwrap());
    assert_body(
        &answer,
        "00000001 000174 00000002 -- topic t, two partitions
        00000000 0000 000000000000002a -- 0 was served
        00000001 0006 ffffffffffffffff -- 1 was refused",
    );
}

#[test]
fn a_refused_topic_is_told_beside_those_that_were_served() {
    let frame = "00000015 0003 0000 00000001 000163  00000002 000174 000175 -- t and u";
    let (acted, refused) =
        plan(Rule::on_any().topic("u").refuse_with(NOT_LEADER), frame).split(Asked::new(frame).request);
    assert_eq!(acted, Some(Asked::new(METADATA).request));
    let mut answer = Answer::Metadata(MetadataAnswer { brokers: Vec::new(), topics: Vec::new() });
    merge(&mut answer, refused.unwrap());
    assert_body(&answer, "00000000 00000001 0006 000175 00000000");
}

#[test]
fn what_cannot_be_refused_in_advance_is_changed_in_the_answer() {
    let all = "0000000f 0003 0000 00000001 000163  00000000";
    let plan = plan(Rule::on(ApiKey::METADATA).topic("t").refuse_with(NOT_LEADER), all);
    let asked = Asked::new(all).request;
    assert_eq!(plan.split(asked.clone()), (Some(asked), None));
    let mut answer = truth(METADATA);
    apply(&plan, &mut answer);
    let Answer::Metadata(answer) = answer else { panic!("the answer is to Metadata") };
    assert_eq!(answer.topics[0].error, NOT_LEADER);
}

#[test]
fn a_request_that_names_nothing_has_nothing_to_refuse() {
    let frame = "00000015 0000 0000 00000001 000163  0001 000003e8  00000000";
    let request = Asked::new(frame).request;
    let plan = plan(Rule::on_any().refuse_with(NOT_LEADER), frame);
    assert_eq!(plan.split(request.clone()), (Some(request), None));
}

#[test]
fn a_code_after_the_deed_comes_with_the_values_of_a_failure() {
    let rule = || Rule::on_any().answer_with(NOT_LEADER);
    assert_answer(rule(), PRODUCE, "00000001 000174 00000001 00000000 0006 ffffffffffffffff");
    assert_answer(rule(), FETCH, "00000001 000174 00000001 00000000 0006 ffffffffffffffff 00000000");
    assert_answer(rule(), LIST_OFFSETS, "00000001 000174 00000001 00000000 0006 00000000");
    assert_answer(rule(), OFFSET_COMMIT, "00000001 000174 00000001 00000000 0006");
    assert_answer(rule(), OFFSET_FETCH, "00000001 000174 00000001 00000000 ffffffffffffffff 0000 0006");
    assert_answer(rule(), CONSUMER_METADATA, "0006 ffffffff 0000 ffffffff");
}

#[test]
fn a_code_that_follows_an_append_keeps_the_offset() {
    let rule = Rule::on(ApiKey::PRODUCE).answer_with(TIMED_OUT);
    assert_answer(rule, PRODUCE, "00000001 000174 00000001 00000000 0007 000000000000002a");
}

#[test]
fn a_code_for_other_partitions_changes_nothing() {
    let rule = Rule::on(ApiKey::PRODUCE).topic("t").partition(1).answer_with(TIMED_OUT);
    assert!(plan(rule, PRODUCE).is_empty());
}

/// Brokers 1 = h1:9092 and 2 = h2:9093.
const BROKERS: &str = "00000002 00000001 00026831 00002384 00000002 00026832 00002385";

#[test]
fn metadata_has_codes_of_topics_and_codes_of_partitions() {
    let of = |code: i16| Rule::on(ApiKey::METADATA).topic("t").answer_with(ErrorCode(code));
    // Topic t has code 3 and no partitions.
    assert_answer(of(3), METADATA, &format!("{BROKERS} 00000001 0003 000174 00000000"));
    let second = "00000001 00000001 00000001 00000001 00000001 00000001";
    assert_answer(
        of(5).partition(0),
        METADATA,
        &format!(
            "{BROKERS} 00000001 0000 000174 00000002 -- topic t, code 0, two partitions
            0005 00000000 ffffffff 00000001 00000001 00000000 -- 0: code 5, no leader, replica 1, none in sync
            0000 {second} -- 1: as it was"
        ),
    );
    // Code 9 is one of partitions, and leaves them usable.
    let first = "00000000 00000001 00000001 00000001 00000001 00000001";
    assert_answer(of(9), METADATA, &format!("{BROKERS} 00000001 0000 000174 00000002 0009 {first} 0009 {second}"));
}
