//! Streams that may keep bytes they have not reported as taken, as TLS layers do.

use bytes::Buf as _;
use kafka08_proto::{
    Connection as _, Disconnect, Fate,
    connection::{Cancelled, CloseReason, Prepared},
    ids::Acks,
};

use crate::rig::{End, Rig, TIMEOUT, fetch, metadata, pair, produce, staged, take};

/// Offers everything that is staged to a stream that takes nothing it would report.
fn offer_all(pair: &mut kafka08_proto::connection::Pair) {
    let (_, queue) = pair.client.buffers();
    let n = queue.remaining();
    queue.note_offered(n);
}

#[test]
fn a_request_that_was_offered_whole_and_times_out_may_have_been_applied() {
    let mut pair = pair();
    let produced = pair.sent(&produce(Acks::LEADER, 0));
    let asked = pair.sent(&metadata());
    offer_all(&mut pair);
    pair.advance(TIMEOUT);
    let ends = pair.ends();
    let [first, second, End::Closed(closed)] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(*first, End::TimedOut(produced, Fate::MaybeApplied));
    assert_eq!(*second, End::TimedOut(asked, Fate::NotApplied), "it changes nothing");
    assert_eq!(closed.reason, CloseReason::TornFrame(produced), "nothing may follow what the stream holds");
    assert_eq!(staged(&mut pair), 0);
}

#[test]
fn a_request_of_which_only_the_beginning_was_offered_was_not_applied() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::LEADER, 0));
    let (_, queue) = pair.client.buffers();
    let n = queue.remaining();
    queue.note_offered(n - 1);
    pair.advance(TIMEOUT);
    assert_eq!(pair.ends()[0], End::TimedOut(id, Fate::NotApplied));
}

#[test]
fn a_request_that_was_offered_is_not_withdrawn_but_swallowed() {
    let mut pair = pair();
    let given_up = pair.sent(&produce(Acks::LEADER, 0));
    offer_all(&mut pair);
    assert_eq!(pair.client.cancel(given_up), Cancelled::Abandoned);
    let next = pair.sent(&metadata());
    let calls = pair.calls();
    assert_eq!(calls.iter().map(|call| call.header.correlation_id).collect::<Vec<_>>(), [given_up, next]);
    pair.answer(calls[0].call);
    pair.answer(calls[1].call);
    assert_eq!(pair.ends(), [End::Answered(next)]);
}

#[test]
fn an_answer_may_come_before_the_stream_reports_that_the_request_has_left() {
    let mut pair = pair();
    let unanswered = pair.sent(&produce(Acks::NONE, 0));
    let first = pair.sent(&metadata());
    let second = pair.sent(&metadata());
    offer_all(&mut pair);
    // The stream hands all bytes on, and has reported none of them as taken yet.
    let (_, queue) = pair.client.buffers();
    let bytes = queue.chunk().to_vec();
    assert_eq!(bytes.len(), queue.remaining(), "small frames are one chunk");
    pair.server.handle_bytes(pair.now, &bytes);
    while let Some(kafka08_proto::ServerEvent::Request(request)) = pair.server_event() {
        if request.traits().reply == kafka08_proto::api::Reply::None {
            pair.server.finish(request.call);
        } else {
            pair.answer(request.call);
        }
        pair.to_client(usize::MAX);
    }
    let ends = pair.ends();
    assert_eq!(ends.len(), 3, "{ends:?}");
    assert!(ends.contains(&End::Answered(first)) && ends.contains(&End::Answered(second)), "{ends:?}");
    assert!(ends.contains(&End::Written(unanswered)), "{ends:?}");
    // What the stream reports later changes nothing.
    let (_, queue) = pair.client.buffers();
    queue.advance(queue.remaining());
    assert_eq!(pair.ends(), []);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn a_request_staged_behind_what_was_offered_is_still_withdrawn() {
    let mut pair = pair();
    let held = pair.sent(&metadata());
    offer_all(&mut pair);
    let behind = pair.sent(&produce(Acks::LEADER, 0));
    assert_eq!(pair.client.cancel(behind), Cancelled::Withdrawn);
    assert_eq!(pair.calls().len(), 1);
    assert_eq!(pair.client.in_flight(), 1);
    assert_eq!(pair.client.cancel(held), Cancelled::Abandoned);
}

#[test]
fn when_the_connection_ends_what_was_offered_whole_may_have_been_applied() {
    for (offered, expected) in [(true, Fate::MaybeApplied), (false, Fate::NotApplied)] {
        let mut pair = pair();
        let id = pair.sent(&produce(Acks::LEADER, 0));
        if offered {
            offer_all(&mut pair);
        }
        pair.client.handle_disconnect(Disconnect::Eof);
        assert_eq!(pair.ends()[0], End::Lost(id, expected));
    }
}

#[test]
fn when_writing_fails_what_was_offered_whole_may_have_been_applied() {
    let mut pair = pair();
    let torn = pair.sent(&produce(Acks::LEADER, 0));
    take(&mut pair, 5);
    offer_all(&mut pair);
    let unsent = pair.sent(&produce(Acks::LEADER, 0));
    pair.client.handle_write_failed(std::io::ErrorKind::BrokenPipe);
    assert_eq!(pair.ends()[..2], [End::Lost(torn, Fate::MaybeApplied), End::Lost(unsent, Fate::NotApplied)]);
}

#[test]
fn what_was_taken_back_leaves_no_trace_however_often_it_happens() {
    let mut pair = pair();
    // A torn frame in front, and one that stays between those that are taken back.
    pair.sent(&metadata());
    pair.to_server(3);
    let request = Prepared::new(&fetch(0)).expect("it fits");
    let mut kept = pair.client.send(pair.now, &request).expect("there is room");
    let counted = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            let next = pair.client.send(pair.now, &request).expect("there is room");
            assert_eq!(pair.client.cancel(kept), Cancelled::Withdrawn);
            kept = next;
        }
    });
    assert_eq!(pair.client.in_flight(), 2);
    assert!(counted.bytes_max < 64 << 10, "{counted:?}");
    assert_eq!(pair.calls().last().map(|call| call.header.correlation_id), Some(kept));
}

#[test]
fn an_answer_to_nothing_that_was_offered_ends_the_connection_and_moves_nothing_on() {
    let mut pair = pair();
    let silent = pair.sent(&produce(Acks::NONE, 0));
    pair.sent(&metadata());
    offer_all(&mut pair);
    pair.client.handle_bytes(pair.now, &[&[0, 0, 0, 8][..], &1_i32.to_be_bytes(), &[0; 4]].concat());
    let ends = pair.ends();
    assert_eq!(ends[0], End::Lost(silent, Fate::MaybeApplied), "whether it left is not known");
    let Some(End::Closed(closed)) = ends.last() else { panic!("{ends:?}") };
    assert!(matches!(closed.reason, CloseReason::Match(_)) && closed.unconfirmed.is_empty(), "{closed:?}");
}
