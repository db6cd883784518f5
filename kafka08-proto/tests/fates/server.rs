use std::time::Duration;

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientEvent, Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
    api::{AnyResponse, MetadataResponse},
    connection::{Heard, Pair, RespondError, ServerCloseReason},
    frame::FrameError,
    ids::{Acks, ConnectionId},
};

use crate::rig::{End, Rig, config, metadata, origin, pair, produce, staged};

fn answer() -> Bytes {
    Bytes::from_static(&[0; 8])
}

#[test]
fn answers_leave_in_request_order_whatever_order_they_were_given_in() {
    let mut pair = pair();
    let ids = [0; 4].map(|_| pair.sent(&metadata()));
    let calls = pair.calls();
    for index in [2, 0, 3, 1] {
        pair.server.respond_raw(calls[index].call, answer()).expect("the call is open");
    }
    pair.to_client(usize::MAX);
    assert_eq!(pair.ends(), ids.map(End::Answered));
}

#[test]
fn a_server_reads_no_further_request_while_it_owes_an_answer() {
    let mut pair = Pair::new(origin(), config(), ServerConfig::default());
    pair.sent(&metadata());
    pair.sent(&metadata());
    pair.to_server(usize::MAX);
    let Some(ServerEvent::Request(first)) = pair.server_event() else { panic!("a request is due") };
    assert!(pair.server_event().is_none() && !pair.server.wants_read());
    pair.server.respond_raw(first.call, answer()).expect("the call is open");
    assert!(pair.server_event().is_none() && !pair.server.wants_read(), "the answer is not written");
    pair.to_client(usize::MAX);
    let Some(ServerEvent::Request(second)) = pair.server_event() else { panic!("the next is due") };
    pair.server.finish(second.call);
    assert!(pair.server.wants_read());
}

#[test]
fn a_call_is_ended_once() {
    let mut pair = pair();
    pair.sent(&metadata());
    pair.sent(&produce(Acks::NONE, 0));
    let calls = pair.calls();
    pair.server.finish(calls[1].call);
    pair.server.finish(calls[1].call);
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    for call in calls {
        assert_eq!(pair.server.respond_raw(call.call, answer()), Err(RespondError::NotOpen));
    }
    assert_eq!(pair.server.responses(), 1);
}

#[test]
fn raw_bytes_leave_as_they_are_in_the_place_of_the_first_open_call() {
    let mut pair = pair();
    let (first, second) = (pair.sent(&metadata()), pair.sent(&metadata()));
    let calls = pair.calls();
    assert_eq!(pair.server.write_raw(calls[1].call, &[1]), Err(RespondError::NotFirst));
    // Size 4, and the first correlation id: a frame with an empty body, in two pieces.
    pair.server.write_raw(calls[0].call, &[0, 0, 0, 4]).expect("it is the first");
    pair.server.write_raw(calls[0].call, &first.0.to_be_bytes()).expect("it is still open");
    pair.server.finish(calls[0].call);
    assert_eq!(pair.server.write_raw(calls[0].call, &[1]), Err(RespondError::NotOpen));
    pair.server.respond_raw(calls[1].call, answer()).expect("the call is open");
    pair.to_client(usize::MAX);
    assert!(matches!(pair.ends()[..], [End::Answered(a), End::Answered(b)] if (a, b) == (first, second)));
    assert_eq!(pair.server.responses(), 1, "raw bytes are not counted as a response");
}

#[test]
fn when_a_server_closes_answers_already_given_still_leave() {
    let mut pair = pair();
    let first = pair.sent(&metadata());
    let second = pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    pair.server.close();
    assert!(matches!(pair.server_event(), Some(ServerEvent::Closed(ServerCloseReason::Local))));
    assert!(!pair.server.is_over() && pair.server.wants_write());
    assert_eq!(pair.server.respond_raw(calls[1].call, answer()), Err(RespondError::NotOpen));
    pair.to_client(usize::MAX);
    assert!(pair.server.is_over());
    pair.client.handle_disconnect(Disconnect::Eof);
    assert!(
        matches!(pair.ends()[..], [End::Answered(a), End::Lost(b, _), End::Closed(_)] if (a, b) == (first, second))
    );
}

#[test]
fn a_client_that_has_closed_its_sending_side_still_gets_its_answers() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.handle_disconnect(Disconnect::Eof);
    assert!(pair.server_event().is_none(), "an answer is owed");
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    pair.to_client(usize::MAX);
    assert_eq!(pair.ends(), [End::Answered(id)]);
    assert!(matches!(pair.server_event(), Some(ServerEvent::Closed(_))));
    assert!(pair.server.is_over());
}

