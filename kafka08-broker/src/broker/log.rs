//! One partition's messages.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    ids::{Offset, Timestamp},
    message::{MessageSet, Origin},
};

/// A log in memory: what was appended, in the pieces in which it was.
#[derive(Debug)]
pub(super) struct Log {
    /// In the order of their offsets.
    pieces: VecDeque<Piece>,
    /// The offset of the first message that is kept.
    start: Offset,
    /// The offset that the next message gets.
    end: Offset,
    /// Bytes of all pieces.
    bytes: usize,
    /// When it was last appended to, or made: what a segment file's modification time is to a real broker.
    modified: Timestamp,
}

#[derive(Debug)]
struct Piece {
    /// The offset behind its last message.
    end: Offset,
    /// The entries, as they are sent to consumers.
    bytes: Bytes,
}

/// The offset asked for lies outside the log.
#[derive(Debug)]
pub(super) struct OutOfRange;

impl Log {
    /// An empty log that was made now.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { pieces: VecDeque::new(), start: Offset(0), end: Offset(0), bytes: 0, modified: now }
    }

    /// The offset of the first message that is kept.
    pub(super) fn start(&self) -> Offset {
        self.start
    }

    /// The offset that the next message gets, which is also the high watermark: there are no other replicas.
    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// How many bytes of messages it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When it was last appended to, or made.
    pub(super) fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Appends entries whose offsets are `self.end()` and following, up to `end`.
    pub(super) fn append(&mut self, bytes: Bytes, end: Offset, now: Timestamp) {
        self.bytes += bytes.len();
        self.end = end;
        self.modified = now;
        self.pieces.push_back(Piece { end, bytes });
    }

    /// Drops the oldest piece; returns its length in bytes.
    pub(super) fn drop_oldest(&mut self) -> usize {
        let Some(piece) = self.pieces.pop_front() else { return 0 };
        self.start = piece.end;
        self.bytes -= piece.bytes.len();
        piece.bytes.len()
    }

    /// At most `max` bytes from the entry that holds `offset` on, cut wherever that is.
    pub(super) fn read(&self, offset: Offset, max: usize) -> Result<Bytes, OutOfRange> {
        if offset < self.start || offset > self.end {
            return Err(OutOfRange);
        }
        // The first piece that is not wholly in front of the offset.
        let first = self.pieces.partition_point(|piece| piece.end <= offset);
        let Some(piece) = self.pieces.get(first) else { return Ok(Bytes::new()) };
        let head = piece.bytes.slice(position(&piece.bytes, offset)..);
        // A slice of the log: what lies in one piece is sent without a copy.
        if head.len() >= max {
            return Ok(head.slice(..max));
        }
        if first + 1 == self.pieces.len() {
            return Ok(head);
        }
        // Several pieces become one slice of the answer, as in a segment file.
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

/// Where the first entry begins whose offset is `offset` or more: a compressed one has that of its last message.
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
