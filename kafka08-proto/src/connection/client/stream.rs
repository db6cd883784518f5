//! The [`Connection`] trait: bytes and time go in, events come out.

use std::{io, mem, time::Instant};

use bytes::{Buf as _, Bytes};

use super::{
    ClientConnection,
    ending::failed,
    entry::{Blocked, State},
    life::Life,
};
use crate::{
    connection::{ClientEvent, CloseReason, Connection, Disconnect, MatchError, Progress, RequestError, ResponseFrame},
    frame::SendQueue,
    ids::CorrelationId,
    wire::Encoder,
};

impl Connection for ClientConnection {
    type Event = ClientEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn handle_read(&mut self, now: Instant, n: usize) {
        if self.note_heard(now, n) {
            self.decoder.filled(n);
        }
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.note_heard(now, bytes.len()) {
            self.decoder.extend(bytes);
        }
    }

    fn wants_read(&self) -> bool {
        self.life.can_read()
            && self.events.is_empty()
            && !self.decoder.has_frame()
            // Requests without an answer end when they are written. That is news which no event tells yet.
            && !self.ledger.has_written_news(&self.queue)
    }

    fn wants_write(&self) -> bool {
        self.life.can_send() && self.queue.has_remaining()
    }

    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        if !self.life.can_send() {
            return;
        }
        self.note_written();
        // Both are taken before anything ends, because they describe the connection as it was when writing failed.
        let reason = self.why_disconnected(Disconnect::Error(kind));
        let line = self.line();
        self.life = Life::WriteFailed(kind);
        let Self { id, ledger, queue, events, .. } = self;
        ledger.drain_unsent(queue, |entry, taken, fate| {
            let error = RequestError::Closed(reason.clone());
            events.push(failed(*id, entry, error, line.progress(entry, taken), fate));
        });
        // A frame that was written in part cannot be completed, and nothing may follow it.
        self.queue.clear();
    }

    fn handle_disconnect(&mut self, how: Disconnect) {
        self.life = mem::replace(&mut self.life, Life::Open).disconnected(how);
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.note_written();
        // Events first: they are older than any frame that is still in the decoder. One frame is cut at a time, so that a caller
        // who stops taking events stops the reading as well.
        while self.events.is_empty() && !self.life.is_closed() {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => match self.handle_frame(frame) {
                    Ok(Some(response)) => {
                        // The answer may have been the last live request in front of one that has timed out.
                        self.end_if_hopeless();
                        return Some(ClientEvent::Response(response));
                    }
                    Ok(None) => {}
                    Err(error) => self.end(CloseReason::Match(error)),
                },
                Ok(None) => {
                    #[cfg(kafka08_canary)]
                    if crate::canary::ForgetsLeftovers.is_planted() {
                        self.decoder = crate::frame::FrameDecoder::new(self.config.limits.max_frame);
                    }
                    match self.life {
                        Life::Disconnected(how) => self.end(self.why_disconnected(how)),
                        // There was something to read for only as long as answers were owed.
                        Life::WriteFailed(kind) if self.ledger.awaiting() == 0 => {
                            self.end(self.why_disconnected(Disconnect::Error(kind)));
                        }
                        Life::Open | Life::WriteFailed(_) | Life::Closed(_) => self.end_if_hopeless(),
                    }
                    break;
                }
                Err(error) => self.end(CloseReason::Frame(error)),
            }
        }
        let event = self.events.pop();
        if event.is_none() {
            // Only when there is nothing to tell: until then the memory is in use.
            let keeps_memory = self.decoder.can_release() || self.queue.can_release();
            self.rest.set(keeps_memory);
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // While a frame waits to be taken nothing expires, so there is nothing to be called for: an answer that is here beats its
        // deadline.
        if !self.life.can_read() || self.decoder.has_frame() {
            return None;
        }
        [self.ledger.next_deadline(), self.rest.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.life.can_read() || self.decoder.has_frame() {
            return;
        }
        self.note_written();
        // Taken before anything expires: it says for each request what it was waiting behind.
        let line = self.line();
        let Self { id, ledger, queue, events, .. } = self;
        let mut blocked = None;
        if ledger.next_deadline().is_some_and(|deadline| deadline <= now) {
            // The time since the call, and not the timeout that was set: what the broker was allowed to wait is part of it.
            blocked = ledger.expire(now, queue, |entry, taken, fate| {
                let error = RequestError::TimedOut { after: now.saturating_duration_since(entry.at) };
                events.push(failed(*id, entry, error, line.progress(entry, taken), fate));
            });
        }
        match blocked {
            Some(Blocked::Torn(id)) => self.end(CloseReason::TornFrame(id)),
            Some(Blocked::Full(id)) => self.end(CloseReason::NoAnswer { id, progress: Progress::NotSent }),
            None => self.end_if_hopeless(),
        }
        if self.rest.is_over(now) {
            self.release();
        }
    }

    fn is_over(&self) -> bool {
        self.life.is_closed() && self.events.is_empty()
    }
}

impl ClientConnection {
    /// Notes that `n` bytes have arrived. Returns whether they are to be kept.
    fn note_heard(&mut self, now: Instant, n: usize) -> bool {
        self.rest.note_moved_at(now);
        if self.life.can_read() {
            // A feed of nothing says nothing about the peer.
            if n > 0 {
                self.last_heard = Some(now);
            }
            return true;
        }
        // A driver may have read before it learned of the end. Counting them shows a peer that goes on talking.
        self.stats.ignored_bytes += n as u64;
        false
    }

    /// Handles a response. Returns `None` if the response is dropped.
    fn handle_frame(&mut self, mut frame: Bytes) -> Result<Option<ResponseFrame>, MatchError> {
        let got = CorrelationId(frame.try_get_i32().expect("the smallest frame has four bytes"));
        // An answer can overtake the report that its request was taken: a TLS layer reports a record only when all of it has
        // left, and a fast broker answers before that.
        if self.ledger.awaiting() == 0 {
            let Self { id: connection, ledger, queue, events, .. } = self;
            let connection = *connection;
            ledger.promote_offered(got, &frame, queue, |id| events.push(ClientEvent::Written { connection, id }));
        }
        let answered = self.ledger.answer(got, &frame)?;
        self.stats.responses += 1;
        // The ledger lets one foreign id pass: see `is_quirk` there.
        self.stats.quirk_id_zero += u64::from(answered.id != got);
        if answered.state != State::Live {
            self.stats.dropped_responses += 1;
            return Ok(None);
        }
        let fate_if_malformed = answered.fate_once_written();
        let (connection, id, api) = (self.id, answered.id, answered.api);
        Ok(Some(ResponseFrame { connection, id, api, body: frame, fate_if_malformed }))
    }

    /// Frees memory that is not in use, because nothing has moved for a while.
    fn release(&mut self) {
        self.decoder.release();
        self.queue.release();
        self.ledger.release();
        self.scratch = Encoder::new();
        self.events.release();
    }
}
