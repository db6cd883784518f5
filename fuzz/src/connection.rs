//! A client's connection against a model of it.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, Fate,
    connection::{Cancelled, Prepared, Reply, RequestError},
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
};

use crate::input::Input;

/// What the model knows of a request.
#[derive(Debug)]
struct Request {
    id: CorrelationId,
    is_answered: bool,
    /// Bytes of its frame, and how many the transport took.
    len: usize,
    taken: usize,
    /// It will never be written.
    is_withdrawn: bool,
    /// The peer has answered it.
    has_answer: bool,
    /// Its end was told, or it was taken back.
    has_ended: bool,
}

impl Request {
    fn is_written(&self) -> bool {
        self.taken == self.len
    }
}

/// A few lines that say how a connection should behave: requests in the order of sending, and bytes taken from the front.
#[derive(Debug, Default)]
struct Model {
    requests: Vec<Request>,
    is_closed: bool,
}

impl Model {
    fn take(&mut self, mut n: usize) {
        for request in self.requests.iter_mut().filter(|request| !request.is_withdrawn) {
            let step = n.min(request.len - request.taken);
            request.taken += step;
            n -= step;
        }
    }

    fn end(&mut self, id: CorrelationId) -> &mut Request {
        assert!(!self.is_closed, "{id:?} ends after the end");
        let request = self.requests.iter_mut().find(|request| request.id == id).expect("it was sent");
        assert!(!request.has_ended, "{id:?} ends twice");
        request.has_ended = true;
        request
    }
}

/// Does to a connection what the bytes say: sends, takes, answers, waits, cancels, cuts.
///
/// No panic. Every request ends exactly once; each failure's fate follows from what was taken; no deadline is left behind by
/// the time that has passed; nothing comes after the end.
pub fn connection(data: &[u8]) {
    let mut input = Input(data);
    let mut now = Instant::now();
    let mut connection = ClientConnection::new(
        ClientConfig::default().with_max_in_flight(6).with_first_sequence((1 << 27) - 2),
        ConnectionId(0),
    );
    let mut model = Model::default();
    while !input.is_empty() {
        let operation = input.byte();
        let argument = input.byte();
        match operation % 10 {
            0 | 1 => send(&mut connection, &mut model, now, argument, operation % 10 == 1),
            2 => {
                let (_, queue) = connection.buffers();
                let n = queue.remaining().min(argument.into());
                queue.advance(n);
                model.take(n);
            }
            3 => answer(&mut connection, &mut model),
            4 => connection.receive(input.take(usize::from(argument % 16))),
            5 => {
                now += Duration::from_millis(u64::from(argument) * 4);
                connection.handle_timeout(now);
                assert!(connection.poll_timeout().is_none_or(|deadline| deadline > now));
                // What was withdrawn must be known before more bytes are taken.
                poll(&mut connection, &mut model, now);
            }
            6 => poll(&mut connection, &mut model, now),
            7 => cancel(&mut connection, &mut model, now, argument),
            8 if argument % 8 == 0 => connection.handle_disconnect(Disconnect::Error(ErrorKind::ConnectionReset)),
            9 if argument % 8 == 0 => connection.handle_disconnect(Disconnect::Eof),
            _ => {}
        }
    }
    connection.close();
    poll(&mut connection, &mut model, now);
    assert!(model.is_closed && connection.is_over() && connection.poll_event(now).is_none());
    assert!(model.requests.iter().all(|request| request.has_ended), "{model:?}");
}

fn send(connection: &mut ClientConnection, model: &mut Model, now: Instant, argument: u8, is_answered: bool) {
    let reply = if is_answered { Reply::Expected } else { Reply::None };
    let request = Prepared::raw(Api::v0(ApiKey(i16::from(argument % 13))), Bytes::from_static(b"body"), reply);
    let request = request.with_timeout(Duration::from_millis(u64::from(argument) * 8 + 1));
    let staged = |connection: &mut ClientConnection| connection.buffers().1.remaining();
    let before = staged(connection);
    let can_send = connection.can_send();
    let sent = connection.send(now, &request);
    assert_eq!(sent.is_ok(), can_send);
    if let Ok(id) = sent {
        let len = staged(connection) - before;
        let (is_withdrawn, has_answer, has_ended) = (false, false, false);
        model.requests.push(Request { id, is_answered, len, taken: 0, is_withdrawn, has_answer, has_ended });
    }
}

/// Answers the request first in line, as a broker does when it has it whole.
fn answer(connection: &mut ClientConnection, model: &mut Model) {
    let mut waiting = model.requests.iter_mut().filter(|request| request.is_answered && !request.is_withdrawn);
    let first = waiting.find(|request| !request.has_answer);
    if let Some(request) = first.filter(|request| request.is_written()) {
        request.has_answer = true;
        connection.receive(&[&[0, 0, 0, 8][..], &request.id.0.to_be_bytes(), &[0; 4]].concat());
    }
}

fn cancel(connection: &mut ClientConnection, model: &mut Model, now: Instant, argument: u8) {
    poll(connection, model, now);
    let count = model.requests.len();
    let Some(request) = model.requests.get_mut(usize::from(argument) % count.max(1)) else { return };
    let id = request.id;
    match connection.cancel(id) {
        Cancelled::Withdrawn => {
            assert_eq!(request.taken, 0);
            request.is_withdrawn = true;
            model.end(id);
        }
        Cancelled::Abandoned => {
            assert!(request.taken > 0);
            model.end(id);
        }
        Cancelled::NotOutstanding => assert!(request.has_ended),
    }
}

fn poll(connection: &mut ClientConnection, model: &mut Model, now: Instant) {
    while let Some(event) = connection.poll_event(now) {
        match event {
            ClientEvent::Response(frame) => {
                let request = model.end(frame.id);
                assert!(request.is_answered && request.is_written());
            }
            ClientEvent::Written { id, .. } => {
                let request = model.end(id);
                assert!(!request.is_answered && request.is_written());
            }
            ClientEvent::Failed { id, error, fate } => {
                let request = model.end(id);
                // Raw requests count as changing the broker's state, and a broker acts on whole frames only.
                let expected = if request.is_written() { Fate::MaybeApplied } else { Fate::NotApplied };
                assert_eq!(fate, expected, "{request:?}");
                request.is_withdrawn |= error == RequestError::TimedOut && request.taken == 0;
            }
            ClientEvent::Closed(_) => {
                assert!(!model.is_closed, "it ends twice");
                model.is_closed = true;
            }
        }
    }
}
