//! The log of one replica: checks and stores produced sets, and reads them back. No I/O and no clock.
//!
//! A log consists of segments, as in a real broker. A segment is a part of the list of blocks, see [`blocks`].
// The log does not know topics, leaders or requests. The broker passes the time and the settings of the topic.

mod accept;
mod blocks;
mod change;
mod compact;
mod entry;
mod pieces;
mod segments;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{Offset, Timestamp},
    message::{Deflater, EntryWriter, Inflater, Lz4Header},
    profile::Profile,
};

#[cfg_attr(not(test), expect(unused_imports, reason = "the broker is moving to this log"))]
pub(crate) use self::compact::CompactError;
use self::{
    accept::Accepted,
    blocks::{Blocks, Numbering},
    segments::Segment,
};
pub(crate) use self::{
    blocks::BLOCK,
    change::{Change, StoredSegment},
    entry::{HEADER, Next, RawEntry, entries},
    pieces::Pieces,
};

/// Blocks of a leader are shared with a follower from this size on, in bytes. Smaller ones are copied.
const SHARE: usize = 4 << 10;

/// Compressors and decompressors. One value serves all logs of a process.
#[derive(Debug)]
pub(crate) struct Codecs {
    inflater: Inflater,
    deflater: Deflater,
    writer: EntryWriter,
    /// An empty checksum, which is cloned for each message. A new one would detect the CPU features again.
    crc: crc32fast::Hasher,
}

/// The settings of a topic that decide what a log accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The release whose checks apply.
    pub(crate) profile: Profile,
    /// The size of the largest entry, in bytes: `message.max.bytes`.
    pub(crate) max_message: usize,
    /// The size of a segment, in bytes: `log.segment.bytes`.
    pub(crate) segment_bytes: usize,
    /// The maximum total size of the compressed sets of one append after decompression, in bytes. A set that exceeds it
    /// gets the error -1. An append needs up to four times as much memory while it runs.
    pub(crate) max_inflated: usize,
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The offset of the first message. [`Offset::NONE`] if the set has no complete entry. The end of the log if the set
    /// consists of compressed sets without messages.
    pub(crate) first: Offset,
    /// The offset of the next message.
    pub(crate) end: Offset,
    /// The number of bytes that were appended.
    pub(crate) bytes: usize,
    /// The number of messages that were appended.
    pub(crate) messages: usize,
}

/// The requested offset is below the start or above the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// The log of one replica.
#[derive(Debug)]
pub(crate) struct Log {
    blocks: Blocks,
    /// The segments. The last one is the active one, and there is always one.
    segments: VecDeque<Segment>,
    /// The offset of the oldest message that can be read.
    start: Offset,
    /// The tombstones below this offset have survived one compaction. The next one drops them.
    compacted: Offset,
    /// The changes that were not taken yet. `None` if they are not recorded.
    changes: Option<Vec<Change>>,
}

impl Codecs {
    /// Creates compressors and decompressors. They allocate memory on first use.
    pub(crate) fn new() -> Self {
        Self {
            inflater: Inflater::new().with_lz4_header(Lz4Header::Kafka),
            deflater: Deflater::new(),
            writer: EntryWriter::new(),
            crc: crc32fast::Hasher::new(),
        }
    }

    fn checksum(&self, covered: &[u8]) -> u32 {
        let mut crc = self.crc.clone();
        crc.update(covered);
        crc.finalize()
    }
}

