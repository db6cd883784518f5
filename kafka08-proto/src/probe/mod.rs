//! Which release a broker has. The probe uses up to two connections of its own, and does no I/O.
//!
//! Kafka 0.8 has no request that tells the version, and a broker closes the connection on a request that it does not know. So
//! the probe sends requests that some releases answer and others do not. It stages each request when the one before it is
//! answered:
//!
//! | connection | request | if it is answered | if the peer closes the connection |
//! |---|---|---|---|
//! | first | ListOffsets v0 of no topics | send Heartbeat | if no byte has come: connect again, send ApiVersions |
//! | first | Heartbeat v0 | -1: 0.8.2; another code: 0.9 to 3.9 | connect again, send ListOffsets, then OffsetFetch |
//! | second | ListOffsets v0 of no topics | send OffsetFetch | undetermined: the broker is stopping |
//! | second | OffsetFetch v0 of no topics | send Heartbeat again | 0.8.0 |
//! | second | Heartbeat v0 | as on the first connection, which ended for another cause | 0.8.1 |
//! | second | ApiVersions v0 | without ListOffsets v0: 4.0 or later | undetermined: perhaps not a Kafka broker |
//!
//! None of them creates or changes anything on the broker. The largest response is that of ApiVersions, which has six bytes for
//! each API. All other responses have four bytes at most, whatever the size of the cluster.
//!
//! A close counts only if it is clean: the whole request was written, and the stream ended between two frames. A reset, a
//! timeout or a part of a response tells nothing about the release. A broker that stops, or a proxy, may close cleanly at the
//! moment of a question, so one close alone does not make a broker 0.8.1.

mod api_versions;
mod asking;
mod connection;
mod undetermined;

use std::{fmt, io, time::Instant};

use asking::{Asking, Outcome, Question};
pub use connection::ProbeConnection;
pub use undetermined::{Undetermined, UndeterminedReason};

use crate::{
    connection::{ClientConfig, ClientConnection},
    profile::Profile,
};

/// Finds out a broker's release.
///
/// Ask [`Probe::poll_step`] what to do, do it, and ask again:
///
/// * [`ProbeStep::Connect`]: drop the transport of before, connect to the same broker anew, and call
///   [`Probe::handle_connected`] or [`Probe::handle_connect_failed`].
/// * [`ProbeStep::Pump`]: read, write and tell the time for [`Probe::connection`], as for any other
///   [`Connection`](crate::Connection).
/// * [`ProbeStep::Done`]: that is the answer.
///
/// The probe makes at most two connections, one after the other, and sends at most three small requests on each. Each request
/// has the time of [`ClientConfig::with_request_timeout`]. Nothing is created or changed on the broker.
///
/// Both connections must lead to the same broker: a name with several addresses, or a load balancer, may lead to brokers of
/// different releases while a cluster is upgraded.
#[derive(Debug)]
pub struct Probe {
    config: ClientConfig,
    /// The last request of the next connection.
    goal: Question,
    state: State,
}

/// What the driver of a [`Probe`] has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Connect to the broker, on a new transport.
    Connect,
    /// Move bytes for [`Probe::connection`].
    Pump,
    /// The broker's release is known, or cannot be found out.
    Done(Release),
}

/// What a [`Probe`] has found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// A release of 0.8.
    Known(Profile),
    /// A release newer than 0.8 that still answers the requests of 0.8.2: 0.9 to 3.9.
    Newer,
    /// A release that has dropped the versions of 0.8, except for a few requests such as Metadata: 4.0 or later. It closes
    /// the connection on Produce, Fetch, ListOffsets and OffsetCommit.
    TooNew,
    /// The release could not be found out.
    Undetermined(Undetermined),
}

#[derive(Debug)]
enum State {
    Unconnected,
    Asking(Box<Asking>),
    Done(Release),
}

impl Probe {
    /// Creates a probe whose connections have these settings. Their profile is not used.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self { config, goal: Question::Heartbeat, state: State::Unconnected }
    }

    /// Returns what the driver has to do next.
    pub fn poll_step(&mut self, now: Instant) -> ProbeStep {
        if let State::Asking(asking) = &mut self.state
            && let Some(outcome) = asking.poll_outcome(now)
        {
            self.state = match outcome {
                Outcome::ConnectFor(goal) => {
                    self.goal = goal;
                    State::Unconnected
                }
                Outcome::Found(release) => State::Done(release),
                Outcome::NotFound(reason) => self.not_found(reason),
            };
        }
        match &self.state {
            State::Unconnected => ProbeStep::Connect,
            State::Asking(_) => ProbeStep::Pump,
            State::Done(release) => ProbeStep::Done(release.clone()),
        }
    }

    /// The connection whose bytes the driver moves. `None` unless [`Probe::poll_step`] has returned [`ProbeStep::Pump`], or
    /// [`Probe::handle_connected`] was called after it.
    pub fn connection(&mut self) -> Option<&mut ProbeConnection> {
        match &mut self.state {
            State::Asking(asking) => Some(&mut asking.connection),
            State::Unconnected | State::Done(_) => None,
        }
    }

    /// The same connection as a [`ClientConnection`], for a driver that moves the bytes of other connections too. Its events
    /// and its commands are the probe's: only move its bytes, and tell it the time.
    pub fn client_connection(&mut self) -> Option<&mut ClientConnection> {
        self.connection().map(|connection| &mut connection.0)
    }

    /// The driver has connected. Stages the first request of the connection.
    pub fn handle_connected(&mut self, now: Instant) {
        self.state = match Asking::start(self.config.clone(), self.goal, now) {
            Ok(asking) => State::Asking(Box::new(asking)),
            Err(error) => self.not_found(UndeterminedReason::NotSent(error)),
        };
    }

    /// The driver could not connect. This ends the probe.
    pub fn handle_connect_failed(&mut self, why: io::ErrorKind) {
        self.state = self.not_found(UndeterminedReason::NotConnected(why));
    }

    fn not_found(&self, reason: UndeterminedReason) -> State {
        State::Done(Release::Undetermined(Undetermined { peer: self.config.peer().cloned(), reason }))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(profile) => write!(f, "{profile}"),
            Self::Newer => f.write_str("Kafka 0.9 to 3.9, which still answers the requests of 0.8.2"),
            Self::TooNew => f.write_str("Kafka 4.0 or later, which is too new: it has dropped most requests of 0.8"),
            Self::Undetermined(why) => write!(f, "{why}"),
        }
    }
}
