//! What cannot be reached from outside in reasonable time: 2^27 requests lie between two that share an id.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};

use super::*;
use crate::{
    connection::{ClientEvent, Connection as _, Disconnect, Prepared, Reply},
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
};

const PERIOD: u64 = 1 << 27;

/// A connection with one request in flight and `sent` more sent since, none of which is left.
fn with_one_in_flight(sent: u64) -> (ClientConnection, CorrelationId) {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let first = send(&mut connection);
    connection.sequence.skip(sent);
    (connection, first)
}

fn send(connection: &mut ClientConnection) -> CorrelationId {
    let request = Prepared::raw(Api::v0(ApiKey::FETCH), Bytes::new(), Reply::Expected);
    connection.send(now(), &request).expect("there is room")
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing")]
fn now() -> Instant {
    Instant::now()
}

fn take_all(connection: &mut ClientConnection) {
    let (_, queue) = connection.buffers();
    let n = queue.remaining();
    queue.advance(n);
    assert!(connection.poll_event().is_none());
}

fn answered(connection: &mut ClientConnection, id: CorrelationId) -> Option<CorrelationId> {
    connection.handle_bytes(now(), &[&[0, 0, 0, 8][..], &id.0.to_be_bytes(), &[0; 4]].concat());
    match connection.poll_event() {
        Some(ClientEvent::Response(frame)) => Some(frame.id),
        _ => None,
    }
}

#[test]
fn the_id_of_a_request_in_flight_is_skipped_when_the_sequence_comes_round_to_it() {
    for sent in [PERIOD - 1, 2 * PERIOD - 1] {
        let (mut connection, first) = with_one_in_flight(sent);
        let second = send(&mut connection);
        assert_eq!(second.0, first.0 + 1, "{sent}");
    }
    let (mut connection, first) = with_one_in_flight(PERIOD - 2);
    let before = send(&mut connection);
    assert_eq!(before.0, first.0 + (1 << 27) - 1, "the last of the range");
    assert_eq!(send(&mut connection).0, first.0 + 1);
}

#[test]
fn requests_that_lie_more_than_a_period_apart_are_still_told_apart() {
    let (mut connection, first) = with_one_in_flight(2 * PERIOD - 1);
    let others = [0; 3].map(|_| send(&mut connection));
    take_all(&mut connection);
    connection.forget(others[1]);
    assert_eq!(answered(&mut connection, first), Some(first));
    assert_eq!(answered(&mut connection, others[0]), Some(others[0]));
    assert_eq!(answered(&mut connection, others[1]), None, "it was forgotten");
    assert_eq!(answered(&mut connection, others[2]), Some(others[2]));
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn a_request_that_lies_a_period_behind_can_be_taken_back_and_times_out() {
    let (mut connection, first) = with_one_in_flight(2 * PERIOD - 1);
    let second = send(&mut connection);
    assert_eq!(connection.cancel(second), Cancelled::Withdrawn);
    assert_eq!(connection.cancel(second), Cancelled::NotOutstanding);
    connection.handle_timeout(now() + Duration::from_secs(3600));
    let failed = connection.poll_event().and_then(|event| event.ended());
    assert_eq!(failed, Some(first));
}

#[test]
fn a_request_is_untouched_until_a_byte_of_it_is_taken_or_offered() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let [taken, offered, withdrawn, untouched] = [0; 4].map(|_| send(&mut connection));
    let frame = connection.staged() / 4;
    assert!([taken, offered, withdrawn, untouched].iter().all(|&id| connection.is_untouched(id)));
    assert_eq!(connection.cancel(withdrawn), Cancelled::Withdrawn);
    let (_, queue) = connection.buffers();
    queue.advance(1);
    queue.note_offered(frame);
    assert_eq!(connection.staged(), 3 * frame - 1);
    let what_is = [taken, offered, withdrawn, untouched].map(|id| connection.is_untouched(id));
    assert_eq!(what_is, [false, false, false, true]);
    assert!(!connection.is_untouched(CorrelationId(77)), "it was never sent");
}

#[test]
fn a_connection_is_open_until_writing_fails_or_the_transport_ends() {
    type End = fn(&mut ClientConnection);
    let ends: [End; 3] = [
        |connection| connection.handle_write_failed(io::ErrorKind::BrokenPipe),
        |connection| connection.handle_disconnect(Disconnect::Eof),
        ClientConnection::close,
    ];
    for end in ends {
        let mut connection = ClientConnection::new(ClientConfig::default().with_max_in_flight(1), ConnectionId(0));
        send(&mut connection);
        assert!(connection.is_open() && !connection.can_send(), "it is full");
        end(&mut connection);
        assert!(!connection.is_open());
    }
}

#[test]
fn a_connection_is_stalled_from_the_deadline_of_the_request_in_front_to_its_late_response() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let start = now();
    let request = Prepared::raw(Api::v0(ApiKey::FETCH), Bytes::new(), Reply::Expected);
    let second = Duration::from_secs(1);
    let short = connection.send(start, &request.clone().with_timeout(second)).expect("there is room");
    connection.send(start, &request).expect("there is room");
    take_all(&mut connection);
    // Also if nobody waits for it any more.
    connection.forget(short);
    connection.handle_timeout(start + second / 2);
    assert!(!connection.is_stalled());
    connection.handle_timeout(start + second);
    assert!(connection.is_stalled() && connection.is_open() && !connection.can_send());
    assert_eq!(answered(&mut connection, short), None, "its response is dropped");
    assert!(!connection.is_stalled());
}
