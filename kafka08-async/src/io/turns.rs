//! How much a task does in one turn.

use std::time::{Duration, Instant};

/// How long a stream may take to close after the connection has ended.
pub(crate) const CLOSING: Duration = Duration::from_secs(1);

/// The maximum number of bytes that one turn reads, and the maximum number of its reads and writes. Both are limited
/// because the state is locked during a turn, and handles wait for it.
pub(crate) const READ_PER_TURN: usize = 256 << 10;
pub(crate) const STEPS_PER_TURN: usize = 64;

/// The maximum number of links that the task of a fleet touches in one turn. Without a limit, a turn in which many links are
/// ready would use up what the runtime lets a task do, and touch links that cannot move any more.
pub(crate) const LINKS_PER_TURN: usize = 64;

/// The number of turns in a row that did not read all available bytes, after which a deadline that has passed takes
/// effect nevertheless. They read more than a socket's buffer holds (`tcp_rmem`: 6 MiB). So a response that arrived in
/// time is found before its deadline takes effect, and a peer that sends without pause cannot delay deadlines.
pub(crate) const LAST_TURNS: usize = 32;

/// Decides when a deadline of a connection takes effect.
#[derive(Default)]
pub(crate) struct Overdue {
    /// The number of turns in a row in which a deadline had passed and not all available bytes were read.
    turns: usize,
}

impl Overdue {
    /// Whether `deadline` has passed and takes effect in this turn.
    pub(crate) fn takes_effect(&mut self, deadline: Option<Instant>, now: Instant, has_read_all: bool) -> bool {
        let is_due = deadline.is_some_and(|deadline| deadline <= now);
        let takes_effect = is_due && (has_read_all || self.turns >= LAST_TURNS);
        self.turns = if is_due && !takes_effect { self.turns + 1 } else { 0 };
        takes_effect
    }
}