#[test]
fn a_client_that_is_reset_gets_nothing_more() {
    let mut pair = pair();
    pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    pair.server.handle_disconnect(Disconnect::Error(std::io::ErrorKind::ConnectionReset));
    assert!(matches!(pair.server_event(), Some(ServerEvent::Closed(_))));
    assert!(pair.server.is_over() && !pair.server.wants_write());
}

#[test]
fn a_server_whose_write_failed_gives_up_its_answers_and_reads_no_more() {
    let mut pair = pair();
    pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    pair.server.handle_write_failed(std::io::ErrorKind::BrokenPipe);
    assert!(!pair.server.wants_read() && !pair.server.wants_write());
    let Some(ServerEvent::Closed(ServerCloseReason::Disconnected { how, .. })) = pair.server_event() else {
        panic!("the end was expected")
    };
    assert_eq!(how, Disconnect::Error(std::io::ErrorKind::BrokenPipe));
    assert!(pair.server.is_over());
}

#[test]
fn an_answer_given_after_a_reset_is_dropped() {
    let mut pair = pair();
    pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.handle_disconnect(Disconnect::Error(std::io::ErrorKind::ConnectionReset));
    pair.server.respond_raw(calls[0].call, answer()).expect("the call is open");
    assert!(matches!(pair.server_event(), Some(ServerEvent::Closed(_))));
    assert!(pair.server.is_over() && !pair.server.wants_write());
}

#[test]
fn an_answer_that_the_transport_took_leaves_room_for_the_next_request_at_once() {
    let mut pair = Pair::new(origin(), config(), ServerConfig::default().with_max_open_calls(1));
    pair.sent(&metadata());
    let calls = pair.calls();
    pair.server.respond(calls[0].call, &AnyResponse::Metadata(MetadataResponse::default())).expect("the call is open");
    assert!(!pair.server.wants_read());
    let (_, queue) = pair.server.buffers();
    // Length, correlation id, no brokers, no topics.
    assert_eq!(queue.remaining(), 4 + 4 + 4 + 4);
    queue.advance(queue.remaining());
    assert!(pair.server.wants_read(), "before it is asked for events");
}

#[test]
fn a_server_that_has_ended_reads_nothing_before_and_after_it_tells_so() {
    let mut closed = pair().server;
    closed.close();
    assert!(!closed.wants_read() && closed.poll_timeout().is_none());
    assert!(matches!(closed.poll_event(), Some(ServerEvent::Closed(ServerCloseReason::Local))));
    assert!(!closed.wants_read() && closed.poll_timeout().is_none());
    // Closing it again changes nothing.
    closed.close();
    assert!(closed.poll_event().is_none() && closed.is_over());

    let mut left = pair().server;
    left.handle_disconnect(Disconnect::Eof);
    assert!(!left.wants_read());
}

#[test]
fn responses_are_counted_as_they_are_staged() {
    let mut pair = pair();
    pair.sent(&metadata());
    pair.sent(&metadata());
    let calls = pair.calls();
    assert_eq!(pair.server.responses(), 0);
    for call in &calls {
        pair.server.respond(call.call, &MetadataResponse::default()).expect("the call is open");
    }
    assert_eq!(pair.server.responses(), 2);
}

/// How a server's connection ends that receives these bytes.
fn end_of(bytes: &[u8], max_frame: usize) -> ServerCloseReason {
    let mut server = ServerConnection::new(ServerConfig::default().with_max_frame(max_frame), ConnectionId(0));
    server.handle_bytes(origin(), bytes);
    match server.poll_event() {
        Some(ServerEvent::Closed(reason)) => reason,
        other => panic!("the end was expected: {other:?}"),
    }
}

#[test]
fn a_frame_or_a_header_that_cannot_be_ends_the_connection() {
    let max = 100;
    let too_large = FrameError::TooLarge { len: 101, max, looks_like: None };
    assert_eq!(end_of(&[0, 0, 0, 101], max), ServerCloseReason::Frame(too_large));
    assert!(matches!(end_of(&[0; 4], max), ServerCloseReason::Frame(FrameError::TooSmall { len: 0, .. })));
    // A client id that is longer than its frame.
    let header = [0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 0, 9];
    assert!(matches!(end_of(&header, max), ServerCloseReason::Header(_)));
}

