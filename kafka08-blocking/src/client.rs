//! The client.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect,
    api::Request,
    connection::{CallError, ClientStats, Closed, ConnectError, HostPort, Prepared, Reply, ResponseFrame, SendError},
    ids::{ConnectionId, CorrelationId},
};

use crate::{
    connect::connect,
    driver::Driver,
    pending::{Dropped, Pending},
};

/// A connection to one broker, for one thread at a time.
///
/// Requests are sent with [`Client::send`], which returns at once, and their answers are taken with [`Client::wait`], in any
/// order. Bytes move only while one of the methods runs: whichever it is, it reads while it waits to write, and keeps the
/// answers it finds for those who will ask. An answer that nobody has taken keeps its place among those that may be in
/// flight ([`ClientConfig::with_max_in_flight`]).
///
/// Dropping a client closes its connection at once, and what is staged is lost; [`Client::close`] lets it leave.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    driver: Driver<S>,
    connection: ClientConnection,
    /// Requests that somebody may wait for, and how those that have ended did.
    claims: BTreeMap<CorrelationId, Option<Outcome>>,
    dropped: Dropped,
    /// Failures of requests that nobody waits for, for the next flush.
    unclaimed: Option<CallError>,
    closed: Option<Closed>,
}

/// An identity for a connection: no two of this crate's have the same one.
fn next_id() -> ConnectionId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}

type Outcome = Result<ResponseFrame, CallError>;

/// Whether to wait for the stream if nothing moves without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    None,
    UntilReady,
    /// But no longer than that.
    UntilReadyOr(Instant),
}

impl Client<TcpStream> {
    /// Connects to a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`.
    ///
    /// Every address of the host is tried, within [`ClientConfig::with_connect_timeout`]; looking the name up takes the time
    /// that the system gives it. `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// The target is no host and port, the name has no address, or no address answers; the error says what was tried.
    pub fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        let target: HostPort = target.parse()?;
        Ok(Self::new(connect(target, config.connect_timeout())?, config))
    }
}

impl<S: Read + Write + AsFd> Client<S> {
    /// A client over a stream that is connected and **non-blocking** already: TLS, a proxy, a Unix socket.
    ///
    /// A stream that blocks would block every method, beyond any timeout. It is read until it would block before it is
    /// waited for, and flushed until it has let everything go, because layers such as TLS have buffers of their own. Let
    /// such a layer finish its handshake first: one that would block on a write, but waits to read, is asked without pause.
    #[must_use]
    pub fn new(stream: S, config: ClientConfig) -> Self {
        Self {
            driver: Driver::new(stream),
            connection: ClientConnection::new(config, next_id()),
            claims: BTreeMap::new(),
            dropped: Dropped::default(),
            unclaimed: None,
            closed: None,
        }
    }

    /// Sends a request and returns at once, with the claim to its answer.
    ///
    /// Where too much is staged, or too many requests are in flight, it first moves bytes until there is room. One write is
    /// tried; the rest leaves in later calls.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, it has no answer to wait for, the connection has ended,
    /// or as many answers as may be in flight wait to be taken ([`SendError::Busy`]: take some).
    pub fn send<R: Request>(&mut self, request: &R) -> Result<Pending<R>, CallError> {
        let prepared = Prepared::checked(request, self.connection.config()).map_err(SendError::Prepare)?;
        self.send_prepared(&prepared)
    }

