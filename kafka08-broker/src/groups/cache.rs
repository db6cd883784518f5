//! The offsets that a coordinator holds in memory (`OffsetManager`).
//!
//! The cache is what OffsetFetch answers from. It may differ from the log: it holds null metadata as null, and metadata that
//! was too long to be stored. A partition is either loaded whole or not there.

use std::collections::BTreeMap;

use kafka08_proto::ids::{Offset, PartitionId, Timestamp};

use super::OffsetKey;
use crate::wire::Name;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: Offset,
    /// Null metadata stays null until the cache is loaded from the log, where it is empty.
    pub(crate) metadata: Name,
    pub(crate) timestamp: Timestamp,
}

/// The offsets of the groups that one broker coordinates, by the partition of `__consumer_offsets` they are stored in.
#[derive(Debug, Default)]
pub(crate) struct OffsetsCache {
    by_partition: BTreeMap<PartitionId, BTreeMap<OffsetKey, Committed>>,
    /// The sum of the weights of all entries. Every method that adds or removes one keeps it right.
    weight: usize,
}

/// How many offsets an entry counts for.
fn weight_of((key, committed): (&OffsetKey, &Committed)) -> usize {
    key.weight(committed.metadata.as_deref())
}

impl OffsetsCache {
    pub(crate) fn is_loaded(&self, partition: PartitionId) -> bool {
        self.by_partition.contains_key(&partition)
    }

    pub(crate) fn load(&mut self, partition: PartitionId, offsets: BTreeMap<OffsetKey, Committed>) {
        // Its weight would stay in the sum otherwise.
        self.unload(partition);
        self.weight += offsets.iter().map(weight_of).sum::<usize>();
        self.by_partition.insert(partition, offsets);
    }

    /// Forgets a partition whose leader is another broker now.
    pub(crate) fn unload(&mut self, partition: PartitionId) {
        let offsets = self.by_partition.remove(&partition).unwrap_or_default();
        self.weight -= offsets.iter().map(weight_of).sum::<usize>();
    }

    pub(crate) fn clear(&mut self) {
        self.by_partition.clear();
        self.weight = 0;
    }

    /// How many offsets there are for the limit of offsets.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn get(&self, partition: PartitionId, key: &OffsetKey) -> Option<&Committed> {
        self.by_partition.get(&partition)?.get(key)
    }

    pub(crate) fn put(&mut self, partition: PartitionId, key: OffsetKey, committed: Committed) {
        let offsets = self.by_partition.entry(partition).or_default();
        self.weight += weight_of((&key, &committed));
        if let Some(before) = offsets.get(&key) {
            self.weight -= weight_of((&key, before));
        }
        offsets.insert(key, committed);
    }

    /// Removes offsets whose timestamp is older than `oldest`, and returns their keys by partition.
    pub(crate) fn expire(&mut self, oldest: Timestamp) -> Vec<(PartitionId, OffsetKey)> {
        let mut expired = Vec::new();
        for (&partition, offsets) in &mut self.by_partition {
            offsets.retain(|key, committed| {
                let stays = committed.timestamp >= oldest;
                if !stays {
                    self.weight -= weight_of((key, committed));
                    expired.push((partition, key.clone()));
                }
                stays
            });
        }
        expired
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OffsetKey, &Committed)> {
        self.by_partition.values().flatten()
    }
}
