use std::time::Duration;

use bytes::Bytes;
use kafka08_proto::{
    Connection as _, Fate,
    adapter::CallError,
    api::{Body, Encode, MetadataResponse, Request},
    connection::{CloseReason, Prepared, Progress, SendError},
    ids::{Acks, Api, ApiKey},
    wire::{DecodeError, EncodeError, Encoder},
};

use crate::rig::{End, Rig, TIMEOUT, config, fetch, metadata, pair, pair_with, produce, staged, take};

const SECOND: Duration = Duration::from_secs(1);

/// A request that lets the broker take longer than any clock can tell.
struct Patient;

impl Encode for Patient {
    fn encode(&self, _: &mut Encoder) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl Body for Patient {
    const NAME: &'static str = "patient request";

    fn read(_: &Bytes) -> Result<(Self, usize), DecodeError> {
        Ok((Self, 0))
    }
}

impl Request for Patient {
    type Response = MetadataResponse;
    const API: Api = Api::v0(ApiKey::METADATA);

    fn server_wait(&self) -> Duration {
        Duration::MAX
    }
}

#[test]
fn a_request_of_which_nothing_was_taken_is_withdrawn_and_the_connection_lives() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::LEADER, 0));
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends(), [End::TimedOut(id, Fate::NotApplied)]);
    assert_eq!(staged(&mut pair), 0, "the broker never sees it");
    pair.works();
}

#[test]
fn a_request_behind_one_that_is_withdrawn_leaves_whole() {
    let mut pair = pair();
    let hasty = Prepared::new(&produce(Acks::LEADER, 0)).expect("it fits").with_timeout(SECOND);
    let first = pair.client.send(pair.now, &hasty).expect("there is room");
    let second = pair.sent(&metadata());
    pair.advance(SECOND);
    assert_eq!(pair.ends(), [End::TimedOut(first, Fate::NotApplied)]);
    let calls = pair.calls();
    assert_eq!(calls.iter().map(|call| call.header.correlation_id).collect::<Vec<_>>(), [second]);
}

#[test]
fn a_request_that_is_half_taken_ends_the_connection_because_nothing_may_follow_it() {
    let mut pair = pair();
    let written = pair.sent(&produce(Acks::LEADER, 0));
    let asked = pair.sent(&fetch(0));
    let whole = staged(&mut pair);
    take(&mut pair, whole);
    let hasty = Prepared::new(&produce(Acks::LEADER, 0)).expect("it fits").with_timeout(SECOND);
    let torn = pair.client.send(pair.now, &hasty).expect("there is room");
    let behind = pair.sent(&produce(Acks::LEADER, 0));
    take(&mut pair, 5);
    pair.advance(SECOND);
    let ends = pair.ends();
    let Some((End::Closed(closed), before)) = ends.split_last() else { panic!("the end was expected: {ends:?}") };
    assert_eq!(closed.reason, CloseReason::TornFrame(torn));
    // A broker acts on whole frames only.
    let expected = [
        End::TimedOut(torn, Fate::NotApplied),
        End::Lost(written, Fate::MaybeApplied),
        End::Lost(asked, Fate::NotApplied),
        End::Lost(behind, Fate::NotApplied),
    ];
    assert_eq!(before, expected);
    assert!(!pair.client.wants_write() && pair.client.is_over());
}

#[test]
fn a_late_answer_is_swallowed_and_the_connection_is_sound_again() {
    for (request_changes_state, fate) in [(true, Fate::MaybeApplied), (false, Fate::NotApplied)] {
        let mut pair = pair();
        let hasty =
            if request_changes_state { Prepared::new(&produce(Acks::LEADER, 0)) } else { Prepared::new(&fetch(0)) };
        let late = pair.client.send(pair.now, &hasty.expect("it fits").with_timeout(SECOND)).expect("there is room");
        let patient = pair.sent(&metadata());
        let calls = pair.calls();
        pair.advance(SECOND);
        assert_eq!(pair.ends(), [End::TimedOut(late, fate)]);
        assert!(!pair.client.can_send(), "nothing behind it can be answered for now");
        assert_eq!(pair.client.send(pair.now, &Prepared::new(&metadata()).expect("it fits")), Err(SendError::Busy));
        pair.answer(calls[0].call);
        assert_eq!(pair.ends(), []);
        assert!(pair.client.can_send());
        pair.answer(calls[1].call);
        assert_eq!(pair.ends(), [End::Answered(patient)]);
        assert_eq!(pair.client.stats().dropped_responses, 1);
        pair.works();
    }
}

#[test]
fn without_an_answer_the_connection_ends_when_no_live_request_is_left() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::LEADER, 0));
    pair.calls();
    pair.advance(TIMEOUT);
    let ends = pair.ends();
    let Some((End::Closed(closed), before)) = ends.split_last() else { panic!("the end was expected: {ends:?}") };
    assert_eq!(closed.reason, CloseReason::NoAnswer { id, progress: Progress::Unanswered });
    assert_eq!(before, [End::TimedOut(id, Fate::MaybeApplied)]);
}

#[test]
fn those_behind_a_request_that_timed_out_keep_their_own_deadlines() {
    let mut pair = pair();
    let hasty = Prepared::new(&fetch(0)).expect("it fits");
    let ids: Vec<_> = [1, 2, 3]
        .map(|seconds| {
            pair.client.send(pair.now, &hasty.clone().with_timeout(SECOND * seconds)).expect("there is room")
        })
        .into();
    pair.calls();
    for id in &ids[..2] {
        pair.advance(SECOND);
        assert_eq!(pair.ends(), [End::TimedOut(*id, Fate::NotApplied)]);
    }
    pair.advance(SECOND);
    let ends = pair.ends();
    assert!(matches!(ends[..], [End::TimedOut(id, _), End::Closed(_)] if id == ids[2]), "{ends:?}");
}

