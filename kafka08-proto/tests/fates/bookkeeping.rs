//! What a connection keeps count of: who still waits, for how long, and what was taken back.

use std::time::Duration;

use kafka08_proto::{
    Connection as _, Fate,
    connection::{Cancelled, Disconnect, Pair, Prepared},
    ids::{Acks, CorrelationId},
};

use crate::rig::{End, Rig, TIMEOUT, config, fetch, metadata, pair, pair_with, produce, staged, take};

const SECOND: Duration = Duration::from_secs(1);

fn sent_with(pair: &mut Pair, timeout: Duration) -> CorrelationId {
    let prepared = Prepared::new(&metadata()).expect("it fits the wire").with_timeout(timeout);
    pair.client.send(pair.now, &prepared).expect("there is room")
}

fn take_all(pair: &mut Pair) {
    let all = staged(pair);
    take(pair, all);
}

#[test]
fn a_connection_wants_to_write_for_as_long_as_something_is_staged() {
    let mut pair = pair();
    assert!(!pair.client.wants_write());
    pair.sent(&metadata());
    assert!(pair.client.wants_write());
    let all = staged(&mut pair);
    take(&mut pair, all - 1);
    assert!(pair.client.wants_write());
    take(&mut pair, 1);
    assert!(!pair.client.wants_write());
}

#[test]
fn a_deadline_stays_however_many_requests_behind_it_end_before() {
    // In the order of sending, and out of it: the shorter timeout comes second.
    for timeouts in [[SECOND, 2 * SECOND], [2 * SECOND, SECOND]] {
        let mut pair = pair_with(config().with_max_in_flight(1000));
        let start = pair.now;
        let ids = timeouts.map(|timeout| sent_with(&mut pair, timeout));
        for _ in 0..300 {
            let id = pair.sent(&produce(Acks::NONE, 0));
            take_all(&mut pair);
            assert_eq!(pair.ends(), [End::Written(id)]);
        }
        assert_eq!(pair.client.poll_timeout(), Some(start + SECOND), "{timeouts:?}");
        pair.advance(SECOND);
        let hasty = ids[usize::from(timeouts[0] > SECOND)];
        assert_eq!(pair.ends(), [End::TimedOut(hasty, Fate::NotApplied)]);
        assert_eq!(pair.client.poll_timeout(), Some(start + 2 * SECOND), "{timeouts:?}");
    }
}

#[test]
fn a_request_that_was_taken_back_has_no_deadline() {
    let mut pair = pair();
    let start = pair.now;
    pair.sent(&metadata());
    let hasty = sent_with(&mut pair, SECOND);
    pair.sent(&metadata());
    assert_eq!(pair.client.poll_timeout(), Some(start + SECOND));
    assert_eq!(pair.client.cancel(hasty), Cancelled::Withdrawn);
    assert_eq!(pair.client.cancel(hasty), Cancelled::NotOutstanding);
    assert_eq!(pair.client.poll_timeout(), Some(start + TIMEOUT));
    pair.advance(SECOND);
    assert_eq!(pair.ends(), []);
    assert_eq!(pair.client.in_flight(), 2);
}

#[test]
fn what_was_taken_back_is_not_in_flight_before_and_after_the_others_leave() {
    let mut pair = pair();
    let ids = [0; 3].map(|_| pair.sent(&metadata()));
    assert_eq!(pair.client.cancel(ids[1]), Cancelled::Withdrawn);
    assert_eq!((pair.client.in_flight(), pair.client.awaiting()), (2, 0));
    let calls = pair.calls();
    assert_eq!(pair.ends(), []);
    assert_eq!((pair.client.in_flight(), pair.client.awaiting()), (2, 2));
    calls.into_iter().for_each(|call| pair.answer(call.call));
    assert_eq!(pair.ends(), [End::Answered(ids[0]), End::Answered(ids[2])]);
    assert_eq!(pair.client.in_flight(), 0);
    pair.works();
}

