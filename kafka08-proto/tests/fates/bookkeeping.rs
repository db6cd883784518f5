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
    // The time in which nothing moved is long enough for memory to be given back.
    pair.advance(Duration::ZERO);
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
    let without_last = staged(&mut pair);
    let last = pair.sent(&metadata());
    let last_frame = staged(&mut pair) - without_last;
    for id in before.into_iter().chain(behind) {
        assert_eq!(pair.client.cancel(id), Cancelled::Withdrawn);
    }
    assert_eq!(pair.client.in_flight(), 2);
    // Two frames are left, and the first one of them has no answer.
    let all = staged(&mut pair);
    take(&mut pair, all - last_frame);
    assert!(!pair.client.wants_read(), "there is something to tell first");
    assert_eq!(pair.ends(), [End::Written(silent)]);
    assert!(pair.client.wants_read());
    take_all(&mut pair);
    assert_eq!(pair.ends(), []);
    assert_eq!((pair.client.in_flight(), pair.client.awaiting()), (1, 1));
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends()[0], End::TimedOut(last, Fate::NotApplied));
}

#[test]
fn bytes_that_come_after_the_end_are_counted_however_they_come() {
    let mut pair = pair();
    pair.client.close();
    pair.client.handle_bytes(pair.now, &[0; 7]);
    pair.client.buffers();
    pair.client.handle_read(pair.now, 5);
    pair.client.handle_read(pair.now, 3);
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

#[test]
fn an_event_can_be_taken_back_that_came_after_one_was_looked_for() {
    let mut pair = pair_with(config().with_max_in_flight(1000));
    let silent: Vec<_> = (0..4).map(|_| pair.sent(&produce(Acks::NONE, 0))).collect();
    let one = staged(&mut pair) / 4;
    take(&mut pair, 3 * one);
    pair.client.forget(CorrelationId(silent[3].0 + 1));
    assert!(pair.client_event().is_some());
    take(&mut pair, one);
    pair.client.forget(silent[3]);
    assert_eq!(pair.ends(), [End::Written(silent[1]), End::Written(silent[2])]);
}

#[test]
fn an_id_of_another_api_is_not_that_of_the_request_with_the_same_serial() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    let other = CorrelationId(id.0 ^ 1 << 27);
    assert_eq!(pair.client.cancel(other), Cancelled::NotOutstanding);
    pair.client.forget(other);
    pair.answer_all();
    assert_eq!(pair.ends(), [End::Answered(id)]);
}

#[test]
fn one_taken_back_behind_the_last_that_is_written_keeps_no_connection_alive() {
    let mut pair = pair();
    let written = pair.sent(&metadata());
    take_all(&mut pair);
    let unsent = pair.sent(&metadata());
    assert_eq!(pair.client.cancel(unsent), Cancelled::Withdrawn);
    pair.advance(TIMEOUT);
    let ends = pair.ends();
    assert_eq!(ends[0], End::TimedOut(written, Fate::NotApplied));
    assert!(matches!(ends[1], End::Closed(_)) && ends.len() == 2, "{ends:?}");
}

#[test]
fn what_was_taken_back_takes_no_memory_however_many_wait_in_front_of_it() {
    let mut pair = pair_with(config().with_max_in_flight(1000));
    for _ in 0..100 {
        pair.sent(&metadata());
    }
    // The last one always stays, so that each of the others lies between two that are there.
    let mut last = pair.sent(&metadata());
    let counted = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            let before = std::mem::replace(&mut last, pair.sent(&metadata()));
            assert_eq!(pair.client.cancel(before), Cancelled::Withdrawn);
        }
    });
    assert_eq!(pair.client.in_flight(), 101);
    assert!(counted.bytes_max < 64 << 10, "{counted:?}");
}
