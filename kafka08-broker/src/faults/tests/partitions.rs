//! Lies about which partitions an answer has, and about offsets.

use super::*;
use crate::faults::Lie;

#[track_caller]
fn assert_lie(lie: Lie, frame: &str, body: &str) {
    assert_answer(Rule::on_any().lie(lie), frame, body);
}

#[test]
fn an_answer_can_have_no_topics() {
    assert_answer(Rule::on_any().empty(), PRODUCE, "00000000");
    assert_answer(Rule::on_any().topic("t").empty(), FETCH, "00000000");
}

#[test]
fn a_partition_can_be_missing() {
    assert_answer(Rule::on_any().omit(), PRODUCE, "00000001 000174 00000000");
    assert_answer(Rule::on_any().omit(), OFFSET_COMMIT, "00000001 000174 00000000");
}

#[test]
fn a_partition_can_be_told_twice() {
    let body = "00000001 000174 00000002 -- topic t, two partitions
        00000000 0000 000000000000002a
        00000000 0000 000000000000002a";
    assert_answer(Rule::on_any().duplicate(), PRODUCE, body);
}

#[test]
fn a_partition_can_be_invented() {
    let body = "00000001 000174 00000002 -- topic t, two partitions
        00000000 0000 00000002 0000000000000014 0000000000000000
        000003e8 0000 00000002 0000000000000014 0000000000000000 -- partition 1000";
    assert_answer(Rule::on_any().add(), LIST_OFFSETS, body);
}

#[test]
fn a_topic_can_have_another_name() {
    // The name is t-other.
    assert_lie(Lie::TopicWrong, OFFSET_COMMIT, "00000001 0007742d6f74686572 00000001 00000000 0000");
}

#[test]
fn an_offset_can_be_missing_without_an_error() {
    assert_lie(Lie::OffsetMissing, PRODUCE, "00000001 000174 00000001 00000000 0000 ffffffffffffffff");
    assert_lie(Lie::OffsetMissing, LIST_OFFSETS, "00000001 000174 00000001 00000000 0000 00000001 ffffffffffffffff");
    assert_lie(Lie::OffsetMissing, OFFSET_FETCH, "00000001 000174 00000001 00000000 ffffffffffffffff 00016d 0000");
}

#[test]
fn an_offset_can_be_negative() {
    assert_lie(Lie::OffsetNegative, PRODUCE, "00000001 000174 00000001 00000000 0000 fffffffffffffffb");
    assert_lie(Lie::OffsetNegative, LIST_OFFSETS, "00000001 000174 00000001 00000000 0000 00000001 fffffffffffffffb");
    assert_lie(Lie::OffsetNegative, OFFSET_FETCH, "00000001 000174 00000001 00000000 fffffffffffffffb 00016d 0000");
}

#[test]
fn a_list_of_offsets_can_be_empty_without_an_error() {
    assert_lie(Lie::OffsetsEmpty, LIST_OFFSETS, "00000001 000174 00000001 00000000 0000 00000000");
}

#[test]
fn a_lie_that_does_not_concern_the_api_changes_nothing() {
    assert_lie(Lie::OffsetsEmpty, PRODUCE, "00000001 000174 00000001 00000000 0000 000000000000002a");
    assert_lie(Lie::WrongCrc, OFFSET_COMMIT, "00000001 000174 00000001 00000000 0000");
}
