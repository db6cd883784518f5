//! Reads, writes and handles deadlines. All other methods wait by means of this module.

use std::{
    io::{ErrorKind, Read, Write},
    mem,
    os::fd::AsFd,
    time::Instant,
};

use kafka08_proto::{
    ClientEvent, Connection as _, Disconnect,
    adapter::{CallError, CloseReport, FlushError},
    ids::CorrelationId,
};

use super::{
    Client,
    claims::{GivenUp, Outcome},
};

/// The number of reads after which a deadline that has passed takes effect even if more bytes may be available. One
/// read takes up to a mebibyte or a whole frame. All of them together read more than a socket's buffer holds
/// (`tcp_rmem`: 6 MiB). So a response that arrived in time is found before its deadline takes effect, and a peer that
/// sends without pause cannot delay deadlines. Reads that end at a whole frame may be short, so one read for each
/// request in flight is added.
const LAST_READS: usize = 16;

impl<S: Read + Write + AsFd> Client<S> {
    /// Reads and writes without waiting, and ends requests whose deadline has passed. Returns whether anything changed.
    /// If it returns true, call it again before you poll the socket.
    ///
    /// Use it to wait for several clients together.
    pub fn turn(&mut self) -> bool {
        self.step()
    }

    /// Writes staged requests, as far as the stream takes them without waiting. Returns whether anything changed.
    ///
    /// Use it before you process a response for long or do other work, so that the broker can work meanwhile. Unlike
    /// [`Client::turn`], it does not read. So the response that you process stays in the processor's cache, and bytes
    /// that arrive are read later in fewer and larger pieces. If a deadline has passed, it does the same as `turn`,
    /// because expired requests must not be written.
    pub fn write(&mut self) -> bool {
        let now = Instant::now();
        if self.is_due(now) { self.step() } else { self.write_staged() }
    }