#[test]
fn a_request_must_arrive_in_time_from_its_first_byte_on() {
    let timeout = Duration::from_secs(5);
    let mut server = ServerConnection::new(ServerConfig::default().with_frame_timeout(timeout), ConnectionId(0));
    let start = origin();
    assert_eq!(server.poll_timeout(), None, "an idle client may wait");
    server.handle_bytes(start, &[0]);
    assert!(server.poll_event().is_none());
    assert_eq!(server.poll_timeout(), Some(start + timeout));
    // Bytes that trickle in do not stretch it.
    server.handle_bytes(start, &[0]);
    assert!(server.poll_event().is_none());
    server.handle_timeout(start + timeout);
    assert!(matches!(server.poll_event(), Some(ServerEvent::Closed(ServerCloseReason::SlowRequest { .. }))));
}

#[test]
fn time_in_which_a_server_reads_nothing_is_not_counted_against_a_request() {
    let timeout = ServerConfig::default().frame_timeout();
    // The rest of the request comes before the server is told the time, after it, or never.
    for comes in [Some(true), Some(false), None] {
        let patient = config().with_request_timeout(timeout * 10);
        let mut pair = Pair::new(origin(), patient, ServerConfig::default());
        let ids = [0; 2].map(|_| pair.sent(&metadata()));
        let one = staged(&mut pair) / 2;
        pair.to_server(one + 5);
        let Some(ServerEvent::Request(first)) = pair.server_event() else { panic!("a request is due") };
        assert!(pair.server_event().is_none() && !pair.server.wants_read());
        pair.advance(timeout * 2);
        pair.server.respond_raw(first.call, answer()).expect("the call is open");
        pair.to_client(usize::MAX);
        assert_eq!(pair.ends(), [End::Answered(ids[0])]);
        assert!(pair.server_event().is_none() && pair.server.wants_read());
        if comes == Some(true) {
            pair.to_server(1);
        }
        pair.server.handle_timeout(pair.now);
        assert!(pair.server_event().is_none());
        pair.server.handle_timeout(pair.now + timeout - Duration::from_secs(1));
        assert!(pair.server_event().is_none());
        if comes.is_some() {
            pair.to_server(usize::MAX);
            assert!(matches!(pair.server_event(), Some(ServerEvent::Request(_))));
        } else {
            pair.server.handle_timeout(pair.now + timeout);
            let closed = pair.server_event();
            assert!(matches!(closed, Some(ServerEvent::Closed(ServerCloseReason::SlowRequest { received: 5 }))));
        }
    }
}

#[test]
fn a_request_that_has_arrived_and_is_not_looked_at_yet_is_not_slow() {
    let mut pair = pair();
    pair.sent(&metadata());
    pair.to_server(3);
    assert!(pair.server_event().is_none());
    let deadline = pair.server.poll_timeout().expect("a frame has begun");
    pair.to_server(usize::MAX);
    assert_eq!(pair.server.poll_timeout(), None);
    pair.server.handle_timeout(deadline);
    assert!(matches!(pair.server.poll_event(), Some(ServerEvent::Request(_))));
}

#[test]
fn a_request_that_has_arrived_frees_the_next_of_its_deadline() {
    let mut pair = pair();
    pair.sent(&metadata());
    pair.to_server(3);
    assert!(pair.server_event().is_none());
    assert!(pair.server.poll_timeout().is_some());
    assert_eq!(pair.calls().len(), 1);
    assert_eq!(pair.server.poll_timeout(), None);
}

#[test]
fn a_server_tells_a_client_that_left_in_the_middle_of_a_request() {
    let mut pair = pair();
    pair.sent(&metadata());
    pair.to_server(3);
    pair.cut(Disconnect::Eof);
    let Some(ServerEvent::Closed(ServerCloseReason::Disconnected { heard, .. })) = pair.server_event() else {
        panic!("the end was expected")
    };
    assert_eq!(heard, Heard::PartOfFrame { bytes: 3 });
    assert!(matches!(pair.client_event(), Some(ClientEvent::Failed { .. })));
}

/// What a server had heard of a client that is reset after so many requests, of which so many are answered.
fn heard(requests: usize, answered: usize) -> Heard {
    let mut pair = pair();
    for _ in 0..requests {
        pair.sent(&metadata());
    }
    for call in pair.calls().iter().take(answered) {
        pair.server.finish(call.call);
    }
    pair.server.handle_disconnect(Disconnect::Error(std::io::ErrorKind::ConnectionReset));
    match pair.server_event() {
        Some(ServerEvent::Closed(ServerCloseReason::Disconnected { heard, .. })) => heard,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_tells_whether_a_client_that_left_had_asked_anything() {
    assert_eq!(heard(0, 0), Heard::Nothing);
    for (requests, answered) in [(1, 0), (1, 1), (2, 1)] {
        assert_eq!(heard(requests, answered), Heard::Frames, "{answered} of {requests} answered");
    }
}
