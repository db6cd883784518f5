//! How many connection attempts are made in a second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

/// Allows at most so many attempts in any second.
#[derive(Debug)]
pub(super) struct Rate {
    /// The times of the last attempts, at most `most`.
    last: VecDeque<Instant>,
    most: usize,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { last: VecDeque::new(), most: usize::try_from(per_second).unwrap_or(usize::MAX).max(1) }
    }

    /// Whether an attempt may be made now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.free_at(0).is_none_or(|at| at <= now)
    }

    /// When an attempt is allowed that has `ahead` others in front of it. `None` if it always is.
    pub(super) fn free_at(&self, ahead: usize) -> Option<Instant> {
        let place = (ahead + self.last.len()).checked_sub(self.most)?;
        // Each second frees as many places as were used in the second before it.
        let (seconds, place) = (place / self.most, place % self.most);
        let wait = SECOND.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1));
        self.last.get(place).or_else(|| self.last.back()).and_then(|at| at.checked_add(wait))
    }

    /// An attempt is made now.
    pub(super) fn note(&mut self, now: Instant) {
        if self.last.len() == self.most {
            self.last.pop_front();
        }
        self.last.push_back(now);
    }
}
