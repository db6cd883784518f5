//! When a connection has been idle for long enough to free memory.

use std::time::{Duration, Instant};

/// How long an idle connection keeps memory that it does not use. A connection with regular traffic never frees any.
const REST: Duration = Duration::from_secs(10);

/// Measures how long a connection has been idle while it keeps memory that it does not use.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Whether something has moved since `last_moved`, at an unknown time.
    has_moved: bool,
    last_moved: Option<Instant>,
    /// When to look whether the connection is idle. It does not move with each byte, so that a driver need not set its timer
    /// with each byte.
    look_at: Option<Instant>,
}

impl Rest {
    /// Notes that something moves now.
    pub(super) fn note_moved_at(&mut self, now: Instant) {
        self.last_moved = Some(now);
        self.has_moved = false;
    }

    /// Notes that something moves at an unknown time.
    pub(super) fn note_moved(&mut self) {
        self.has_moved = true;
    }

    /// Sets the timer if the connection keeps memory that could be freed, and takes it away otherwise.
    ///
    /// A server that answers more than [`REST`] after the last byte has come does not know the time. Then the timer has passed
    /// already, and the driver's call tells the time from which the next one counts. That is one turn more for such an answer.
    pub(super) fn set(&mut self, keeps_memory: bool) {
        if !keeps_memory {
            self.look_at = None;
        // One that is set already stays: moving it with each byte would have a driver set its timer with each byte.
        } else if self.look_at.is_none() {
            self.look_at = self.last_moved.and_then(|at| at.checked_add(REST));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether it is time to free memory.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        if self.has_moved {
            // It was before now; counting from now is safe.
            self.note_moved_at(now);
        }
        self.look_at = self.last_moved.and_then(|at| at.checked_add(REST)).filter(|&at| at > now);
        self.look_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_rest_is_over_ten_seconds_after_the_last_move_and_not_before() {
        let start = start();
        let mut rest = Rest::default();
        rest.note_moved_at(start);
        rest.set(true);
        assert_eq!(rest.poll_timeout(), Some(start + REST));
        assert!(!rest.is_over(start + REST - SECOND), "it is too early");
        assert!(rest.is_over(start + REST));
        assert_eq!(rest.poll_timeout(), None);
    }

    #[test]
    fn a_rest_that_is_noticed_late_is_over_too() {
        let start = start();
        let mut rest = Rest::default();
        rest.note_moved_at(start);
        rest.set(true);
        assert!(rest.is_over(start + REST + SECOND));
    }

    #[test]
    fn what_moves_meanwhile_puts_the_end_off_and_the_timer_only_once() {
        let start = start();
        let mut rest = Rest::default();
        for seconds in 0..8 {
            rest.note_moved_at(start + SECOND * seconds);
            rest.set(true);
            assert_eq!(rest.poll_timeout(), Some(start + REST), "the timer stays");
        }
        assert!(!rest.is_over(start + REST));
        assert_eq!(rest.poll_timeout(), Some(start + SECOND * 7 + REST));
        assert!(!rest.is_over(start + SECOND * 6 + REST));
        assert!(rest.is_over(start + SECOND * 7 + REST));
    }

    #[test]
    fn with_nothing_to_give_back_there_is_no_timer() {
        let mut rest = Rest::default();
        rest.note_moved_at(start());
        rest.set(false);
        assert_eq!(rest.poll_timeout(), None);
        assert!(!rest.is_over(start() + REST * 2));
    }

    #[test]
    fn what_moves_at_a_time_that_is_not_told_puts_the_end_off_too() {
        let start = start();
        let mut rest = Rest::default();
        rest.note_moved_at(start);
        rest.set(true);
        rest.note_moved();
        assert!(!rest.is_over(start + REST));
        assert_eq!(rest.poll_timeout(), Some(start + REST + REST));
        assert!(rest.is_over(start + REST + REST));
    }
}
