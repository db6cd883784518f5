//! The position of a reader in a message set. A cursor does not borrow the set.

use std::fmt;

use crc32fast::Hasher;

use super::{Entries, MessageSet, Tail, inner::Inside};
use crate::ids::Offset;

/// The position of a reader in one message set. A cursor does not borrow the set.
///
/// [`MessageSet::visit`] continues at a cursor and does not read earlier entries again. A cursor belongs to one set:
/// for the next set, create a new cursor at [`Cursor::position`].
#[derive(Clone)]
pub struct Cursor {
    /// The offset that was requested in the fetch. Messages of a wrapper with a lower offset are skipped.
    pub(super) asked: Offset,
    /// The offset to fetch next.
    pub(super) position: Offset,
    /// The lowest offset that the next entry may have. If the visitor stopped at an error, `next` is higher than
    /// `position`: reading this set continues after the invalid entry, but the next fetch requests the invalid entry
    /// again.
    pub(super) next: Offset,
    /// The exclusive upper bound for the offsets of all entries, if the caller set one.
    pub(super) end: Option<Offset>,
    /// The position of the next entry, in bytes from the start of the set.
    pub(super) at: usize,
    /// The decompressed wrapper in which the visitor stopped.
    pub(super) inside: Option<Inside>,
    /// How the set ends. `None` until the end is reached.
    pub(super) tail: Option<Tail>,
    /// Whether [`Cursor::next_message`] leaves out entries of later formats.
    pub(super) skips_later: bool,
    /// An empty checksum, once one was needed. A new one would detect the CPU features again.
    pub(super) crc: Option<Hasher>,
}

impl Cursor {
    /// Creates a cursor at the start of a set that was fetched from this offset.
    #[must_use]
    pub const fn new(from: Offset) -> Self {
        Self {
            asked: from,
            position: from,
            next: from,
            end: None,
            at: 0,
            inside: None,
            tail: None,
            skips_later: false,
            crc: None,
        }
    }

    /// Sets the exclusive upper bound for the offsets of a fetched set: the high watermark of the response. An entry at
    /// or above it is reported as [`MessageProblem::AboveEnd`](super::MessageProblem::AboveEnd) and does not move the
    /// position.
    ///
    /// Set this bound for every fetched set. The checksum does not cover the offset, so without this bound one flipped
    /// bit can move the position by millions.
    #[must_use]
    pub const fn with_end(mut self, offset: Offset) -> Self {
        self.end = Some(offset);
        self
    }

    /// Makes [`Cursor::next_message`] leave out entries of format 2 and later, which are no messages for a client of 0.8 and no
    /// damage either: later brokers send the markers of transactions unconverted. [`MessageSet::hop`] counts them.
    #[must_use]
    pub const fn skipping_later_formats(mut self) -> Self {
        self.skips_later = true;
        self
    }

    /// The offset to fetch next. This offset is after all messages that were visited or skipped, and after gaps from
    /// log compaction. It is never lower than the offset that was passed to [`Cursor::new`].
    ///
    /// If the visitor stopped at a message, the position is after that message. If it stopped at an error, the position
    /// is before the invalid entry.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// The position of the next entry, in bytes from the start of the set.
    #[must_use]
    pub const fn byte_position(&self) -> usize {
        self.at
    }

    /// Creates a reader of `set` that starts at the cursor.
    pub(super) fn entries<'a>(&self, set: &'a MessageSet) -> Entries<'a> {
        let entries = set.entries_at(self.at).with_start(self.next);
        match self.end {
            Some(end) => entries.with_end(end),
            None => entries,
        }
    }

    /// Moves the cursor to the position of a reader of the set. [`Cursor::position`] does not change.
    pub(super) fn stand(&mut self, entries: &Entries<'_>) {
        self.at = Entries::position(entries);
        self.tail = entries.tail();
        // In a produced set, the producer chose the offsets. They have no relation to the log, so they do not change
        // `next`.
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