    /// [`Client::send`] with a timeout of the request's own, instead of [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_with_timeout<R: Request>(&mut self, request: &R, timeout: Duration) -> Result<Pending<R>, CallError> {
        let prepared = Prepared::checked(request, self.connection.config()).map_err(SendError::Prepare)?;
        self.send_prepared(&prepared.with_timeout(timeout))
    }

    fn send_prepared<R: Request>(&mut self, prepared: &Prepared) -> Result<Pending<R>, CallError> {
        if prepared.reply() == Reply::None {
            return Err(CallError::NoResponseExpected);
        }
        if !self.has_place() {
            // Some claims may have been dropped.
            self.turn(Patience::None);
        }
        if !self.has_place() {
            return Err(SendError::Busy.into());
        }
        let id = self.stage(prepared)?;
        let ticket = self.connection.ticket(id).expect("the id was given for this request's API");
        self.claims.insert(id, None);
        self.write_once();
        Ok(Pending::new(ticket, self.dropped.clone()))
    }

    /// Sends a request whose answer, if it has one, nobody will take: above all a produce with acks = 0.
    ///
    /// That it was written, [`Client::flush`] tells. That the broker has acted on it, nothing tells, unless a later answer
    /// on the connection does; see [`Client::closed`].
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, or the connection has ended.
    pub fn send_and_forget<R: Request>(&mut self, request: &R) -> Result<CorrelationId, CallError> {
        let prepared = Prepared::checked(request, self.connection.config()).map_err(SendError::Prepare)?;
        let id = self.stage(&prepared)?;
        if prepared.reply() == Reply::Expected {
            self.connection.forget(id);
        }
        self.write_once();
        Ok(id)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::wait`]; [`CallError::fate`] says whether the broker may have acted on it.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, CallError> {
        let pending = self.send(request)?;
        self.wait(pending)
    }

    /// Waits for an answer. Others that come meanwhile are kept for those who ask for them.
    ///
    /// # Errors
    /// The request has failed, or its answer is malformed; [`CallError::fate`] says whether the broker may have acted on
    /// it. Or it was sent by another client.
    #[expect(clippy::needless_pass_by_value, reason = "an answer can be taken once")]
    pub fn wait<R: Request>(&mut self, pending: Pending<R>) -> Result<R::Response, CallError> {
        loop {
            if let Some(answer) = self.take(&pending) {
                return answer;
            }
            self.turn(Patience::UntilReady);
        }
    }

    /// Takes an answer if it is here, after moving what moves without waiting.
    ///
    /// # Errors
    /// The claim comes back if the answer is not here. The inner error is that of [`Client::wait`].
    pub fn try_wait<R: Request>(&mut self, pending: Pending<R>) -> Result<Result<R::Response, CallError>, Pending<R>> {
        self.turn(Patience::None);
        self.take(&pending).ok_or(pending)
    }

    /// Waits until everything that was sent has been taken by the transport. Says nothing about the broker.
    ///
    /// Reads meanwhile. Each request has its own time to leave; for what the stream keeps in a buffer of its own there is
    /// [`ClientConfig::with_request_timeout`], and then the connection ends.
    ///
    /// # Errors
    /// The connection has ended, be it that everything was taken before; or a request that nobody waits for has failed since
    /// the last flush.
    pub fn flush(&mut self) -> Result<(), CallError> {
        self.drain();
        self.take_events();
        if let Some(error) = self.unclaimed.take() {
            return Err(error);
        }
        self.closed.clone().map_or(Ok(()), |closed| Err(CallError::Closed(closed)))
    }

    /// Lets what is staged leave, for no longer than its requests have time, and closes the connection.
    ///
    /// Requests that are in flight are given up. What comes back says why the connection ended, which may have been before,
    /// and which requests with acks = 0 nothing proves to have been applied.
    pub fn close(mut self) -> Closed {
        self.drain();
        self.connection.close();
        self.take_events();
        self.closed.expect("a connection that was closed has said so")
    }

    /// Why the connection has ended, and what is unconfirmed; `None` while it lives, as far as the last call saw.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.connection.config()
    }

    /// What the connection has done so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.connection.stats()
    }

    /// Stages a request, after making room for it.
    fn stage(&mut self, prepared: &Prepared) -> Result<CorrelationId, CallError> {
        let now = Instant::now();
        loop {
            match self.connection.send(now, prepared) {
                Err(SendError::Busy) => self.turn(Patience::UntilReady),
                other => return Ok(other?),
            }
        }
    }

    /// Whether one more answer may be claimed.
    fn has_place(&self) -> bool {
        self.claims.len() < self.connection.config().max_in_flight()
    }

    /// Lets what is staged leave, also from the stream's own buffer, or the connection end.
    fn drain(&mut self) {
        while self.connection.wants_write() {
            self.turn(Patience::UntilReady);
        }
        // What the stream keeps to itself has no deadline in the connection: it gets the time of one request.
        let until = Instant::now().checked_add(self.config().request_timeout());
        while !self.connection.is_over() && !self.driver.is_flushed(&self.connection) {
            if until.is_some_and(|until| until <= Instant::now()) {
                self.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
                return self.take_events();
            }
            self.turn(until.map_or(Patience::UntilReady, Patience::UntilReadyOr));
        }
    }

    fn write_once(&mut self) {
        self.driver.write(&mut self.connection);
        self.take_events();
    }

    fn take<R: Request>(&mut self, pending: &Pending<R>) -> Option<Result<R::Response, CallError>> {
        let id = pending.id();
        if !pending.is_of(&self.dropped) {
            return Some(Err(CallError::NotOutstanding(id)));
        }
        let outcome = match self.claims.get_mut(&id) {
            None => Some(Err(CallError::NotOutstanding(id))),
            Some(outcome) => outcome.take(),
        }?;
        self.claims.remove(&id);
        Some(outcome.and_then(|frame| {
            pending
                .ticket()
                .redeem(frame)
                .map_err(|error| CallError::from_redeem(id, self.connection.config().peer(), error))
        }))
    }

    /// Moves what moves without waiting; if nothing does, ends what is due or waits.
    fn turn(&mut self, patience: Patience) {
        let mut moved = false;
        // To the point where nothing moves, so that an answer that is here beats its deadline, and a late one saves the
        // connection before the last claim behind it is given up.
        while self.driver.pump(&mut self.connection) {
            moved = true;
            self.take_events();
        }
        self.forget_dropped();
        self.take_events();
        if self.connection.is_over() {
            return;
        }
        let deadline = self.connection.poll_timeout();
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.connection.handle_timeout(now);
            return self.take_events();
        }
        if let Some(error) =
            self.driver.error().filter(|_| !self.driver.can_write() && self.connection.in_flight() == 0)
        {
            // Nothing can be written and no answer is due: there is nothing left to live for.
            let kind = error.kind();
            self.connection.handle_disconnect(Disconnect::Error(kind));
            return self.take_events();
        }
        let until = match patience {
            Patience::UntilReady if !moved => deadline,
            Patience::UntilReadyOr(until) if !moved => Some(deadline.map_or(until, |deadline| deadline.min(until))),
            _ => return,
        };
        self.driver.wait(&self.connection, until);
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event(Instant::now()) {
            match event {
                ClientEvent::Response(frame) => self.end(frame.id, Ok(frame)),
                ClientEvent::Written { .. } => {}
                ClientEvent::Failed { id, .. } => {
                    let peer = self.connection.config().peer();
                    if let Some(error) = CallError::from_event(event, peer, self.driver.error()) {
                        self.end(id, Err(error));
                    }
                }
                ClientEvent::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    /// Keeps how a request ended, for the one who will ask.
    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        match self.claims.get_mut(&id) {
            Some(claim) => *claim = Some(outcome),
            None => self.unclaimed = self.unclaimed.take().or_else(|| outcome.err()),
        }
    }

    /// Forgets requests whose claim was dropped.
    fn forget_dropped(&mut self) {
        for id in self.dropped.take() {
            if matches!(self.claims.remove(&id), Some(None)) {
                self.connection.forget(id);
            }
        }
    }
}
