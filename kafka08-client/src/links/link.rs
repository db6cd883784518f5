//! One link: an attempt to connect, and the connection that comes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{ClientConnection, Connection as _, HostPort};

use super::{Peer, Token, peer::Purpose, peers::Epoch, requests::Requests};
use crate::config::ClusterConfig;

/// One attempt to connect, and what comes of it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) purpose: Purpose,
    pub(super) address: Arc<HostPort>,
    /// The epoch of the peer when the attempt began.
    pub(super) epoch: Epoch,
    pub(super) state: State,
    /// The time under which the link stands in the schedule.
    pub(super) due: Option<Instant>,
    /// Whether the driver is to be told that there is something to write.
    pub(super) is_named: bool,
    /// What the numbers for users have of it.
    pub(super) share: Share,
}

/// The states of a link. It only moves downwards, or is removed.
#[derive(Debug)]
pub(super) enum State {
    Connecting,
    /// It is connected, and takes requests or drains.
    Open(Box<Open>),
    /// It is connected for a probe, which owns the connection.
    Probing,
}

/// A link that is connected.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: ClientConnection,
    pub(super) requests: Requests,
    /// It takes no more requests, and ends with the last one in flight.
    pub(super) is_draining: bool,
    /// The layer above waits for room.
    pub(super) is_awaited: bool,
    /// The silence of the peer was told, and it has not answered since.
    pub(super) is_silent: bool,
    /// A request has failed because the connection has ended.
    pub(super) has_lost: bool,
    /// What the system has said of the failed read or write that has ended it.
    pub(super) said: Option<Arc<str>>,
    /// When the last answer has come.
    pub(super) answered_at: Option<Instant>,
    /// When something was sent or has ended for the last time.
    pub(super) moved_at: Instant,
}

/// What one link adds to the numbers. It is renewed whenever the link was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Share {
    pub(super) connecting: usize,
    pub(super) ready: usize,
    pub(super) draining: usize,
    pub(super) staged: usize,
}

impl Share {
    pub(super) fn of(state: &State) -> Self {
        let none = Self::default();
        match state {
            State::Connecting => Self { connecting: 1, ..none },
            State::Open(open) if open.is_draining => Self { draining: 1, staged: open.connection.staged(), ..none },
            State::Open(open) => Self { ready: 1, staged: open.connection.staged(), ..none },
            // A probe takes no requests of others.
            State::Probing => none,
        }
    }

    /// Puts another share in the place of one that was added before.
    pub(super) fn replace(&mut self, before: Self, now: Self) {
        self.connecting = self.connecting + now.connecting - before.connecting;
        self.ready = self.ready + now.ready - before.ready;
        self.draining = self.draining + now.draining - before.draining;
        self.staged = self.staged + now.staged - before.staged;
    }
}

/// The shortest time in which a first answer is expected. Brokers may be far away.
const SHORTEST_SILENCE: Duration = Duration::from_millis(250);

/// How long a link may be silent, and how long it may be idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) silence: Duration,
    /// The same for a link that has never been answered.
    pub(super) first_silence: Duration,
    pub(super) max_idle: Duration,
}

impl Patience {
    pub(super) fn of(config: &ClusterConfig) -> Self {
        // A list whose first entries are silent leads to its last one within the time of one connection.
        let shares = u32::try_from(config.bootstrap.len()).unwrap_or(u32::MAX).saturating_add(1);
        let share = config.client.connect_timeout() / shares;
        Self {
            silence: config.silence,
            first_silence: share.max(SHORTEST_SILENCE).min(config.silence),
            max_idle: config.max_idle,
        }
    }
}

impl Open {
    pub(super) fn new(connection: ClientConnection, now: Instant) -> Self {
        Self {
            connection,
            requests: Requests::default(),
            is_draining: false,
            is_awaited: false,
            is_silent: false,
            has_lost: false,
            said: None,
            answered_at: None,
            moved_at: now,
        }
    }

    /// Takes note of the answers that the connection has received. Returns the token of the last one.
    pub(super) fn note_answers(&mut self, now: Instant) -> Option<Token> {
        let answers = self.connection.stats().responses;
        if answers == self.requests.answers() {
            return None;
        }
        self.answered_at = Some(now);
        self.moved_at = now;
        self.is_silent = false;
        // Also for dropped answers: they prove that the broker is alive, and free their places.
        self.requests.note_answers(answers)
    }

    /// Whether nothing is in flight and nothing is unconfirmed.
    pub(super) fn is_idle(&self) -> bool {
        !self.requests.is_busy() && !self.has_lost && self.requests.unconfirmed() == 0
    }

    /// When the silence of the peer is to be told.
    pub(super) fn silent_at(&self, patience: Patience) -> Option<Instant> {
        // The requests of a draining link are left to it. Nothing is decided by its silence.
        if self.is_silent || self.is_draining {
            return None;
        }
        let silence = if self.answered_at.is_none() { patience.first_silence } else { patience.silence };
        self.requests.silent_at(self.answered_at, silence)
    }

    /// When the link has been idle for too long.
    pub(super) fn idle_at(&self, patience: Patience) -> Option<Instant> {
        // Closing it would leave unconfirmed requests so for ever.
        if self.is_idle() { self.moved_at.checked_add(patience.max_idle) } else { None }
    }

    /// When to look at the link next, if nothing moves on it.
    pub(super) fn due(&self, patience: Patience) -> Option<Instant> {
        let times = [self.connection.poll_timeout(), self.silent_at(patience), self.idle_at(patience)];
        times.into_iter().flatten().min()
    }
}
