use std::time::Duration;

use kafka08_proto::{
    Connection as _, Fate,
    connection::{Cancelled, CloseReason, Prepared, Progress},
    ids::{Acks, CorrelationId},
};

use crate::rig::{End, Rig, TIMEOUT, metadata, pair, produce, staged, take};

#[test]
fn a_request_of_which_nothing_was_taken_is_withdrawn() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::LEADER, 0));
    assert_eq!(pair.client.cancel(id), Cancelled::Withdrawn);
    assert_eq!((staged(&mut pair), pair.client.in_flight()), (0, 0));
    assert_eq!(pair.client.cancel(id), Cancelled::NotOutstanding);
    assert_eq!(pair.ends(), []);
    pair.works();
}

#[test]
fn a_request_that_is_partly_taken_is_written_to_its_end_and_its_answer_swallowed() {
    for taken in [1, 4, 20] {
        let mut pair = pair();
        let id = pair.sent(&produce(Acks::LEADER, 0));
        let next = pair.sent(&metadata());
        pair.to_server(taken);
        assert_eq!(pair.client.cancel(id), Cancelled::Abandoned);
        assert_eq!(pair.client.cancel(id), Cancelled::NotOutstanding);
        pair.answer_all();
        assert_eq!(pair.ends(), [End::Answered(next)]);
        assert_eq!(pair.client.stats().dropped_responses, 1);
    }
}

#[test]
fn a_forgotten_request_is_sent_and_its_answer_swallowed() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    pair.client.forget(id);
    let calls = pair.calls();
    assert_eq!(calls.len(), 1);
    pair.answer(calls[0].call);
    assert_eq!(pair.ends(), []);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn no_event_names_a_forgotten_request_even_if_it_had_ended() {
    let mut pair = pair();
    let written = pair.sent(&produce(Acks::NONE, 0));
    pair.to_server(usize::MAX);
    pair.client.forget(written);
    assert_eq!(pair.ends(), []);
    let late = pair.sent(&metadata());
    let next = pair.sent(&metadata());
    pair.advance(TIMEOUT);
    pair.client.forget(late);
    assert_eq!(pair.ends(), [End::TimedOut(next, Fate::NotApplied)]);
}

#[test]
fn forgetting_what_was_never_sent_does_nothing() {
    let mut pair = pair();
    pair.client.forget(CorrelationId(5));
    assert_eq!(pair.client.cancel(CorrelationId(5)), Cancelled::NotOutstanding);
    pair.works();
}

#[test]
fn a_forgotten_request_that_is_never_answered_ends_the_connection_in_the_end() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    pair.client.forget(id);
    pair.calls();
    pair.advance(TIMEOUT - Duration::from_millis(1));
    assert_eq!(pair.ends(), []);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.closed().reason, CloseReason::NoAnswer { id, progress: Progress::Unanswered });
}

#[test]
fn a_forgotten_request_that_was_never_written_goes_without_a_word() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    pair.client.forget(id);
    pair.advance(TIMEOUT);
    assert_eq!((pair.ends(), staged(&mut pair)), (vec![], 0));
    pair.works();
}

#[test]
fn taking_the_last_live_request_back_ends_a_connection_whose_first_has_timed_out() {
    let mut pair = pair();
    let hasty = Prepared::new(&metadata()).expect("it fits").with_timeout(Duration::from_secs(1));
    let late = pair.client.send(pair.now, &hasty).expect("there is room");
    let live = pair.sent(&metadata());
    pair.calls();
    pair.advance(Duration::from_secs(1));
    pair.ends();
    assert_eq!(pair.client.cancel(live), Cancelled::Abandoned);
    assert_eq!(pair.closed().reason, CloseReason::NoAnswer { id: late, progress: Progress::Unanswered });
}

#[test]
fn a_late_answer_that_is_here_saves_the_connection_when_the_last_live_request_is_taken_back() {
    let mut pair = pair();
    let hasty = Prepared::new(&metadata()).expect("it fits").with_timeout(Duration::from_secs(1));
    pair.client.send(pair.now, &hasty).expect("there is room");
    let live = pair.sent(&metadata());
    let calls = pair.calls();
    pair.advance(Duration::from_secs(1));
    pair.ends();
    pair.answer(calls[0].call);
    assert_eq!(pair.client.cancel(live), Cancelled::Abandoned);
    assert_eq!(pair.ends(), []);
    pair.answer(calls[1].call);
    assert_eq!(pair.ends(), []);
    pair.works();
}

#[test]
fn abandoning_ends_the_connection_and_says_that_nobody_moves_its_bytes() {
    let mut pair = pair();
    let written = pair.sent(&produce(Acks::LEADER, 0));
    pair.calls();
    let unsent = pair.sent(&produce(Acks::LEADER, 0));
    pair.client.abandon();
    let ends = pair.ends();
    let [first, second, End::Closed(closed)] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(*first, End::Lost(written, Fate::MaybeApplied));
    assert_eq!(*second, End::Lost(unsent, Fate::NotApplied));
    assert_eq!(closed.reason, CloseReason::Abandoned);
}

#[test]
fn what_was_staged_in_front_of_a_point_has_left_when_the_transport_took_it() {
    let mut pair = pair();
    assert!(pair.client.has_left(pair.client.staged_to()), "nothing is staged");
    pair.sent(&metadata());
    let point = pair.client.staged_to();
    pair.sent(&metadata());
    let whole = staged(&mut pair);
    take(&mut pair, whole / 2 - 1);
    assert!(!pair.client.has_left(point));
    take(&mut pair, 1);
    assert!(pair.client.has_left(point), "what is behind does not matter");
    assert!(!pair.client.has_left(pair.client.staged_to()));
}

#[test]
fn closing_fails_what_is_open_and_drops_what_is_staged() {
    let mut pair = pair();
    let written = pair.sent(&produce(Acks::LEADER, 0));
    let whole = staged(&mut pair);
    take(&mut pair, whole);
    let unsent = pair.sent(&produce(Acks::LEADER, 0));
    pair.client.close();
    pair.client.close();
    let ends = pair.ends();
    let Some((End::Closed(closed), before)) = ends.split_last() else { panic!("the end was expected: {ends:?}") };
    assert_eq!(closed.reason, CloseReason::Local);
    use kafka08_proto::Fate::{MaybeApplied, NotApplied};
    assert_eq!(before, [End::Lost(written, MaybeApplied), End::Lost(unsent, NotApplied)]);
    assert_eq!(staged(&mut pair), 0);
    pair.client.handle_bytes(pair.now, b"more");
    assert_eq!((pair.ends(), pair.client.stats().ignored_bytes), (vec![], 4));
}
