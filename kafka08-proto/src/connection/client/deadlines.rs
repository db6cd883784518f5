//! The deadlines of a connection's requests, earliest first.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use crate::ids::Serial;

/// Deadlines by time. Requests end in any order, and what has ended stays until it comes first or until there is too much
/// of it: so the earliest costs nothing to ask for, and each request costs a logarithm of those in flight.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, Serial)>>,
}

/// What has become of a request that had a deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadlineOf {
    Waiting,
    Ended,
}

impl Deadlines {
    pub(super) fn push(&mut self, deadline: Instant, serial: Serial) {
        self.heap.push(Reverse((deadline, serial)));
    }

    /// The earliest, if the last [`Deadlines::tidy`] left one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Takes out the earliest if it has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Serial> {
        let Reverse((deadline, _)) = *self.heap.peek()?;
        if deadline > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, serial))| serial)
    }

    /// Makes the earliest one that of a request that waits, and keeps what has ended within a multiple of those `in_flight`.
    pub(super) fn tidy(&mut self, in_flight: usize, of: impl Fn(Serial) -> DeadlineOf) {
        while let Some(Reverse((_, serial))) = self.heap.peek() {
            if of(*serial) == DeadlineOf::Waiting {
                break;
            }
            self.heap.pop();
        }
        if self.heap.len() > 64 + 2 * in_flight {
            self.heap.retain(|Reverse((_, serial))| of(*serial) == DeadlineOf::Waiting);
        }
    }
}
