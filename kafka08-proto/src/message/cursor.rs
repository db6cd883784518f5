//! Where a reader of one set stands, without a borrow of the set.

use std::fmt;

use super::{Entries, MessageSet, Tail, inner::Inside};
use crate::ids::Offset;

/// Where a reader of one message set stands. It keeps no borrow of the set, and [`MessageSet::visit`] goes on at it for the
/// cost of what is left.
///
/// It belongs to one set: begin the next one with a new cursor at [`Cursor::position`].
#[derive(Clone)]
pub struct Cursor {
    /// The offset that was asked for: inside a wrapper, messages in front of it are skipped.
    pub(super) asked: Offset,
    /// What to fetch next.
    pub(super) position: Offset,
    /// What to read on from. Ahead of `position` where the visitor broke off at an error.
    pub(super) next: Offset,
    pub(super) end: Option<Offset>,
    /// Where the next entry begins.
    pub(super) at: usize,
    /// The opened wrapper that the visitor broke off in.
    pub(super) inside: Option<Inside>,
    /// How the set ended, once it has.
    pub(super) tail: Option<Tail>,
}

impl Cursor {
    /// At the start of a set that was fetched from this offset.
    #[must_use]
    pub const fn new(from: Offset) -> Self {
        Self { asked: from, position: from, next: from, end: None, at: 0, inside: None, tail: None }
    }

    /// The offset that all entries of a fetched set lie below: the answer's high watermark. An entry at it or above it is a
    /// [`MessageProblem::AboveEnd`](super::MessageProblem::AboveEnd) and does not move the position.
    ///
    /// Offsets lie outside the checksum: without an end, one flipped bit can move the position by millions.
    #[must_use]
    pub const fn with_end(mut self, offset: Offset) -> Self {
        self.end = Some(offset);
        self
    }

    /// What to fetch next: past everything that was visited or skipped, compaction gaps included. It never lies before where
    /// the cursor began. A visitor that broke off at a message has had it; one that broke off at an error has the position
    /// stay in front of it.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// Where the next entry of the set begins, in bytes from the set's start.
    #[must_use]
    pub const fn byte_position(&self) -> usize {
        self.at
    }

    /// A reader of `set` that begins here.
    pub(super) fn entries<'a>(&self, set: &'a MessageSet) -> Entries<'a> {
        let entries = set.entries_at(self.at).with_start(self.next);
        match self.end {
            Some(end) => entries.with_end(end),
            None => entries,
        }
    }

    /// Takes over where a reader of the set stands. The position does not move yet.
    pub(super) fn stand(&mut self, entries: &Entries<'_>) {
        self.at = Entries::position(entries);
        self.tail = entries.tail();
        if entries.is_ordered() {
            self.next = entries.next_offset();
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("position", &self.position)
            .field("end", &self.end)
            .field("at", &self.at)
            .field("inside", &self.inside.is_some())
            .finish_non_exhaustive()
    }
}
