//! The messages of one partition.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    ids::{Offset, Timestamp},
    message::{MessageSet, Origin},
};

/// A log in memory. It keeps appended sets as separate pieces.
#[derive(Debug)]
pub(super) struct Log {
    /// The pieces, in the order of their offsets.
    pieces: VecDeque<Piece>,
    /// The offset of the first message that is still kept.
    start: Offset,
    /// The offset that the next message gets.
    end: Offset,
    /// The number of bytes of all pieces.
    bytes: usize,
    /// When the log was last appended to, or created. A real broker uses the modification time of the segment file.
    modified: Timestamp,
}

#[derive(Debug)]
struct Piece {
    /// The offset behind the last message of the piece.
    end: Offset,
    /// The entries, in the form in which consumers receive them.
    bytes: Bytes,
}

/// The requested offset is outside of the log.
#[derive(Debug)]
pub(super) struct OutOfRange;

impl Log {
    /// Creates an empty log at the time `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { pieces: VecDeque::new(), start: Offset(0), end: Offset(0), bytes: 0, modified: now }
    }

    /// The offset of the first message that is still kept.
    pub(super) fn start(&self) -> Offset {
        self.start
    }

    /// The offset that the next message gets. It is also the high watermark, because there are no other replicas.
    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// The number of bytes of the messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the log was last appended to, or created.
    pub(super) fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Appends entries with the offsets from `self.end()` up to, but not including, `end`.
    pub(super) fn append(&mut self, bytes: Bytes, end: Offset, now: Timestamp) {
        self.bytes += bytes.len();
        self.end = end;
        self.modified = now;
        self.pieces.push_back(Piece { end, bytes });
    }

    /// Drops the oldest piece. Returns its length in bytes.
    pub(super) fn drop_oldest(&mut self) -> usize {
        let Some(piece) = self.pieces.pop_front() else { return 0 };
        self.start = piece.end;
        self.bytes -= piece.bytes.len();
        piece.bytes.len()
    }

    /// Returns at most `max` bytes, from the entry that holds `offset` on. The last entry may be truncated.
    pub(super) fn read(&self, offset: Offset, max: usize) -> Result<Bytes, OutOfRange> {
        if offset < self.start || offset > self.end {
            return Err(OutOfRange);
        }
        // The first piece that does not end in front of the offset.
        let first = self.pieces.partition_point(|piece| piece.end <= offset);
        let Some(piece) = self.pieces.get(first) else { return Ok(Bytes::new()) };
        let head = piece.bytes.slice(position(&piece.bytes, offset)..);
        // Bytes of one piece are a slice of the log, and are not copied.
        if head.len() >= max {
            return Ok(head.slice(..max));
        }
        if first + 1 == self.pieces.len() {
            return Ok(head);
        }
        // Several pieces are copied into one slice. In a segment file, they are contiguous too.
        let mut joined = BytesMut::from(&head[..]);
        for piece in self.pieces.range(first + 1..) {
            let room = max - joined.len();
            joined.extend_from_slice(piece.bytes.get(..room).unwrap_or(&piece.bytes));
            if joined.len() == max {
                break;
            }
        }
        Ok(joined.freeze())
    }
}

/// The position of the first entry whose offset is `offset` or more. A compressed entry has the offset of its last
/// message.
fn position(piece: &Bytes, offset: Offset) -> usize {
    let set = MessageSet::new(piece.clone(), Origin::Produced);
    let mut entries = set.entries().without_crc();
    loop {
        let at = entries.position();
        let found = match entries.next() {
            Some(Ok(entry)) => entry.offset(),
            Some(Err(error)) => error.offset,
            None => return at,
        };
        if found >= offset {
            return at;
        }
    }
}
