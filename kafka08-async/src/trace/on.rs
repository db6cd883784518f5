//! Tells `tracing`.

use std::{
    collections::HashMap,
    io, mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use kafka08_proto::{
    ClientConfig, HostPort,
    adapter::{CallError, ConnectError},
    connection::{Closed, ResponseFrame},
    ids::{Api, ConnectionId, CorrelationId},
};
use tracing::{Span, debug, warn, warn_span};

use super::Served;

/// Notes what happens to the requests of one connection.
#[derive(Debug, Default)]
pub struct Trace {
    is_on: bool,
    /// The latest time that was told.
    now: Option<Instant>,
    /// When the requests in flight were staged, and which they are. At most as many as may be in flight.
    staged: HashMap<CorrelationId, (Instant, Api)>,
    notes: Vec<Note>,
}

/// What was noted, in order.
#[derive(Debug, Default)]
pub struct Notes(Vec<Note>);

#[derive(Debug)]
enum Note {
    Staged { id: CorrelationId, api: Api, bytes: usize },
    Written { id: CorrelationId, api: Api, elapsed: Duration },
    Response { id: CorrelationId, api: Api, bytes: usize, elapsed: Duration },
    Failed { id: CorrelationId, api: Option<Api>, elapsed: Duration, error: String },
    GivenUp { id: CorrelationId, api: Api, elapsed: Duration },
    Closed { reason: String },
}

/// Tells what was noted, in the span of its connection.
#[derive(Debug)]
pub struct Teller(Span);

impl Trace {
    /// Notes that a request was staged, with the length of its frame.
    pub fn note_staged(&mut self, now: Instant, id: CorrelationId, api: Api, bytes: usize) {
        if self.is_on {
            self.staged.insert(id, (now, api));
            self.notes.push(Note::Staged { id, api, bytes });
        }
    }

    /// Notes the time, from which durations are computed.
    pub fn note_time(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// Notes that the transport has taken a request that has no response.
    pub fn note_written(&mut self, id: CorrelationId) {
        if let Some((at, api)) = self.staged.remove(&id) {
            self.notes.push(Note::Written { id, api, elapsed: self.since(at) });
        }
    }

    /// Notes that nobody waits for a response any more.
    pub fn note_given_up(&mut self, id: CorrelationId) {
        if let Some((at, api)) = self.staged.remove(&id) {
            self.notes.push(Note::GivenUp { id, api, elapsed: self.since(at) });
        }
    }

    fn since(&self, at: Instant) -> Duration {
        self.now.map(|now| now.saturating_duration_since(at)).unwrap_or_default()
    }

    /// Notes how a request has ended.
    pub fn note_ended(&mut self, id: CorrelationId, outcome: Result<&ResponseFrame, &CallError>) {
        if !self.is_on {
            return;
        }
        // A request whose claim was dropped may still be answered, and was removed then.
        let staged = self.staged.remove(&id);
        let elapsed = staged.map(|(at, _)| self.since(at)).unwrap_or_default();
        self.notes.push(match outcome {
            Ok(frame) => Note::Response { id, api: frame.api, bytes: frame.body.len(), elapsed },
            Err(error) => Note::Failed { id, api: staged.map(|(_, api)| api), elapsed, error: error.to_string() },
        });
    }

    /// Notes that the connection has ended.
    pub fn note_closed(&mut self, closed: &Closed) {
        if self.is_on {
            // Each request in flight was noted as failed, except those that were given up.
            self.staged.clear();
            self.notes.push(Note::Closed { reason: closed.to_string() });
        }
    }

    /// Takes what was noted.
    pub fn take(&mut self) -> Notes {
        Notes(mem::take(&mut self.notes))
    }
}

impl Teller {
    /// Opens the span of a connection. If nobody listens to it, nothing is noted.
    #[must_use]
    pub fn new(config: &ClientConfig, connection: ConnectionId) -> (Self, Trace) {
        let peer = config.peer().map(tracing::field::display);
        // A span of this level is there whenever failures are told.
        let span = warn_span!("connection", peer, connection = connection.0);
        let trace = Trace { is_on: !span.is_disabled(), ..Trace::default() };
        (Self(span), trace)
    }

    /// Tells what was noted. Call it while nothing is locked.
    pub fn tell(&self, notes: Notes) {
        for note in notes.0 {
            match note {
                Note::Staged { id, api, bytes } => debug!(parent: &self.0, id = id.0, %api, bytes, "request"),
                Note::Written { id, api, elapsed } => {
                    debug!(parent: &self.0, id = id.0, %api, ?elapsed, "written without a response")
                }
                Note::Response { id, api, bytes, elapsed } => {
                    debug!(parent: &self.0, id = id.0, %api, bytes, ?elapsed, "response")
                }
                Note::Failed { id, api, elapsed, error } => {
                    let api = api.map(tracing::field::display);
                    warn!(parent: &self.0, id = id.0, api, ?elapsed, error, "request failed")
                }
                Note::GivenUp { id, api, elapsed } => {
                    debug!(parent: &self.0, id = id.0, %api, ?elapsed, "request given up")
                }
                Note::Closed { reason } => debug!(parent: &self.0, reason, "connection ended"),
            }
        }
    }
}

/// The brokers of a list, as a user writes them.
pub(super) fn listed(brokers: &[HostPort]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Tells how connecting has ended.
pub fn connect_ended(target: &HostPort, started: Instant, now: Instant, outcome: Result<SocketAddr, &ConnectError>) {
    let span = warn_span!("connect", %target);
    let elapsed = now.saturating_duration_since(started);
    match outcome {
        Ok(address) => debug!(parent: &span, %address, ?elapsed, "connected"),
        Err(error) => warn!(parent: &span, ?elapsed, %error, "connecting failed"),
    }
}

/// Tells what has happened on the connection of a client of a server.
pub(crate) fn served(connection: ConnectionId, what: Served<'_>) {
    let connection = connection.0;
    match what {
        Served::Request { id, api, bytes } => debug!(connection, id = id.0, %api, bytes, "request received"),
        Served::Response { id, api } => debug!(connection, id = id.0, %api, "response staged"),
        Served::Refused => warn!(connection, "connection refused: as many are open as ServeConfig allows"),
        Served::Ended(reason) => debug!(connection, %reason, "client's connection ended"),
    }
}

/// Tells that a connection could not be accepted.
pub(crate) fn accept_failed(error: &io::Error) {
    warn!(%error, "a connection could not be accepted");
}
