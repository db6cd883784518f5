//! Finds where a fetched set ends, from the headers of its entries alone.

use super::{MessageError, MessageProblem, MessageSet, SMALLEST_MESSAGE, Tail, entries::split_header};
use crate::ids::Offset;

/// The byte of a message that has the format, also in later formats.
const MAGIC_AT: usize = 4;
/// Format 2 of later releases: the entry is a batch, and this byte of it begins the number of offsets behind its first one.
const LAST_DELTA_AT: usize = 11;
/// This byte of a batch begins the number of its records, which end its header.
const RECORDS_AT: usize = 45;

/// What the headers of a fetched set say, see [`MessageSet::hop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hop {
    /// The offset to fetch next: the one after the last entry that was followed, or the requested one.
    pub position: Offset,
    /// The length of the entries that were followed, in bytes.
    pub len: usize,
    /// The number of entries that were followed. A compressed entry counts as one.
    pub entries: usize,
    /// The number of these entries that have a format of later releases. They have no messages for a client of 0.8.
    pub later: usize,
    /// How the set ends, or why an entry was not followed: its offset does not ascend, or is at or above the end, or its size
    /// is invalid.
    pub tail: Result<Tail, MessageError>,
}

#[cfg(kafka08_canary)]
impl Hop {
    /// The same, with the position behind one message more, for a planted mistake.
    #[must_use]
    pub fn one_too_far(self) -> Self {
        Self { position: if self.entries > 0 { self.position.next() } else { self.position }, ..self }
    }
}

impl MessageSet {
    /// Follows the entries of a fetched set by their headers, without a look at the messages. `from` is the offset that was
    /// requested in the fetch, and `end` the high watermark of the response. Costs two nanoseconds for each entry.
    ///
    /// A consumer that decodes messages later, or on another thread, learns from this what to fetch next. No checksum covers
    /// offsets, so this stops at an entry whose offset does not ascend or is not below `end`.
    ///
    /// ```
    /// use kafka08_proto::{
    ///     ids::Offset,
    ///     message::{MessageSetBuilder, Tail},
    /// };
    ///
    /// let mut builder = MessageSetBuilder::fetched_from(Offset(7));
    /// builder.push(None, Some(b"seven"))?;
    /// builder.push(None, Some(b"eight"))?;
    /// let hop = builder.build().hop(Offset(7), Offset(100));
    /// assert_eq!((hop.position, hop.entries, hop.tail), (Offset(9), 2, Ok(Tail::Clean)));
    /// # Ok::<(), kafka08_proto::message::SetFull>(())
    /// ```
    #[must_use]
    pub fn hop(&self, from: Offset, end: Offset) -> Hop {
        let bytes = self.bytes();
        let (mut rest, mut next, mut entries, mut later) = (&bytes[..], from.0.max(0), 0, 0);
        let stop = loop {
            let Some((offset, size, body)) = split_header(rest) else { break None };
            let Some(size) = usize::try_from(size).ok().filter(|&size| size >= SMALLEST_MESSAGE) else {
                break Some((offset, MessageProblem::Size(size)));
            };
            let Some((message, behind)) = body.split_at_checked(size) else { break None };
            let delta = later_batch(message);
            let is_later = delta.is_some();
            if let Some(delta) = delta {
                // Its first offset may be below the requested one.
                next = offset
                    .0
                    .saturating_add(delta)
                    .saturating_add(1)
                    .clamp(next.saturating_add(1), end.0.max(next.saturating_add(1)));
            } else if offset.0 < next {
                break Some((offset, MessageProblem::NotAscending { after: Offset(next - 1) }));
            } else if offset >= end {
                break Some((offset, MessageProblem::AboveEnd { end }));
            } else {
                next = offset.next().0;
            }
            (rest, entries, later) = (behind, entries + 1, later + usize::from(is_later));
        };
        let len = bytes.len() - rest.len();
        let tail = match stop {
            Some((offset, problem)) => Err(MessageError { offset, at: len, problem }),
            // The reader tells apart what can be left of an entry.
            None => {
                let mut left = self.entries_at(len).without_crc();
                left.next();
                Ok(left.tail().unwrap_or(Tail::Clean))
            }
        };
        Hop { position: Offset(next).max(from), len, entries, later, tail }
    }
}

/// The number of offsets behind the first one of a batch of format 2. `None` if the entry is no such batch. A message of 0.8 with a
/// flipped bit in its format is none either: its bytes would have to agree on the number of records.
pub(super) fn later_batch(message: &[u8]) -> Option<i64> {
    let number = |at| message.get(at..)?.first_chunk::<4>().map(|bytes| i64::from(i32::from_be_bytes(*bytes)));
    if message.get(MAGIC_AT) != Some(&2) {
        return None;
    }
    let (delta, records) = (number(LAST_DELTA_AT)?, number(RECORDS_AT)?);
    (delta >= 0 && (0..=delta + 1).contains(&records)).then_some(delta)
}