    /// Waits until all staged requests were written, and the stream's own buffer was flushed. This does not mean that
    /// the broker has acted on them.
    ///
    /// It does not wait for responses, but reads them while it waits. *Time*: each staged request can take until its
    /// own timeout. After that, the stream's own buffer can take until [`ClientConfig::with_request_timeout`]; then the
    /// connection ends.
    ///
    /// # Errors
    /// Requests that nobody waits for have failed since the last flush; the error lists all of them. Or the connection
    /// has ended, even if all bytes had been written before.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub fn flush(&mut self) -> Result<(), FlushError> {
        self.drain();
        FlushError::check(mem::take(&mut self.untold), self.closed.clone())
    }

    /// Writes all staged requests, and closes the connection.
    ///
    /// *Time*: as [`Client::flush`]. Requests without a response until then are given up.
    ///
    /// The report says why the connection has ended, which may have been before this call. It lists the requests with
    /// acks = 0 that the broker may not have applied, the requests that were given up, and those whose failure was not
    /// reported yet.
    pub fn close(mut self) -> CloseReport {
        self.drain();
        // Nobody can wait for a response any more. Outcomes that were not taken come first, because those requests
        // failed first.
        self.untold.extend(self.claims.give_up_all());
        self.connection.close();
        self.take_events();
        let closed = self.closed.take().expect("a closed connection reports why it has ended");
        CloseReport::new(closed, mem::take(&mut self.untold))
    }

    /// Writes all staged requests, and flushes the stream's own buffer, unless the connection ends before.
    fn drain(&mut self) {
        // Reads even if nothing is staged, because the connection may have ended.
        self.step();
        while self.connection.wants_write() {
            self.turn_until(None);
        }
        // The connection has no deadline for bytes in the stream's own buffer. They get the timeout of one request.
        let until = Instant::now().checked_add(self.config().request_timeout());
        while !self.connection.is_over() && !self.driver.is_flushed(&self.connection) {
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                self.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
                return self.take_events();
            }
            self.turn_until(until);
        }
        self.adopt_dropped();
        self.forget_orphans();
    }

    /// Reads and writes without waiting. If nothing changed, waits for the stream, the next deadline, or `until`.
    pub(super) fn turn_until(&mut self, until: Option<Instant>) {
        // A read that would find nothing is skipped, because it costs about as much as the wait. It can be skipped only
        // if all of these conditions hold. Otherwise a step may move something, and a wait for the socket might never
        // end.
        let has_only_to_wait = self.driver.is_drained()
            && self.connection.wants_read()
            && !self.driver.wants_write(&self.connection)
            && self.dropped.is_empty();
        if !has_only_to_wait && (self.step() || self.connection.is_over()) {
            return;
        }
        let deadline = [self.connection.poll_timeout(), until].into_iter().flatten().min();
        self.driver.wait(&self.connection, deadline);
    }

    /// Reads and writes without waiting, and ends requests whose deadline has passed. Returns whether anything changed.
    /// If so, a request may have ended that a caller waits for.
    ///
    /// Reading comes first, so that the end of the connection is found before anything is written, and a response that
    /// has arrived in time is found before its deadline takes effect. Deadlines are handled before writing, so that
    /// expired requests are not written.
    pub(super) fn step(&mut self) -> bool {
        if self.connection.is_over() {
            return false;
        }
        let now = Instant::now();
        self.trace.note_time(now);
        let has_read = self.read(now);
        self.adopt_dropped();
        let was_due = self.is_due(now);
        if was_due {
            self.connection.handle_timeout(now);
            self.take_events();
        }
        let has_written = self.write_staged();
        self.forget_orphans();
        has_read || has_written || was_due
    }

    fn is_due(&self, now: Instant) -> bool {
        self.connection.poll_timeout().is_some_and(|deadline| deadline <= now)
    }

    /// Reads some of the available bytes, or all of them if a deadline has passed or a claim was dropped.
    pub(super) fn read(&mut self, now: Instant) -> bool {
        // All bytes are read before claims are given up. A late response may be among them, and without it the
        // connection ends if no live request remains behind it.
        let to_the_last = self.is_due(now) || !self.dropped.is_empty();
        // Otherwise one read is enough for a turn, so that responses are given to callers before more bytes are read.
        let reads = if to_the_last { LAST_READS + self.connection.in_flight() } else { 1 };
        let mut moved = false;
        for _ in 0..reads {
            if !self.driver.read(now, &mut self.connection) {
                break;
            }
            moved = true;
            self.take_events();
        }
        moved
    }

    pub(super) fn write_staged(&mut self) -> bool {
        let moved = self.driver.write(&mut self.connection);
        self.take_events();
        moved
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => self.end(frame.id, Ok(frame)),
                ClientEvent::Written { id, .. } => self.trace.note_written(id),
                ClientEvent::Failed { id, .. } => {
                    let peer = self.connection.config().peer();
                    if let Some(error) = CallError::from_event(event, peer, self.driver.error()) {
                        self.end(id, Err(Box::new(error)));
                    }
                }
                ClientEvent::Closed(closed) => {
                    self.trace.note_closed(&closed);
                    self.closed = Some(closed);
                }
            }
        }
        self.teller.tell(self.trace.take());
    }

    /// Stores the outcome of a request for the caller who holds the claim. Without a claim, a failure is kept for the
    /// next flush, and a response is dropped.
    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        self.trace.note_ended(id, outcome.as_ref().map_err(|error| &**error));
        if let Some(outcome) = self.claims.end(id, outcome) {
            // The request has ended, so it needs no `forget`.
            self.orphans.remove(&id);
            self.untold.extend(outcome.err().map(|error| *error));
        }
    }

    /// Removes the claims that were dropped.
    fn adopt_dropped(&mut self) {
        for id in self.dropped.take() {
            match self.claims.give_up(id) {
                // The connection forgets the request only after it was written, because its failure must be reported
                // until then.
                GivenUp::Waiting => {
                    self.orphans.insert(id);
                }
                GivenUp::Ended(Err(error)) => self.untold.push(*error),
                GivenUp::Ended(Ok(_)) | GivenUp::Unknown => {}
            }
        }
    }

    /// Gives up the responses to requests whose claim was dropped, once all requests are written.
    fn forget_orphans(&mut self) {
        if !self.orphans.is_empty() && !self.connection.wants_write() {
            for id in mem::take(&mut self.orphans) {
                self.connection.forget(id);
                self.trace.note_given_up(id);
            }
            self.take_events();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use kafka08_proto::{ClientConfig, api::MetadataRequest};

    use super::*;

    #[test]
    fn what_is_kept_of_dropped_claims_ends_with_their_requests() {
        let (socket, mut peer) = UnixStream::pair().expect("a pair of sockets");
        socket.set_nonblocking(true).expect("a setting");
        let mut client = Client::of_socket(socket, ClientConfig::default());
        let mut unanswered = None;
        for _ in 0..1000 {
            // One request is always in flight, so each request is staged, and its claim is dropped before it is
            // written.
            let pending = client.send(&MetadataRequest::all()).expect("there is room");
            let id = pending.id();
            drop(pending);
            client.adopt_dropped();
            if let Some(CorrelationId(id)) = unanswered.replace(id) {
                // Length, correlation id, no brokers and no topics.
                peer.write_all(&[&[0, 0, 0, 12][..], &id.to_be_bytes(), &[0; 8]].concat()).expect("there is room");
            }
            client.read(Instant::now());
            assert!(client.orphans.len() <= 1, "{:?}", client.orphans);
            client.driver.write(&mut client.connection);
            // Otherwise the peer's buffer would become full.
            peer.read_exact(&mut [0; 25]).expect("a request is here");
        }
        client.turn();
        assert!(client.orphans.is_empty());
        assert_eq!(client.claims.len(), 0);
    }
}
