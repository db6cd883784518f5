//! What producers and consumers need beside what they share with their tasks: a machine is a field of its task, and meets what
//! handles change once a turn.
//!
//! | file | what it owns |
//! |---|---|
//! | `contact` | whether a broker has answered |
//! | `news` | what is done after the lock is released |
//! | `timed` | a machine, and a time at which those who wait are looked at |

mod contact;
mod news;
mod timed;

use std::time::{Duration, Instant};

pub(crate) use contact::Contact;
pub(crate) use news::News;
pub(crate) use timed::Timed;

/// A time that a clock may be unable to hold is none that anybody waits for.
pub(crate) fn deadline(now: Instant, within: Duration) -> Instant {
    now.checked_add(within).unwrap_or_else(|| now + Duration::from_secs(1 << 30))
}

/// A time that was measured, as texts tell it.
pub(crate) fn in_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
