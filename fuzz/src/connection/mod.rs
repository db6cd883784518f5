//! A client's connection against a model of it.

mod model;

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, Fate,
    api::FetchRequest,
    connection::{CloseReason, Closed, Prepared, Reply, RequestError},
    ids::{Api, ApiKey, ConnectionId, CorrelationId, Millis},
};
use model::{Model, Request, State};

use crate::input::Input;

/// The most requests in flight.
const PLACES: usize = 6;

/// Does to a connection what the bytes say: sends, takes, answers, waits, cancels, forgets, cuts.
///
/// No panic. Every request ends exactly once, and when the model says so; each failure's fate follows from what was taken;
/// answers come in order; as many requests are in flight as have a place; nothing comes after the end.
pub fn connection(data: &[u8]) {
    let config = ClientConfig::default().with_max_in_flight(PLACES).with_first_sequence((1 << 27) - 2);
    let mut run = Run {
        connection: ClientConnection::new(config, ConnectionId(0)),
        model: Model::default(),
        now: Instant::now(),
        torn: Vec::new(),
    };
    let mut input = Input(data);
    while !input.is_empty() {
        let operation = input.byte();
        let argument = input.byte();
        match operation % 14 {
            0 | 1 => run.send(argument, operation % 14 == 1),
            2 => run.take(argument.into()),
            3 => run.answer(argument),
            4 => run.receive_garbage(input.take(usize::from(argument % 16))),
            5 => run.wait(Duration::from_millis(u64::from(argument) * 4)),
            6 => run.poll(),
            7 => run.cancel(argument.into()),
            8 => run.forget(argument.into()),
            9 if argument % 8 == 0 => run.disconnect(Disconnect::Error(ErrorKind::ConnectionReset)),
            10 if argument % 8 == 0 => run.disconnect(Disconnect::Eof),
            11 if argument % 4 == 0 => run.answer_out_of_order(),
            12 => run.offer(argument.into()),
            13 if argument % 8 == 0 => run.fail_write(),
            _ => {}
        }
    }
    run.close();
}

struct Run {
    connection: ClientConnection,
    model: Model,
    now: Instant,
    /// The requests that should have ended the connection because they are partly written.
    torn: Vec<CorrelationId>,
}

impl Run {
    fn send(&mut self, argument: u8, expects_answer: bool) {
        self.poll();
        let key = i16::from(argument % 13);
        // A multiple of what `wait` waits, so that a deadline can be met exactly.
        let timeout = Duration::from_millis(u64::from(argument) * 8 + 4);
        let changes_state = !(expects_answer && key == 1);
        let request = if changes_state {
            let reply = if expects_answer { Reply::Expected } else { Reply::None };
            Prepared::raw(Api::v0(ApiKey(key)), Bytes::from_static(b"body"), reply)
        } else {
            Prepared::new(&FetchRequest::new(Millis(0), 1)).expect("it is small")
        };
        let before = self.connection.buffers().1.remaining();
        let can_send = self.connection.can_send();
        if !self.model.is_lost {
            let should = self.model.is_sure()
                && !self.model.is_mute
                && !self.model.is_stalled()
                && self.model.in_flight() < PLACES;
            assert_eq!(can_send, should, "{:?}", self.model);
        }
        let sent = self.connection.send(self.now, &request.with_timeout(timeout));
        assert_eq!(sent.is_ok(), can_send);
        if let Ok(id) = sent {
            let len = self.connection.buffers().1.remaining() - before;
            let deadline = self.now + timeout;
            let (is_withdrawn, is_answered, has_ended) = (false, false, false);
            let (taken, offered, state) = (0, 0, State::Live);
            self.model.requests.push(Request {
                id,
                key,
                expects_answer,
                changes_state,
                deadline,
                len,
                taken,
                offered,
                is_withdrawn,
                is_answered,
                state,
                has_ended,
            });
        }
    }

    fn take(&mut self, most: usize) {
        let (_, queue) = self.connection.buffers();
        let n = queue.remaining().min(most);
        queue.advance(n);
        self.model.take(n);
    }

    /// Attempts a write to a stream that may keep what it does not report.
    fn offer(&mut self, most: usize) {
        let (_, queue) = self.connection.buffers();
        let n = queue.remaining().min(most);
        queue.note_offered(n);
        self.model.offer(n);
    }

    fn fail_write(&mut self) {
        self.poll();
        self.connection.handle_write_failed(ErrorKind::BrokenPipe);
        self.model.is_mute = true;
        assert!(!self.connection.wants_write(), "nothing can leave any more");
        self.take_events();
        for request in self.model.requests.iter_mut().filter(|request| !request.is_written()) {
            assert!(request.has_ended, "{request:?} waits for a stream that takes nothing");
            request.is_withdrawn = true;
        }
    }

    /// Answers the request first in line, as a broker does when it has it whole.
    fn answer(&mut self, argument: u8) {
        if self.model.is_disconnected || self.model.is_closed {
            return;
        }
        let Some(request) = self.model.next_due() else { return };
        request.is_answered = true;
        // A failed ConsumerMetadata of 0.8.2 is answered with id 0 and code 15.
        let (id, body) =
            if request.key == 10 && argument % 2 == 1 { (0, [0, 15, 0, 0]) } else { (request.id.0, [0; 4]) };
        self.model.unpolled += 1;
        self.connection.handle_bytes(self.now, &[&[0, 0, 0, 8][..], &id.to_be_bytes(), &body].concat());
    }

