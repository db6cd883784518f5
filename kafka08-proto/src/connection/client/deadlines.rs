//! The deadlines of a connection's requests, earliest first.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Instant,
};

use crate::ids::Serial;

/// Deadlines by time. Requests end in any order, and what has ended stays until it comes first or until there is too much
/// of it: so the earliest costs nothing to ask for, and each request costs at most a logarithm of those in flight.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Those that were not earlier than the last of these when they were added: all of them, where requests have the same
    /// timeout. Ascending.
    in_order: VecDeque<Deadline>,
    /// The others.
    heap: BinaryHeap<Reverse<Deadline>>,
}

type Deadline = (Instant, Serial);

/// What has become of a request that had a deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadlineOf {
    Waiting,
    Ended,
}

impl Deadlines {
    pub(super) fn push(&mut self, deadline: Instant, serial: Serial) {
        // Requests of one connection mostly have the same timeout, so their deadlines come in order and need no heap.
        if self.in_order.back().is_none_or(|(last, _)| *last <= deadline) {
            self.in_order.push_back((deadline, serial));
        } else {
            self.heap.push(Reverse((deadline, serial)));
        }
    }

    fn earliest(&self) -> Option<Deadline> {
        match (self.in_order.front(), self.heap.peek()) {
            (Some(in_order), Some(Reverse(other))) => Some(*in_order.min(other)),
            (Some(only), None) | (None, Some(Reverse(only))) => Some(*only),
            (None, None) => None,
        }
    }

    fn pop(&mut self, earliest: Deadline) {
        if self.in_order.front() == Some(&earliest) {
            self.in_order.pop_front();
        } else {
            self.heap.pop();
        }
    }

    /// The earliest, if the last [`Deadlines::tidy`] left one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    /// Takes out the earliest if it has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Serial> {
        let earliest = self.earliest().filter(|(deadline, _)| *deadline <= now)?;
        self.pop(earliest);
        Some(earliest.1)
    }

    /// Notes that a request has ended. Most end in the order of their deadlines, and then nothing needs to be looked for.
    pub(super) fn note_ended(&mut self, serial: Serial) {
        // One in the heap stays there until `tidy` meets it: finding it would cost more than keeping it.
        self.in_order.pop_front_if(|(_, first)| *first == serial);
    }

    /// Makes the earliest one that of a request that waits, and keeps what has ended within a multiple of those `in_flight`.
    pub(super) fn tidy(&mut self, in_flight: usize, of: impl Fn(Serial) -> DeadlineOf) {
        // A driver sets its timer to the earliest deadline. One that is over would wake it for nothing.
        while let Some(earliest) = self.earliest().filter(|(_, serial)| of(*serial) == DeadlineOf::Ended) {
            self.pop(earliest);
        }
        // Those in the middle are taken out together, so that each costs a constant. Without this, a long poll in front of many
        // short requests would let the list grow for as long as it waits.
        if self.in_order.len() + self.heap.len() > 64 + 2 * in_flight {
            self.in_order.retain(|(_, serial)| of(*serial) == DeadlineOf::Waiting);
            self.heap.retain(|Reverse((_, serial))| of(*serial) == DeadlineOf::Waiting);
        }
    }
}
