//! The position of a reader in a set, without a borrow of the set.

use std::fmt;

use super::{Entries, MessageSet, Tail, inner::Inside};
use crate::ids::Offset;

/// The position of a reader in one message set. It does not borrow the set.
///
/// [`MessageSet::visit`] continues at a cursor without reading what lies in front of it again. A cursor belongs to one
/// set: begin the next set with a new cursor at [`Cursor::position`].
#[derive(Clone)]
pub struct Cursor {
    /// The offset that was fetched. Messages of a wrapper in front of it are skipped.
    pub(super) asked: Offset,
    /// The offset to fetch next.
    pub(super) position: Offset,
    /// The lowest offset that the next entry may have. It is ahead of `position` if the visitor broke off at an error:
    /// the set is read on behind the error, while another fetch would bring the erroneous entry again.
    pub(super) next: Offset,
    /// The offset that all entries lie below, if the caller gave one.
    pub(super) end: Option<Offset>,
    /// The position of the next entry, in bytes from the start of the set.
    pub(super) at: usize,
    /// The opened wrapper in which the visitor broke off.
    pub(super) inside: Option<Inside>,
    /// The end of the set, once it was reached.
    pub(super) tail: Option<Tail>,
}

impl Cursor {
    /// Creates a cursor at the start of a set that was fetched from this offset.
    #[must_use]
    pub const fn new(from: Offset) -> Self {
        Self { asked: from, position: from, next: from, end: None, at: 0, inside: None, tail: None }
    }

    /// Sets the offset that all entries of a fetched set lie below: the high watermark of the response. An entry at or
    /// above it is reported as [`MessageProblem::AboveEnd`](super::MessageProblem::AboveEnd) and does not move the
    /// position.
    ///
    /// Set it for fetched sets. The checksum does not cover the offset, so without an end one flipped bit can move the
    /// position by millions.
    #[must_use]
    pub const fn with_end(mut self, offset: Offset) -> Self {
        self.end = Some(offset);
        self
    }

    /// The offset to fetch next. It lies behind everything that was visited or skipped, including gaps of compaction,
    /// and is never lower than the offset at which the cursor began.
    ///
    /// If the visitor broke off at a message, the position is behind that message. If it broke off at an error, the
    /// position is in front of the erroneous entry.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// The position of the next entry, in bytes from the start of the set.
    #[must_use]
    pub const fn byte_position(&self) -> usize {
        self.at
    }

    /// A reader of `set` that begins at the cursor.
    pub(super) fn entries<'a>(&self, set: &'a MessageSet) -> Entries<'a> {
        let entries = set.entries_at(self.at).with_start(self.next);
        match self.end {
            Some(end) => entries.with_end(end),
            None => entries,
        }
    }

    /// Moves the cursor to a reader of the set. [`Cursor::position`] does not change.
    pub(super) fn stand(&mut self, entries: &Entries<'_>) {
        self.at = Entries::position(entries);
        self.tail = entries.tail();
        // The offsets of a produced set are whatever the producer wrote, and say nothing about what to fetch.
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
