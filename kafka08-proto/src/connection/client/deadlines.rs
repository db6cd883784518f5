//! The deadlines of a connection's requests.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Instant,
};

use crate::ids::Serial;

/// The deadlines, ordered by time. Requests end in any order. The deadline of an ended request stays until it is the earliest,
/// or until there are too many of these. So the earliest deadline is known at once, and each request costs at most the
/// logarithm of the number in flight.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// The deadlines that were added in order. If all requests have the same timeout, these are all deadlines.
    in_order: VecDeque<Deadline>,
    /// The deadlines that were added out of order.
    heap: BinaryHeap<Reverse<Deadline>>,
}

type Deadline = (Instant, Serial);

/// Whether a request that had a deadline has ended.
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

    /// The earliest deadline. It is that of a waiting request if [`Deadlines::tidy`] was called after the last change.
    pub(super) fn first(&self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    /// Removes the earliest deadline if it has passed, and returns its request.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Serial> {
        let earliest = self.earliest().filter(|(deadline, _)| *deadline <= now)?;
        self.pop(earliest);
        Some(earliest.1)
    }

    /// Notes that a request has ended. Most requests end in the order of their deadlines, so only the first is looked at.
    pub(super) fn note_ended(&mut self, serial: Serial) {
        // One in the heap stays there until `tidy` meets it: finding it would cost more than keeping it.
        self.in_order.pop_front_if(|(_, first)| *first == serial);
    }

    /// Removes deadlines of ended requests: those in front of all waiting ones, and all of them if there are too many for the
    /// number `in_flight`.
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
