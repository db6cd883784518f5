//! Offsets as 0.8.1 and version 0 of the requests store them: in ZooKeeper, which all brokers share.
//!
//! There is no ZooKeeper here, only its table of offsets and its rules for paths. All brokers share it, so any of them may be
//! asked. It survives every broker, as ZooKeeper does.

use std::collections::BTreeMap;

use kafka08_proto::ids::Offset;

use super::OffsetKey;

/// Whether ZooKeeper takes a group as a part of a path (`PathUtils.validatePath`). A slash in it makes several parts.
pub(crate) fn is_valid_group(group: &str) -> bool {
    // Control characters, surrogates and private use, and the last 16 units: a path with any of them is refused as a whole.
    let is_refused = |unit: u16| matches!(unit, 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff);
    group.split('/').all(|part| !matches!(part, "" | "." | "..")) && !group.encode_utf16().any(is_refused)
}

/// The offsets in ZooKeeper.
#[derive(Debug, Default)]
pub(crate) struct ZooKeeper {
    offsets: BTreeMap<OffsetKey, Offset>,
    weight: usize,
    /// Counts changes.
    version: u64,
}

impl ZooKeeper {
    pub(crate) fn put(&mut self, key: OffsetKey, offset: Offset) {
        self.version += 1;
        let weight = key.weight(None);
        // The key has the same weight as the one that it replaces.
        if self.offsets.insert(key, offset).is_none() {
            self.weight += weight;
        }
    }

    pub(crate) fn get(&self, key: &OffsetKey) -> Option<Offset> {
        self.offsets.get(key).copied()
    }

    /// A number that changes with each change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// How many offsets there are for the limit of offsets.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn clear(&mut self) {
        self.version += 1;
        self.offsets.clear();
        self.weight = 0;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OffsetKey, Offset)> {
        self.offsets.iter().map(|(key, offset)| (key, *offset))
    }
}
