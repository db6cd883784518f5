//! The stream's side of a connection: bytes and time go in, events come out.

use std::{io, time::Instant};

use bytes::Buf as _;

use super::{ClientConnection, ending::failed};
use crate::{
    connection::{ClientEvent, CloseReason, Connection, Disconnect, RequestError},
    frame::SendQueue,
    wire::Encoder,
};

impl Connection for ClientConnection {
    type Event = ClientEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn received(&mut self, n: usize) {
        self.rest.note_moved();
        if self.is_deaf() {
            self.stats.ignored_bytes += n as u64;
        } else {
            self.decoder.filled(n);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.rest.note_moved();
        if self.is_deaf() {
            self.stats.ignored_bytes += bytes.len() as u64;
        } else {
            self.decoder.extend(bytes);
        }
    }

    fn wants_read(&self) -> bool {
        !self.is_deaf()
            && self.events.is_empty()
            && !self.decoder.has_frame()
            && !self.ledger.has_written_news(&self.queue)
    }

    fn wants_write(&self) -> bool {
        !self.is_mute() && self.queue.has_remaining()
    }

    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        if self.is_mute() {
            return;
        }
        self.note_written();
        let reason = self.why_disconnected(Disconnect::Error(kind));
        let line = self.line();
        self.write_failed = Some(kind);
        let Self { id, ledger, queue, events, .. } = self;
        ledger.drain_unsent(queue, |entry, taken, fate| {
            let error = RequestError::Closed(reason.clone());
            events.push(failed(*id, entry, error, line.progress(entry, taken), fate));
        });
        self.queue.clear();
    }

    fn handle_disconnect(&mut self, how: Disconnect) {
        // After a failed write, that failure is why the transport has ended.
        let how = self.write_failed.map_or(how, Disconnect::Error);
        self.disconnect.get_or_insert(how);
    }

    fn poll_event(&mut self, now: Instant) -> Option<ClientEvent> {
        self.note_written();
        while self.events.is_empty() && self.closed.is_none() {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    self.last_heard = Some(now);
                    match self.handle_frame(frame) {
                        Ok(Some(response)) => {
                            self.end_if_hopeless();
                            return Some(ClientEvent::Response(response));
                        }
                        Ok(None) => {}
                        Err(error) => self.end(CloseReason::Match(error)),
                    }
                }
                Ok(None) => {
                    // Once writing has failed, there is something to read for only as long as answers are owed.
                    let mute = self.write_failed.filter(|_| self.ledger.awaiting() == 0).map(Disconnect::Error);
                    match self.disconnect.or(mute) {
                        Some(how) => self.end(self.why_disconnected(how)),
                        None => self.end_if_hopeless(),
                    }
                    break;
                }
                Err(error) => self.end(CloseReason::Frame(error)),
            }
        }
        let event = self.events.pop();
        if event.is_none() {
            let keeps_memory = self.decoder.can_release() || self.queue.can_release();
            self.rest.note_time(now, keeps_memory);
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.is_deaf() || self.decoder.has_frame() {
            return None;
        }
        [self.ledger.next_deadline(), self.rest.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.is_deaf() || self.decoder.has_frame() {
            return;
        }
        self.note_written();
        let line = self.line();
        let Self { id, ledger, queue, events, .. } = self;
        let mut torn = None;
        if ledger.next_deadline().is_some_and(|deadline| deadline <= now) {
            torn = ledger.expire(now, queue, |entry, taken, fate| {
                let error = RequestError::TimedOut { after: now.saturating_duration_since(entry.at) };
                events.push(failed(*id, entry, error, line.progress(entry, taken), fate));
            });
        }
        match torn {
            Some(id) => self.end(CloseReason::TornFrame(id)),
            None => self.end_if_hopeless(),
        }
        if self.rest.is_over(now) {
            self.release();
        }
    }

    fn is_over(&self) -> bool {
        self.closed.is_some() && self.events.is_empty()
    }
}

impl ClientConnection {
    /// Gives back memory that is not in use: nothing has moved for a while.
    fn release(&mut self) {
        self.decoder.release();
        self.queue.release();
        self.ledger.release();
        self.scratch = Encoder::new();
        self.events.release();
    }
}
