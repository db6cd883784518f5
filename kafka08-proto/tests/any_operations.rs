//! Whatever a caller and a peer do, in whatever order: no panic, and every request ends exactly once.

mod common;

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use common::start as origin;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection, Disconnect, ServerConfig, ServerConnection,
    connection::{Cancelled, CloseReason, Prepared, Reply, SendError},
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
    strategies,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Send {
        key: i16,
        reply: Reply,
        timeout_ms: u64,
    },
    Forget(prop::sample::Index),
    Cancel(prop::sample::Index),
    Take(usize),
    /// Answers the request first in line, as a broker does.
    Answer,
    /// Answers any request that was ever sent.
    AnswerAny(prop::sample::Index),
    Receive(Vec<u8>),
    Pass(u64),
    PollOnce,
    Poll,
    Disconnect(Disconnect),
    Close,
}

fn operation() -> impl Strategy<Value = Operation> {
    let reply = prop_oneof![3 => Just(Reply::Expected), 1 => Just(Reply::None)];
    let how = prop_oneof![Just(Disconnect::Eof), Just(Disconnect::Error(ErrorKind::ConnectionReset))];
    prop_oneof![
        8 => (prop_oneof![0i16..=12, Just(18)], reply, 1u64..2000).prop_map(|(key, reply, timeout_ms)| Operation::Send { key, reply, timeout_ms }),
        2 => any::<prop::sample::Index>().prop_map(Operation::Forget),
        2 => any::<prop::sample::Index>().prop_map(Operation::Cancel),
        8 => (1usize..100).prop_map(Operation::Take),
        8 => Just(Operation::Answer),
        1 => any::<prop::sample::Index>().prop_map(Operation::AnswerAny),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Operation::Receive),
        4 => (0u64..1500).prop_map(Operation::Pass),
        4 => Just(Operation::PollOnce),
        4 => Just(Operation::Poll),
        1 => how.prop_map(Operation::Disconnect),
        1 => Just(Operation::Close),
    ]
}

/// How requests have ended, by what the connection has told.
#[derive(Default)]
struct Book {
    sent: Vec<CorrelationId>,
    ends: BTreeMap<CorrelationId, &'static str>,
    /// Requests that a broker would answer, in order.
    due: std::collections::VecDeque<CorrelationId>,
    closed: bool,
}

impl Book {
    fn end(&mut self, id: CorrelationId, how: &'static str) {
        assert!(self.sent.contains(&id), "{id:?} was never sent");
        assert!(!self.closed, "{how} {id:?} after the end");
        assert_eq!(self.ends.insert(id, how), None, "{id:?} ends a second time, by {how}");
    }

    fn send(&mut self, connection: &mut ClientConnection, now: Instant, request: &Prepared) {
        let can_send = connection.can_send();
        match connection.send(now, request) {
            Ok(id) => {
                assert!(can_send && !self.sent.contains(&id));
                self.sent.push(id);
                if request.reply() == Reply::Expected {
                    self.due.push_back(id);
                }
            }
            Err(SendError::Busy | SendError::Closed(_)) => assert!(!can_send),
            Err(other) => panic!("{other}"),
        }
    }

    fn cancel(&mut self, connection: &mut ClientConnection, id: CorrelationId) {
        match connection.cancel(id) {
            Cancelled::Withdrawn => {
                self.end(id, "withdrawn");
                self.due.retain(|due| *due != id);
            }
            Cancelled::Abandoned => self.end(id, "abandoned"),
            Cancelled::NotOutstanding => {
                self.poll(connection);
                assert!(self.ends.contains_key(&id), "{id:?} is outstanding");
            }
        }
    }

    fn poll(&mut self, connection: &mut ClientConnection) {
        while self.poll_once(connection) {}
    }

    /// Takes one event, and checks that reading had stopped exactly if there was one, or a frame that is swallowed.
    fn poll_once(&mut self, connection: &mut ClientConnection) -> bool {
        let (wanted, swallowed) = (connection.wants_read(), connection.stats().dropped_responses);
        let event = connection.poll_event();
        let something_waited = event.is_some() || connection.stats().dropped_responses > swallowed;
        // Only here it is found that nothing can be answered any more.
        let is_given_up = matches!(&event, Some(ClientEvent::Closed(closed)) if matches!(closed.reason, CloseReason::NoAnswer { .. }));
        assert!(wanted != (something_waited || self.closed) || wanted && is_given_up, "{wanted}: {event:?}");
        match event {
            Some(ClientEvent::Response(frame)) => self.end(frame.id, "response"),
            Some(ClientEvent::Written { id, .. }) => self.end(id, "written"),
            Some(ClientEvent::Failed { id, .. }) => self.end(id, "failed"),
            Some(ClientEvent::Closed(_)) => {
                assert!(!self.closed, "it ends twice");
                self.closed = true;
            }
            None => return false,
        }
        true
    }
}

fn response(id: CorrelationId) -> Vec<u8> {
    [&[0, 0, 0, 8][..], &id.0.to_be_bytes(), &[0; 4]].concat()
}