    /// Answers the request second in line: the stream has lost its meaning.
    fn answer_out_of_order(&mut self) {
        self.poll();
        if !self.model.is_sure() {
            return;
        }
        let mut due = self.model.requests.iter().filter(|request| {
            request.expects_answer && request.is_written() && !request.is_answered && !request.is_withdrawn
        });
        let Some(second) = due.nth(1) else { return };
        self.connection.handle_bytes(self.now, &[&[0, 0, 0, 8][..], &second.id.0.to_be_bytes(), &[0; 4]].concat());
        self.model.is_lost = true;
        self.poll();
        assert!(self.model.is_closed, "an answer out of order was taken");
    }

    fn receive_garbage(&mut self, bytes: &[u8]) {
        self.model.is_lost |= !bytes.is_empty() && !self.model.is_disconnected && !self.model.is_closed;
        self.connection.handle_bytes(self.now, bytes);
    }

    fn wait(&mut self, time: Duration) {
        if self.model.is_lost {
            self.poll();
        }
        self.now += time;
        self.connection.handle_timeout(self.now);
        // An answer that is here beats its deadline, and an end leaves none.
        if self.model.unpolled == 0 && !self.model.is_disconnected && !self.model.is_closed {
            self.torn = self.model.expire(self.now);
            assert!(self.connection.poll_timeout().is_none_or(|deadline| deadline > self.now));
            // What was withdrawn must be known before more bytes are taken.
            self.poll();
            assert!(self.torn.is_empty() || self.model.is_closed, "a torn frame goes on");
            let is_late = |request: &&Request| !request.has_ended && request.deadline <= self.now;
            // A last byte that was taken ends an unanswered request in time.
            assert_eq!(self.model.requests.iter().filter(is_late).count(), 0, "{:?}", self.model);
        }
    }

    fn cancel(&mut self, index: usize) {
        self.poll();
        let count = self.model.requests.len().max(1);
        if let Some((id, expected)) = self.model.cancel(index % count) {
            assert_eq!(self.connection.cancel(id), expected, "{id:?}");
        }
        // Giving up the last request behind one that has timed out ends the connection.
        self.poll();
    }

    fn forget(&mut self, index: usize) {
        self.poll();
        let count = self.model.requests.len().max(1);
        let is_closed = self.model.is_closed;
        let Some(request) = self.model.requests.get_mut(index % count) else { return };
        self.connection.forget(request.id);
        if !is_closed && !request.has_ended {
            request.has_ended = true;
            request.state = State::Ended;
        }
        self.poll();
    }

    fn disconnect(&mut self, how: Disconnect) {
        self.connection.handle_disconnect(how);
        self.model.is_disconnected = true;
    }

    fn close(mut self) {
        self.poll();
        self.connection.close();
        self.poll();
        assert!(self.model.is_closed && self.connection.is_over() && self.connection.poll_event().is_none());
        assert!(self.model.requests.iter().all(|request| request.has_ended), "{:?}", self.model);
    }

    fn poll(&mut self) {
        self.take_events();
        if self.model.is_sure() {
            assert_eq!(self.connection.in_flight(), self.model.in_flight(), "{:?}", self.model);
            assert!(!self.model.is_hopeless(), "nothing can come any more: {:?}", self.model);
        }
    }

    fn take_events(&mut self) {
        self.model.unpolled = 0;
        let mut answered = None;
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => {
                    let is_lost = self.model.is_lost;
                    let request = self.model.end(frame.id);
                    assert!(request.expects_answer && request.is_written() && (request.is_answered || is_lost));
                    request.is_answered = true;
                    let place = self.model.requests.iter().rposition(|request| request.id == frame.id);
                    assert!(answered < place, "answers change places");
                    answered = place;
                }
                ClientEvent::Written { id, .. } => {
                    let request = self.model.end(id);
                    assert!(!request.expects_answer && request.is_written());
                }
                ClientEvent::Failed { id, error, fate, .. } => self.fail(id, &error, fate),
                ClientEvent::Closed(closed) => self.judge_end(&closed),
            }
        }
    }

    fn fail(&mut self, id: CorrelationId, error: &RequestError, fate: Fate) {
        let (now, is_lost) = (self.now, self.model.is_lost);
        // A connection ends for this reason only when nobody waits for an answer.
        assert!(!matches!(error, RequestError::Closed(CloseReason::NoAnswer { .. })), "{id:?} was waiting");
        let request = self.model.end(id);
        assert_eq!(fate, request.fate(), "{request:?}");
        if matches!(error, RequestError::TimedOut { .. }) {
            assert!(request.deadline <= now, "{request:?} timed out early");
            assert!(!request.is_answered || is_lost, "{request:?} timed out beside its answer");
            request.state = State::TimedOut;
        }
    }

    fn judge_end(&mut self, closed: &Closed) {
        assert!(!self.model.is_closed, "it ends twice");
        match closed.reason {
            CloseReason::TornFrame(id) => assert!(self.torn.contains(&id), "{:?}", self.torn),
            CloseReason::NoAnswer { .. } => assert!(self.model.is_lost || self.model.is_hopeless(), "{:?}", self.model),
            CloseReason::Disconnected { .. } => assert!(self.model.is_disconnected || self.model.is_mute),
            CloseReason::Frame(_) | CloseReason::Match(_) => assert!(self.model.is_lost),
            _ => {}
        }
        if !self.model.is_lost {
            assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), self.model.unconfirmed());
        }
        self.model.is_closed = true;
    }
}
