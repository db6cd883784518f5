//! Log compaction: only the last message of each key remains. Source: `LogCleaner` of 0.8.1 and 0.8.2.

use std::{collections::BTreeMap, fmt};

use kafka08_proto::ids::Offset;

use super::{
    Change, Log,
    blocks::{Blocks, Numbering},
    entry::RawEntry,
    segments::Segment,
};

/// The log has a message that stops compaction, as in 0.8.1 and 0.8.2. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompactError {
    /// The entry with this offset is compressed.
    Compressed(Offset),
    /// The message with this offset has no key, or its lengths are wrong.
    Unkeyed(Offset),
}

impl fmt::Display for CompactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(offset) => write!(f, "the message at offset {offset} is compressed"),
            Self::Unkeyed(offset) => write!(f, "the message at offset {offset} has no key"),
        }?;
        f.write_str(": a compacted topic takes only uncompressed messages with keys")
    }
}

impl std::error::Error for CompactError {}

/// A key and whether the value is null.
fn key_of<'a>(entry: &RawEntry<'a>) -> Result<(&'a [u8], bool), CompactError> {
    if entry.is_compressed() {
        return Err(CompactError::Compressed(entry.offset()));
    }
    match entry.key_and_value() {
        Some((Some(key), value)) => Ok((key, value.is_none())),
        _ => Err(CompactError::Unkeyed(entry.offset())),
    }
}

impl Log {
    /// Keeps only the last message of each key, in all segments but the active one. Offsets do not change, so there are
    /// gaps. A segment that becomes empty is removed, except for the first one.
    ///
    /// A message with a null value, which deletes its key, is kept by the first compaction that sees it. The next one
    /// removes it. A real broker keeps it for `delete.retention.ms`, 24 hours by default.
    ///
    /// # Errors
    /// Returns an error if a message is compressed or has no key.
    pub(crate) fn compact(&mut self) -> Result<(), CompactError> {
        let Some(&active) = self.segments.back() else { return Ok(()) };
        // The only segment may have lost its oldest entries from memory, but not from its file. Without this, their positions
        // would be lost.
        if self.segments.len() == 1 {
            self.compacted = active.base;
            return Ok(());
        }
        let mut last = BTreeMap::new();
        for entry in self.blocks.contents(0, active.at) {
            last.insert(key_of(&entry)?.0, entry.offset());
        }
        let stays = |entry: &RawEntry<'_>| {
            key_of(entry).is_ok_and(|(key, is_tombstone)| {
                last.get(key) == Some(&entry.offset()) && !(is_tombstone && entry.offset() < self.compacted)
            })
        };

        let mut blocks = Blocks::starting_at(self.start);
        let mut segments = Vec::new();
        let mut changes = Vec::new();
        for (segment, next) in self.segments.iter().zip(self.segments.range(1..)) {
            let at = blocks.end_at();
            let from = segment.at.max(self.blocks.start_at());
            for entry in self.blocks.contents(from, next.at).filter(stays) {
                blocks.push(entry.bytes, Numbering::Keep);
            }
            blocks.freeze();
            let is_changed = blocks.end_at() - at != next.at - segment.at;
            if blocks.end_at() == at && !segments.is_empty() {
                changes.push(Change::Delete { base: segment.base });
                continue;
            }
            if is_changed {
                let Segment { base, modified, .. } = *segment;
                changes.push(Change::Replace { base, modified, bytes: blocks.slices(at, blocks.end_at()) });
            }
            segments.push(Segment { at, ..*segment });
        }
        segments.push(Segment { at: blocks.end_at(), ..active });
        // The active segment is not read, only moved.
        self.blocks.move_from(active.at, &mut blocks);
        self.blocks = blocks;
        self.segments = segments.into();
        self.compacted = active.base;
        if let Some(noted) = &mut self.changes {
            noted.append(&mut changes);
        }
        Ok(())
    }
}