#[test]
fn what_was_taken_back_or_has_failed_gives_the_others_no_more_time() {
    let mut pair = pair();
    pair.sent(&metadata());
    let long = pair.sent(&fetch(60_000));
    assert_eq!(pair.client.cancel(long), Cancelled::Withdrawn);
    pair.sent(&metadata());
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends().len(), 2, "both have timed out");
    // One that timed out before it was written.
    let hasty = Prepared::new(&fetch(60_000)).expect("it fits the wire").with_timeout(SECOND);
    pair.client.send(pair.now, &hasty).expect("there is room");
    pair.advance(61 * SECOND);
    assert_eq!(pair.ends().len(), 1);
    pair.sent(&metadata());
    assert_eq!(pair.client.poll_timeout(), Some(pair.now + TIMEOUT));
}

#[test]
fn one_without_an_answer_does_not_keep_a_connection_whose_first_has_timed_out() {
    let mut pair = pair();
    let first = pair.sent(&metadata());
    pair.sent(&produce(Acks::NONE, 0));
    take_all(&mut pair);
    pair.ends();
    pair.advance(TIMEOUT);
    let ends = pair.ends();
    assert_eq!(ends[0], End::TimedOut(first, Fate::NotApplied));
    assert!(matches!(ends[1], End::Closed(_)) && ends.len() == 2, "{ends:?}");
}

#[test]
fn after_a_failed_write_the_connection_ends_when_the_last_that_was_written_times_out() {
    let mut pair = pair();
    let written = pair.sent(&metadata());
    take_all(&mut pair);
    let unsent = [0; 2].map(|_| pair.sent(&metadata()));
    pair.client.handle_write_failed(std::io::ErrorKind::BrokenPipe);
    assert_eq!(pair.ends(), unsent.map(|id| End::Lost(id, Fate::NotApplied)));
    assert_eq!(pair.client.in_flight(), 1);
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends()[0], End::TimedOut(written, Fate::NotApplied));
    assert!(pair.client.is_over());
}

#[test]
fn one_without_an_answer_is_told_as_written_although_many_around_it_were_taken_back() {
    let mut pair = pair_with(config().with_max_in_flight(1000));
    let before: Vec<_> = (0..40).map(|_| pair.sent(&metadata())).collect();
    let silent = pair.sent(&produce(Acks::NONE, 0));
    let behind: Vec<_> = (0..40).map(|_| pair.sent(&metadata())).collect();
    let last = pair.sent(&metadata());
    for id in before.into_iter().chain(behind) {
        assert_eq!(pair.client.cancel(id), Cancelled::Withdrawn);
    }
    assert_eq!(pair.client.in_flight(), 2);
    take_all(&mut pair);
    assert!(!pair.client.wants_read(), "there is something to tell first");
    assert_eq!(pair.ends(), [End::Written(silent)]);
    assert!(pair.client.wants_read());
    assert_eq!((pair.client.in_flight(), pair.client.awaiting()), (1, 1));
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends()[0], End::TimedOut(last, Fate::NotApplied));
}

#[test]
fn bytes_that_come_after_the_end_are_counted_however_they_come() {
    let mut pair = pair();
    pair.client.close();
    pair.client.receive(&[0; 7]);
    pair.client.buffers();
    pair.client.received(5);
    pair.client.received(3);
    assert_eq!(pair.client.stats().ignored_bytes, 15);
}

#[test]
fn an_event_can_be_taken_back_that_came_after_others_were() {
    let mut pair = pair_with(config().with_max_in_flight(1000));
    let silent: Vec<_> = (0..4).map(|_| pair.sent(&produce(Acks::NONE, 0))).collect();
    let one = staged(&mut pair) / 4;
    // Two events come, one is taken, the other one is forgotten, and two more come.
    take(&mut pair, 2 * one);
    pair.client.forget(CorrelationId(silent[3].0 + 1));
    let first = pair.client_event();
    assert!(first.is_some());
    pair.client.forget(silent[1]);
    take(&mut pair, 2 * one);
    pair.client.forget(silent[3]);
    assert_eq!(pair.ends(), [End::Written(silent[2])]);
    pair.client.handle_disconnect(Disconnect::Eof);
    pair.closed();
}
