//! The segments of a log: when one begins, and what drops entries at either end.

use kafka08_proto::{
    ids::{Offset, Timestamp},
    profile::Profile,
};

use super::{
    Change, Log, Rules,
    blocks::{Blocks, distance},
};

/// A segment. It ends where the next one begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// No message of the segment has a lower offset. The name of its file.
    pub(super) base: Offset,
    /// The time of the last append, or of the creation.
    pub(super) modified: Timestamp,
    /// The position of its first byte. The bytes may have been dropped from memory.
    pub(super) at: u64,
}

impl Log {
    /// Begins a new segment if the active one is too large for `bytes` more.
    // `Log.maybeRoll`. In 0.8.2 a segment does not become larger than its limit. Earlier releases begin a new one only
    // after the limit was exceeded.
    pub(super) fn make_room(&mut self, bytes: usize, rules: &Rules, now: Timestamp) {
        let Some(active) = self.segments.back() else { return };
        let len = distance(active.at, self.blocks.end_at());
        let coming = if rules.profile >= Profile::V0_8_2 { bytes } else { 0 };
        if len > 0 && len > rules.segment_bytes.saturating_sub(coming) {
            self.blocks.freeze();
            self.open_segment(now);
        }
    }

    fn open_segment(&mut self, now: Timestamp) {
        let base = self.end();
        self.segments.push_back(Segment { base, modified: now, at: self.blocks.end_at() });
        self.note(Change::Roll { base });
    }

    /// The position behind the segment that holds a position.
    pub(super) fn segment_end(&self, at: u64) -> u64 {
        let next = self.segments.partition_point(|segment| segment.at <= at);
        self.segments.get(next).map_or_else(|| self.blocks.end_at(), |segment| segment.at)
    }

    /// The segments in the order of their offsets: base offset, time of the last append, number of bytes. The base of the
    /// first one is the start of the log. The last one is the active one.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = (Offset, Timestamp, usize)> {
        let start_at = self.blocks.start_at();
        self.segments.iter().enumerate().map(move |(index, segment)| {
            let end = self.segments.get(index + 1).map_or_else(|| self.blocks.end_at(), |next| next.at);
            // The memory limit may have dropped a part of the first segment.
            (segment.base.max(self.start), segment.modified, distance(segment.at.max(start_at), end))
        })
    }

    /// Drops the entries whose offset is `to` or more. The next message gets the offset `to`. A compressed entry is dropped
    /// if its last message is.
    ///
    /// If `to` is below the start, the log becomes empty and starts at `to`.
    pub(crate) fn truncate(&mut self, to: Offset, now: Timestamp) {
        if to >= self.end() {
            return;
        }
        if to < self.start {
            return self.truncate_fully(to, now);
        }
        // A segment whose base is `to` stays, so that the next message is appended to it.
        let at = self.blocks.position(to);
        while self.segments.len() > 1
            && let Some(segment) = self.segments.pop_back_if(|segment| segment.base > to)
        {
            self.note(Change::Delete { base: segment.base });
        }
        self.blocks.truncate(at);
        self.blocks.set_next(to);
        self.compacted = self.compacted.min(to);
        if let Some(active) = self.segments.back_mut() {
            active.modified = now;
            let (base, bytes) = (active.base, at.saturating_sub(active.at));
            self.note(Change::Truncate { base, bytes });
        }
    }

    /// Drops all entries. The next message gets the offset `at`.
    pub(crate) fn truncate_fully(&mut self, at: Offset, now: Timestamp) {
        while let Some(segment) = self.segments.pop_front() {
            self.note(Change::Delete { base: segment.base });
        }
        self.blocks = Blocks::starting_at(at);
        self.start = at;
        self.compacted = self.compacted.min(at);
        self.open_segment(now);
    }

    /// Drops the oldest block of memory, for a limit on memory. Returns the number of bytes of memory that became free, or
    /// 0 if only the newest entry is left.
    ///
    /// A segment that loses only a part keeps its file. After a restart the whole segment is there again.
    pub(crate) fn drop_oldest(&mut self) -> usize {
        let before = self.memory();
        let Some(start) = self.blocks.drop_oldest() else { return 0 };
        let start_at = self.blocks.start_at();
        while self.segments.get(1).is_some_and(|second| second.at <= start_at) {
            self.drop_segment();
        }
        // Compaction may have left a gap in front of the segment. A log that started in the gap could be truncated to an
        // offset that no segment has.
        self.start = self.segments.front().map_or(start, |first| first.base.max(start));
        before.saturating_sub(self.memory())
    }

    /// Drops the oldest segments as long as the rest has `max_bytes` or more. Never drops the active segment. Returns the
    /// number of bytes of the dropped entries.
    // `Log.deleteOldSegments` with `retention.bytes`. The rest is not smaller than the limit, so usually larger.
    pub(crate) fn retain(&mut self, max_bytes: usize) -> usize {
        let before = self.bytes();
        while let Some(&second) = self.segments.get(1)
            && distance(second.at, self.blocks.end_at()) >= max_bytes
        {
            self.start = second.base;
            self.blocks.drop_before(second.at);
            self.drop_segment();
        }
        before - self.bytes()
    }

    fn drop_segment(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.note(Change::Delete { base: segment.base });
        }
    }
}
