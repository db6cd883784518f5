//! Moving bytes, and ending what is due: what all the other methods wait with.

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

/// Reads, of a mebibyte or a whole frame each, after which a deadline that has come counts although more may be here. It is
/// more than a socket's buffer holds (`tcp_rmem`: 6 MiB), so an answer that was here in time beats its deadline, and a peer
/// that sends without pause cannot put deadlines off. Whole frames come on top, of which there are as many as requests.
const LAST_READS: usize = 16;

impl<S: Read + Write + AsFd> Client<S> {
    /// Moves what moves without waiting, and ends what is due. Returns whether anything moved: then call it again before
    /// the socket is polled.
    ///
    /// Use it to wait for several clients together.
    pub fn turn(&mut self) -> bool {
        self.step()
    }

    /// Writes what is staged, as far as the stream takes it without waiting. Returns whether it took anything.
    ///
    /// Use it before you look at an answer for long, or turn to other work: the broker works meanwhile. Unlike
    /// [`Client::turn`] it does not read, so that the answer in your hands stays in the processor's cache, and what arrives
    /// is read later in fewer and larger pieces. Only if a deadline has come it does what `turn` does, because what has
    /// expired is not written.
    pub fn write(&mut self) -> bool {
        let now = Instant::now();
        if self.is_due(now) { self.step() } else { self.write_staged() }
    }

    /// Waits until everything staged has left, also from the stream's own buffer. That says nothing about the broker.
    ///
    /// It does not wait for answers, and reads meanwhile. *Time*: each request that is staged has its own timeout to leave;
    /// for what the stream keeps in a buffer of its own there is [`ClientConfig::with_request_timeout`], and then the
    /// connection ends.
    ///
    /// # Errors
    /// Requests that nobody waits for have failed since the last flush: all of them are listed. Or the connection has ended,
    /// even if everything had left before.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub fn flush(&mut self) -> Result<(), FlushError> {
        self.drain();
        FlushError::check(mem::take(&mut self.untold), self.closed.clone())
    }

    /// Lets what is staged leave, and closes the connection.
    ///
    /// *Time*: that of [`Client::flush`]. Requests that are not answered are given up.
    ///
    /// The report says why the connection ended, which may have been before, and which requests with acks = 0 nothing proves
    /// to have been applied. It lists every request that has failed and was not told, and those that were given up.
    pub fn close(mut self) -> CloseReport {
        self.drain();
        // Nobody can wait any more. Outcomes that were not taken come first, as those requests failed first.
        self.untold.extend(self.claims.give_up_all());
        self.connection.close();
        self.take_events();
        let closed = self.closed.take().expect("a connection that was closed has said so");
        CloseReport::new(closed, mem::take(&mut self.untold))
    }

    /// Lets what is staged leave, also from the stream's own buffer, or the connection end.
    fn drain(&mut self) {
        // In any case what has arrived is looked at: the connection may have ended.
        self.step();
        while self.connection.wants_write() {
            self.turn_until(None);
        }
        // What the stream keeps to itself has no deadline in the connection: it gets the time of one request.
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

    /// Moves what moves without waiting; if nothing does, waits for the stream, the next deadline, or `until`.
    pub(super) fn turn_until(&mut self, until: Option<Instant>) {
        // A read that would find nothing is saved: it costs about as much as the wait itself.
        // Unless all of this holds, a turn may move something, and a wait for the socket might never end.
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

    /// Moves what moves without waiting, and ends what is due. Returns whether there was anything: then something may have
    /// ended that a caller waits for.
    ///
    /// Reading comes first: an end that is here is found before anything is written, and an answer that is here beats its
    /// deadline. What is due ends before writing, so that it does not leave any more.
    pub(super) fn step(&mut self) -> bool {
        if self.connection.is_over() {
            return false;
        }
        let now = Instant::now();
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

    /// Reads what is here, or some of it unless it matters what is the last of it.
    pub(super) fn read(&mut self, now: Instant) -> bool {
        // A late answer that is here saves the connection before the last claim behind it is given up.
        let to_the_last = self.is_due(now) || !self.dropped.is_empty();
        // Otherwise one read a turn, so that what has come is given out before more is taken in.
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
                ClientEvent::Written { .. } => {}
                ClientEvent::Failed { id, .. } => {
                    let peer = self.connection.config().peer();
                    if let Some(error) = CallError::from_event(event, peer, self.driver.error()) {
                        self.end(id, Err(Box::new(error)));
                    }
                }
                ClientEvent::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    /// Keeps how a request ended, for the one who will ask. An answer that nobody will ask for is dropped.
    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        if let Some(outcome) = self.claims.end(id, outcome) {
            // It has ended, so that there is nothing left to be forgotten.
            self.orphans.remove(&id);
            self.untold.extend(outcome.err().map(|error| *error));
        }
    }

    /// Takes out claims that were dropped.
    fn adopt_dropped(&mut self) {
        for id in self.dropped.take() {
            match self.claims.give_up(id) {
                // The connection is told when it is written: until then its failure is to be heard of.
                GivenUp::Waiting => {
                    self.orphans.insert(id);
                }
                GivenUp::Ended(Err(error)) => self.untold.push(*error),
                GivenUp::Ended(Ok(_)) | GivenUp::Unknown => {}
            }
        }
    }

    /// Gives up the answers to requests whose claim was dropped, if all of them are written.
    fn forget_orphans(&mut self) {
        if !self.orphans.is_empty() && !self.connection.wants_write() {
            for id in mem::take(&mut self.orphans) {
                self.connection.forget(id);
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
            // There is always one in flight, so each is staged, and its claim dropped before it is written.
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
            // Otherwise its buffer would be full some day.
            peer.read_exact(&mut [0; 25]).expect("a request is here");
        }
        client.turn();
        assert!(client.orphans.is_empty());
        assert_eq!(client.claims.len(), 0);
    }
}
