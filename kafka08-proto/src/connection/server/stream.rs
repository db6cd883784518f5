//! The [`Connection`] trait: bytes and time go in, requests come out.

use std::{io, time::Instant};

use bytes::{Buf as _, Bytes};

use super::{
    ServerConnection,
    call::{Answer, Call},
    life::Life,
};
use crate::{
    api::RequestHeader,
    connection::{CallId, Connection, Disconnect, RequestFrame, ServerCloseReason, ServerEvent},
    frame::SendQueue,
};

impl Connection for ServerConnection {
    type Event = ServerEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn handle_read(&mut self, now: Instant, n: usize) {
        if self.note_read(now) {
            self.decoder.filled(n);
        }
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.note_read(now) {
            self.decoder.extend(bytes);
        }
    }

    /// Also false while as many calls are open as may be. A broker does not read from a client that it owes a response.
    fn wants_read(&self) -> bool {
        self.can_read() && self.may_open() && !self.decoder.has_frame()
    }

    fn wants_write(&self) -> bool {
        self.queue.has_remaining()
    }

    /// The client cannot receive a response any more, so this ends the connection as a failed transport does.
    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        self.handle_disconnect(Disconnect::Error(kind));
    }

    /// A client that has only closed its sending side still gets the responses to its requests.
    fn handle_disconnect(&mut self, how: Disconnect) {
        if how != Disconnect::Eof {
            // In every state: what is staged can never leave.
            self.queue.clear();
            self.unwritten.clear();
        }
        match (&self.life, how) {
            (Life::Open, Disconnect::Eof) => self.life = Life::HalfClosed,
            (Life::Open | Life::HalfClosed, Disconnect::Error(kind)) => self.life = Life::Failed(kind),
            _ => {}
        }
    }

    fn poll_event(&mut self) -> Option<ServerEvent> {
        self.note_written();
        while self.gives_requests() {
            // A broker does not read from a client that it owes an answer, and neither does this: the client feels it in its socket.
            if !self.may_open() {
                self.has_paused = true;
                break;
            }
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    self.frame_deadline = None;
                    if let Some(event) = self.handle_frame(&frame) {
                        return Some(event);
                    }
                }
                Ok(None) => {
                    // From the first byte on, and not from each byte: a client that sends a byte now and then would never be too slow.
                    if self.decoder.pending() > 0 && self.frame_deadline.is_none() {
                        self.frame_deadline = self.last_read.and_then(|at| at.checked_add(self.config.frame_timeout));
                    }
                    break;
                }
                Err(error) => self.end(ServerCloseReason::Frame(error)),
            }
        }
        // Requests that are here in full still come out, and are served if their answers can leave.
        if !self.decoder.has_frame() {
            match self.life {
                Life::HalfClosed if self.unanswered == 0 => self.end(self.why_disconnected(Disconnect::Eof)),
                Life::Failed(kind) => self.end(self.why_disconnected(Disconnect::Error(kind))),
                _ => {}
            }
        }
        let keeps_memory = self.decoder.can_release() || self.queue.can_release();
        self.rest.set(keeps_memory);
        if !matches!(self.life, Life::Ending(_)) {
            return None;
        }
        match std::mem::replace(&mut self.life, Life::Over) {
            Life::Ending(reason) => Some(ServerEvent::Closed(reason)),
            _ => None,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if !self.can_read() || self.decoder.has_frame() {
            return None;
        }
        [self.frame_deadline, self.rest.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.can_read() || self.decoder.has_frame() {
            return;
        }
        // Only if there is a deadline to be moved: otherwise the pause is still to be told to the one that will be set.
        if self.frame_deadline.is_some() {
            self.resume(now);
        }
        if self.frame_deadline.is_some_and(|deadline| deadline <= now) {
            self.end(ServerCloseReason::SlowRequest { received: self.decoder.pending() });
        } else if self.rest.is_over(now) {
            self.decoder.release();
            self.queue.release();
            self.calls.shrink_to_fit();
            self.unwritten.shrink_to_fit();
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.life, Life::Over) && !self.queue.has_remaining()
    }
}

impl ServerConnection {
    fn handle_frame(&mut self, frame: &Bytes) -> Option<ServerEvent> {
        match RequestHeader::split(frame) {
            Ok((header, body)) => {
                let call = CallId { connection: self.id, number: self.first + self.calls.len() as u64 };
                self.calls.push_back(Call { correlation_id: header.correlation_id, answer: Answer::Open });
                self.unanswered += 1;
                Some(ServerEvent::Request(RequestFrame { call, header, body }))
            }
            Err(error) => {
                self.end(ServerCloseReason::Header(error));
                None
            }
        }
    }
}
