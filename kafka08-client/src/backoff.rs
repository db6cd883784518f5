//! How long to wait before a failed attempt is made again.

use std::time::Duration;

use crate::seed::Seed;

/// Exponential back-off with full jitter: the wait before attempt n is drawn between zero and `first` × 2^(n - 1), and
/// never exceeds `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait after any failure.
    pub most: Duration,
}

impl Backoff {
    /// The longest wait after this many failures in a row. No wait after none.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        // 2^31 times any duration is longer than what anyone waits.
        self.first.saturating_mul(1 << doublings.min(31)).min(self.most)
    }

    /// Draws the wait after this many failures in a row.
    pub(crate) fn wait(&self, failures: u32, seed: &mut Seed) -> Duration {
        seed.up_to(self.ceiling(failures))
    }

    /// Draws the wait after this many failures in a row, of which half is fixed. A wait never ends at once, as one with full
    /// jitter may.
    pub(crate) fn wait_half(&self, failures: u32, seed: &mut Seed) -> Duration {
        let half = self.ceiling(failures) / 2;
        half + seed.up_to(half)
    }
}