fn run(operations: Vec<Operation>) {
    let mut now = origin();
    let mut connection = ClientConnection::new(
        ClientConfig::default().with_max_in_flight(8).with_first_sequence((1 << 27) - 3),
        ConnectionId(0),
    );
    let mut book = Book::default();
    for operation in operations {
        match operation {
            Operation::Send { key, reply, timeout_ms } => {
                let request = Prepared::raw(Api::v0(ApiKey(key)), Bytes::from_static(b"body"), reply);
                book.send(&mut connection, now, &request.with_timeout(Duration::from_millis(timeout_ms)));
            }
            Operation::Forget(index) if !book.sent.is_empty() => {
                let id = *index.get(&book.sent);
                connection.forget(id);
                book.ends.entry(id).or_insert("forgotten");
            }
            Operation::Cancel(index) if !book.sent.is_empty() => book.cancel(&mut connection, *index.get(&book.sent)),
            Operation::Forget(_) | Operation::Cancel(_) => {}
            Operation::Take(n) => {
                let (_, queue) = connection.buffers();
                queue.advance(n.min(queue.remaining()));
            }
            Operation::Answer => {
                if let Some(id) = book.due.pop_front() {
                    connection.handle_bytes(now, &response(id));
                }
            }
            Operation::AnswerAny(index) if !book.sent.is_empty() => {
                connection.handle_bytes(now, &response(*index.get(&book.sent)))
            }
            Operation::AnswerAny(_) => {}
            Operation::Receive(bytes) => connection.handle_bytes(now, &bytes),
            Operation::Pass(millis) => {
                now += Duration::from_millis(millis);
                connection.handle_timeout(now);
                assert!(connection.poll_timeout().is_none_or(|deadline| deadline > now), "a deadline is left behind");
            }
            Operation::PollOnce => {
                book.poll_once(&mut connection);
            }
            Operation::Poll => {
                book.poll(&mut connection);
                assert_eq!(connection.wants_read(), !book.closed && !connection.is_over());
            }
            Operation::Disconnect(how) => connection.handle_disconnect(how),
            Operation::Close => connection.close(),
        }
    }
    connection.close();
    book.poll(&mut connection);
    assert!(book.closed && connection.is_over() && !connection.wants_read() && !connection.wants_write());
    for id in &book.sent {
        assert!(book.ends.contains_key(id), "{id:?} has no end");
    }
}

/// What a connection tells when it gets bytes in these pieces.
fn events_of(pieces: &[&[u8]], in_place: bool) -> Vec<String> {
    let now = origin();
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    for _ in 0..3 {
        let request = Prepared::raw(Api::v0(ApiKey::METADATA), Bytes::new(), Reply::Expected);
        connection.send(now, &request).expect("there is room");
    }
    let (_, queue) = connection.buffers();
    queue.advance(queue.remaining());
    gather(connection, pieces, in_place, now)
}

fn gather<C: Connection<Event: std::fmt::Debug>>(
    mut connection: C,
    pieces: &[&[u8]],
    in_place: bool,
    now: Instant,
) -> Vec<String> {
    let mut events = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while in_place && !rest.is_empty() {
            let (space, _) = connection.buffers();
            let (taken, later) = rest.split_at(rest.len().min(space.len()));
            space.split_at_mut(taken.len()).0.copy_from_slice(taken);
            connection.handle_read(now, taken.len());
            rest = later;
        }
        connection.handle_bytes(now, rest);
        events.extend(std::iter::from_fn(|| connection.poll_event()).map(|event| format!("{event:?}")));
    }
    connection.handle_disconnect(Disconnect::Eof);
    events.extend(std::iter::from_fn(|| connection.poll_event()).map(|event| format!("{event:?}")));
    events
}

/// Frames that a peer may send, sound ones and others.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let answer = |sequence: i32| response(CorrelationId(4 << 27 | sequence));
    let piece = prop_oneof![
        4 => (0..3).prop_map(answer),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(any::<u8>(), 4..60).prop_map(|payload| {
            [&u32::try_from(payload.len()).expect("short").to_be_bytes()[..], &payload].concat()
        }),
    ];
    let sound = Just((0..3).flat_map(answer).collect::<Vec<u8>>());
    prop_oneof![sound, proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_request_ends_exactly_once_whatever_happens(operations in proptest::collection::vec(operation(), 0..80)) {
        run(operations);
    }

    #[test]
    fn however_a_stream_is_cut_up_the_events_are_the_same(
        stream in prop_oneof![stream(), strategies::hostile_stream()],
        cuts in strategies::cuts(),
        in_place in any::<bool>(),
    ) {
        let pieces = cuts.pieces(&stream);
        let whole = events_of(&[&stream], false);
        prop_assert_eq!(&events_of(&pieces, in_place), &whole);
        prop_assert_eq!(&events_of(&stream.chunks(1).collect::<Vec<_>>(), in_place), &whole);
        let server = |pieces: &[&[u8]], in_place| {
            let config = ServerConfig::default().with_max_open_calls(100);
            gather(ServerConnection::new(config, ConnectionId(0)), pieces, in_place, origin())
        };
        prop_assert_eq!(server(&pieces, in_place), server(&[&stream], false));
    }
}