impl Log {
    /// Creates an empty log at the time `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self::with_segment(Segment { base: Offset(0), modified: now, at: 0 })
    }

    fn with_segment(segment: Segment) -> Self {
        // Most logs have one segment. A list that grows by itself would start with room for four.
        let mut segments = VecDeque::with_capacity(1);
        let start = segment.base;
        segments.push_back(segment);
        Self { blocks: Blocks::starting_at(start), segments, start, compacted: Offset(0), changes: None }
    }

    /// Creates a log from the segments of a storage, in the order of their offsets.
    pub(crate) fn from_segments(segments: Vec<StoredSegment>, now: Timestamp) -> Self {
        let mut log = Self::new(now);
        for (index, StoredSegment { base, modified, blocks }) in segments.into_iter().enumerate() {
            let at = log.blocks.end_at();
            if index == 0 {
                log = Self::with_segment(Segment { base, modified, at });
            } else {
                log.segments.push_back(Segment { base, modified, at });
            }
            // Compaction may have removed the last messages of the segment before.
            log.blocks.set_next(base.max(log.blocks.next()));
            blocks.into_iter().for_each(|block| log.blocks.adopt(block));
        }
        log
    }

    /// Checks a produced set and appends its messages.
    ///
    /// # Errors
    /// Returns the code for the response. In this case nothing is appended.
    pub(crate) fn append(
        &mut self,
        set: &Bytes,
        rules: &Rules,
        codecs: &mut Codecs,
        now: Timestamp,
    ) -> Result<Appended, ErrorCode> {
        // Everything that can fail is done before the log changes.
        let first = self.end();
        let accepted = accept::accept(set, first, rules, codecs)?;
        let (bytes, numbering, messages) = match &accepted {
            Accepted::Nothing => return Ok(Appended { first: Offset::NONE, end: first, bytes: 0, messages: 0 }),
            Accepted::Plain { entries, messages } => (*entries, Numbering::Assign, *messages),
            Accepted::Wrapped { entry, messages } => (&entry[..], Numbering::Keep, *messages),
        };
        if messages > 0 {
            self.make_room(bytes.len(), rules, now);
            let at = self.blocks.end_at();
            self.blocks.push(bytes, numbering);
            self.appended(at, now);
        }
        Ok(Appended { first, end: self.end(), bytes: bytes.len(), messages })
    }

    /// Appends what the leader has from the end of this log on: complete entries of at most `max_bytes`, or one entry if
    /// the first is larger. Returns the number of bytes.
    ///
    /// Returns 0 if the leader does not have the end of this log. Then truncate this log.
    // Large blocks of the leader are shared. The follower keeps them alive even if the leader drops them.
    pub(crate) fn append_from(&mut self, leader: &Self, max_bytes: usize, rules: &Rules, now: Timestamp) -> usize {
        if max_bytes == 0 || !(leader.start..=leader.end()).contains(&self.end()) {
            return 0;
        }
        let (mut at, stop) = (leader.blocks.position(self.end()), leader.blocks.end_at());
        let mut copied = 0;
        while at < stop {
            let chunk = leader.blocks.chunk(at);
            let mut len = entry::run_within(chunk.bytes, max_bytes.saturating_sub(copied));
            if len == 0 {
                let Some(first) = entries(chunk.bytes).next().filter(|_| copied == 0) else { return copied };
                len = first.bytes.len();
            }
            // The follower has its own segments. They need not begin where those of the leader do.
            self.make_room(len, rules, now);
            let from = self.blocks.end_at();
            match chunk.whole.filter(|_| len == chunk.bytes.len() && len >= SHARE) {
                Some(whole) => self.blocks.share(&whole),
                None => self.blocks.push(chunk.bytes.get(..len).unwrap_or_default(), Numbering::Keep),
            }
            self.appended(from, now);
            at += len as u64;
            copied += len;
        }
        // The leader's end may be above its last entry, after a truncation.
        self.blocks.set_next(leader.end());
        copied
    }

    /// Notes that the bytes from a position on were appended.
    fn appended(&mut self, at: u64, now: Timestamp) {
        let Some(active) = self.segments.back_mut() else { return };
        active.modified = now;
        if let Some(changes) = &mut self.changes {
            changes.push(Change::Append { base: active.base, bytes: self.blocks.slices(at, self.blocks.end_at()) });
        }
    }

    /// Returns the entries from the one that holds `from` on, as long as their offsets are below `limit`. The bytes are
    /// cut at `max`, anywhere in an entry.
    ///
    /// As in a real broker, the result ends with the segment. It is empty only if nothing can be read, or `max` is 0.
    ///
    /// # Errors
    /// Returns an error if `from` is not between the start and the end of the log.
    pub(crate) fn read(&self, from: Offset, max: usize, limit: Offset) -> Result<Pieces, OutOfRange> {
        if from < self.start || from > self.end() {
            return Err(OutOfRange);
        }
        let start = self.blocks.position(from);
        // A position at the end of a segment is at the start of the next one, so empty segments are skipped.
        let end = self.segment_end(start).min(self.blocks.position(limit));
        Ok(self.blocks.slices(start, end.min(start.saturating_add(max as u64))))
    }

    /// The number of bytes from the entry that holds `from` to the last one below `limit`, in all segments.
    pub(crate) fn bytes_from(&self, from: Offset, limit: Offset) -> usize {
        blocks::distance(self.blocks.position(from), self.blocks.position(limit))
    }

    /// The offset of the oldest message that can be read.
    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    /// The offset of the next message.
    pub(crate) fn end(&self) -> Offset {
        self.blocks.next()
    }

    /// The number of bytes of all entries.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len()
    }

    /// The memory that this log keeps allocated, in bytes: this value, its lists and its blocks.
    ///
    /// Blocks that are shared with a leader are counted in both logs, see [`Log::borrowed`]. Changes that were not taken
    /// are not counted.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.blocks.memory() + self.segments.capacity() * size_of::<Segment>()
    }

    /// The part of [`Log::memory`] that a leader has allocated and probably keeps too, in bytes.
    pub(crate) fn borrowed(&self) -> usize {
        self.blocks.borrowed()
    }

    /// Notes changes from now on, until [`Log::take_changes`] takes them.
    pub(crate) fn record(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Returns the changes since the last call, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, change: Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change);
        }
    }
}
