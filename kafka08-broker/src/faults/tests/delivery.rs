//! The steps in which an answer is written.

use std::time::Duration;

use kafka08_proto::ids::ApiKey;

use super::*;
use crate::faults::{Lie, Step, deliver, deliver_nothing, deliver_skipped};

/// Length 29, correlation id 1, one topic "t", one partition 0, code 0, offset 42.
const ANSWER: &str = "0000001d 00000001 00000001 000174 00000001 00000000 0000 000000000000002a";
const MS: Duration = Duration::from_millis(1);

fn produce() -> Rule {
    Rule::on(ApiKey::PRODUCE)
}

#[track_caller]
fn assert_steps(rule: Rule, steps: &[Step]) {
    assert_eq!(deliver(&plan(rule, PRODUCE), id(1), hex(ANSWER)), steps);
}

fn write(text: &str) -> Step {
    Step::Write(hex(text))
}

#[test]
fn without_an_effect_the_frame_is_written_as_it_is() {
    assert_steps(produce(), &[write(ANSWER)]);
    assert_steps(Rule::on(ApiKey::FETCH).close_after(), &[write(ANSWER)]);
}

#[test]
fn a_delayed_answer_is_written_after_a_wait() {
    assert_steps(produce().delay(MS).delay(2 * MS), &[Step::Wait(3 * MS), write(ANSWER)]);
}

#[test]
fn a_request_that_is_not_acted_on_ends_as_the_rule_says() {
    for (rule, step) in [
        (produce().close_before(), Step::Close),
        (produce().reset_before(), Step::Reset),
        (produce().ignore(), Step::Hang),
    ] {
        let plan = plan(rule.delay(MS), PRODUCE);
        assert!(!plan.acts());
        assert_eq!(deliver_skipped(&plan), [Step::Wait(MS), step]);
    }
}

#[test]
fn a_request_that_was_acted_on_can_end_without_an_answer() {
    for (rule, step) in [
        (produce().close_after(), Step::Close),
        (produce().reset_after(), Step::Reset),
        (produce().never_answer(), Step::Hang),
    ] {
        assert!(plan(rule.clone(), PRODUCE).acts());
        assert_steps(rule, &[step]);
    }
}

#[test]
fn a_cut_answer_ends_after_so_many_bytes() {
    assert_steps(produce().cut(3), &[write("00 00 00"), Step::Close]);
    assert_steps(produce().cut_and_reset(5), &[write("0000001d 00"), Step::Reset]);
    assert_steps(produce().cut_and_hang(8), &[write("0000001d 00000001"), Step::Hang]);
    assert_steps(produce().cut(1000), &[write(ANSWER), Step::Close]);
}

#[test]
fn a_trickling_answer_waits_between_two_pieces() {
    let steps = [
        write("0000001d 00000001 00000001 000174 00"), // 16 bytes
        Step::Wait(MS),
        write("000001 00000000 0000 00000000000000"),
        Step::Wait(MS),
        write("2a"),
    ];
    assert_steps(produce().trickle(16, MS), &steps);
}

#[test]
fn a_trickle_of_no_bytes_is_one_of_single_bytes_and_has_a_bounded_number_of_pieces() {
    let plan = plan(produce().trickle(0, MS), PRODUCE);
    let steps = deliver(&plan, id(1), Bytes::from(vec![0; 20_000]));
    assert_eq!(steps.len(), 2 * 10_000 - 1);
    assert_eq!(steps.last(), Some(&Step::Write(Bytes::from(vec![0; 10_001]))));
}

#[test]
fn bytes_of_the_frame_can_be_changed() {
    let corrupt = "0000001d 00000001 ff000001 000174 00000001 00000000 0000 000000000000002a";
    assert_steps(produce().corrupt(8, 0xff), &[write(corrupt)]);
    assert_steps(produce().corrupt(33, 0xff), &[write(ANSWER)]);
}

#[test]
fn an_answer_out_of_order_is_held_for_the_next() {
    let rule = produce().out_of_order();
    assert!(plan(rule.clone(), PRODUCE).holds_back());
    assert_steps(rule, &[Step::HoldForNext(hex(ANSWER))]);
    // The connection would end before the next answer.
    let rule = produce().out_of_order().cut(1);
    assert!(!plan(rule.clone(), PRODUCE).holds_back());
    assert_steps(rule, &[write("00"), Step::Close]);
}

#[test]
fn an_answer_can_be_written_twice() {
    assert_steps(produce().twice(), &[write(&format!("{ANSWER} {ANSWER}"))]);
}

#[test]
fn the_correlation_id_can_be_wrong() {
    let with_id = |id: &str| [write(&format!("0000001d {id} {}", &ANSWER[18..]))];
    assert_steps(produce().wrong_id(-2), &with_id("fffffffe"));
    assert_steps(produce().shift_id(4), &with_id("00000005"));
    assert_steps(produce().lie(Lie::IdNeverIssued), &with_id("80000001"));
    assert_steps(produce().lie(Lie::IdNext), &with_id("00000002"));
    assert_steps(produce().lie(Lie::IdZero), &with_id("00000000"));
}

#[test]
fn other_bytes_can_be_written_instead_of_the_answer() {
    assert_steps(produce().answer_raw(&b"220 smtp\r\n"[..]), &[write("32323020736d74700d0a")]);
    // The effects after it change these bytes.
    assert_steps(produce().answer_raw(&b"abc"[..]).twice().corrupt(0, 1).cut(4), &[write("60626360"), Step::Close]);
}

#[test]
fn reading_can_stop_while_answers_go_on() {
    assert_steps(produce().stop_reading(), &[Step::StopReading, write(ANSWER)]);
}

#[test]
fn a_request_without_an_answer_has_only_the_steps_that_need_none() {
    let steps = |rule| deliver_nothing(&plan(rule, PRODUCE_ACKS_0), id(1));
    assert_eq!(steps(produce()), []);
    assert_eq!(steps(produce().twice().wrong_id(9).cut(5)), [Step::Close]);
    assert_eq!(steps(produce().out_of_order()), []);
    assert_eq!(steps(produce().never_answer()), [Step::Hang]);
    assert_eq!(steps(produce().answer_raw(&b"x"[..])), [write("78")]);
}

#[test]
fn a_produce_with_acks_0_can_be_answered() {
    let answer = "0000001d 00000001 -- length, correlation id
        00000001 000174 -- one topic: t
        00000001 00000000 0000 0000000000000000 -- one partition: 0, code 0, offset 0";
    assert_eq!(deliver_nothing(&plan(produce().answer_acks_0(), PRODUCE_ACKS_0), id(1)), [write(answer)]);
    // A produce that has an answer gets no second one.
    assert_steps(produce().answer_acks_0(), &[write(ANSWER)]);
}

#[test]
fn a_failed_produce_with_acks_0_can_leave_the_connection_open() {
    assert!(plan(produce().keep_open_on_acks_0(), PRODUCE_ACKS_0).keeps_open());
    assert!(!plan(produce(), PRODUCE_ACKS_0).keeps_open());
}