#[test]
fn what_the_broker_may_rightly_wait_is_added_for_a_request_and_all_in_front_of_it() {
    let mut pair = pair();
    let deadlines = [
        (pair.sent(&metadata()), 10),
        (pair.sent(&fetch(2000)), 10 + 2),
        (pair.sent(&produce(Acks::LEADER, 60_000)), 10 + 2),
        (pair.sent(&produce(Acks::ALL, 3000)), 10 + 2 + 3),
        (pair.sent(&metadata()), 10 + 2 + 3),
    ];
    // Nothing is written, so that each is withdrawn at its own time and none ends the connection.
    let mut passed = 0;
    for (id, seconds) in deadlines {
        if seconds > passed {
            pair.advance(SECOND * (seconds - passed) - Duration::from_millis(1));
            assert_eq!(pair.ends(), []);
            pair.advance(Duration::from_millis(1));
            passed = seconds;
            let ids: Vec<_> = deadlines.iter().filter(|(_, at)| *at == seconds).map(|(id, _)| *id).collect();
            let ends = pair.ends();
            assert_eq!(ends, ids.iter().map(|id| End::TimedOut(*id, Fate::NotApplied)).collect::<Vec<_>>());
            assert!(ids.contains(&id));
        }
    }
    // What was withdrawn no longer counts.
    let last = pair.sent(&metadata());
    pair.advance(TIMEOUT - Duration::from_millis(1));
    assert_eq!(pair.ends(), []);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.ends(), [End::TimedOut(last, Fate::NotApplied)]);
}

#[test]
fn what_has_been_answered_no_longer_counts() {
    let mut pair = pair();
    pair.sent(&fetch(60_000));
    let calls = pair.calls();
    pair.answer(calls[0].call);
    pair.ends();
    let id = pair.sent(&metadata());
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends(), [End::TimedOut(id, Fate::NotApplied)]);
}

#[test]
fn a_wait_beyond_what_the_wire_can_ask_for_is_cut_to_that() {
    let mut pair = pair();
    let longest = Duration::from_millis(i32::MAX as u64);
    let id = pair.sent(&Patient);
    pair.advance(longest + TIMEOUT - Duration::from_millis(1));
    assert_eq!(pair.ends(), []);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.ends(), [End::TimedOut(id, Fate::NotApplied)]);
}

#[test]
fn what_has_expired_before_it_could_be_sent_is_refused() {
    let mut pair = pair();
    let request = Prepared::new(&metadata()).expect("it fits").called_at(pair.now);
    pair.advance(TIMEOUT);
    assert_eq!(pair.client.send(pair.now, &request), Err(SendError::TimedOut { after: TIMEOUT }));
    assert_eq!(staged(&mut pair), 0);
}

#[test]
fn a_timeout_says_how_much_of_the_answer_had_come_and_to_raise_it() {
    let mut pair = pair();
    pair.sent(&fetch(0));
    let calls = pair.calls();
    pair.server.respond_raw(calls[0].call, Bytes::from(vec![0; 200_000])).expect("the call is open");
    pair.to_client(50_008);
    pair.advance(TIMEOUT);
    let event = pair.client_event().expect("the request has timed out");
    let error = CallError::from_event(event, None, None).expect("it has failed").to_string();
    assert!(error.contains("after 10s; 50004 of 200004 bytes of its answer had come: raise the timeout"), "{error}");
    let closed = pair.closed().to_string();
    assert!(closed.contains("50004 of 200004 bytes of its answer had come"), "{closed}");
}
#[test]
fn a_deadline_runs_from_the_callers_call() {
    let mut pair = pair();
    let called = pair.now;
    pair.advance(SECOND * 4);
    let request = Prepared::new(&metadata()).expect("it fits");
    pair.client.send(called, &request).expect("there is room");
    assert_eq!(pair.client.poll_timeout(), Some(called + TIMEOUT));
}

#[test]
fn nothing_expires_while_an_answer_waits_to_be_taken() {
    let mut pair = pair();
    let first = pair.sent(&metadata());
    let second = pair.sent(&metadata());
    let calls = pair.calls();
    pair.answer(calls[0].call);
    assert!(!pair.client.wants_read());
    assert_eq!(pair.client.poll_timeout(), None);
    pair.now += TIMEOUT * 2;
    pair.client.handle_timeout(pair.now);
    pair.answer(calls[1].call);
    assert_eq!(pair.ends(), [End::Answered(first), End::Answered(second)]);
}

#[test]
fn a_clock_that_goes_back_or_an_endless_timeout_harm_nothing() {
    let mut pair = pair_with(config().with_request_timeout(Duration::MAX));
    let id = pair.sent(&metadata());
    assert_eq!(pair.client.poll_timeout(), None);
    pair.client.handle_timeout(pair.now - SECOND);
    pair.client.handle_timeout(pair.now + SECOND * 1_000_000_000);
    pair.answer_all();
    assert_eq!(pair.ends(), [End::Answered(id)]);
}

#[test]
fn after_a_timeout_was_handled_no_deadline_is_left_that_has_passed() {
    let mut pair = pair();
    for _ in 0..5 {
        pair.sent(&fetch(100));
    }
    while let Some(deadline) = pair.client.poll_timeout() {
        pair.client.handle_timeout(deadline);
        assert!(pair.client.poll_timeout().is_none_or(|next| next > deadline));
    }
}
