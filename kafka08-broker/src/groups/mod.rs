//! Committed offsets: in Kafka, as messages of `__consumer_offsets` with a cache in front of them, and in ZooKeeper.
//!
//! This module owns the formats and the tables. It knows neither brokers nor replicas: who coordinates a group, and when a
//! commit is stored, is decided by the APIs.

mod cache;
mod record;
mod zookeeper;

pub(crate) use cache::{Committed, OffsetsCache};
use kafka08_proto::{
    ids::{PartitionId, Text},
    partitioner::java_string_hash,
};
pub(crate) use record::{commits_of, read_all};
pub(crate) use zookeeper::{ZooKeeper, is_valid_group};

/// What an offset is committed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: Text,
    pub(crate) topic: Text,
    pub(crate) partition: PartitionId,
}

/// How many bytes of names and metadata belong to one offset. Longer ones count as several offsets.
const BYTES_OF_ONE: usize = 256;

impl OffsetKey {
    /// How many offsets this one counts for in the limit of offsets, so that long names do not fill the memory.
    pub(crate) fn weight(&self, metadata: Option<&str>) -> usize {
        1 + (self.group.len() + self.topic.len() + metadata.map_or(0, str::len)) / BYTES_OF_ONE
    }
}

/// The partition of `__consumer_offsets` that holds the offsets of a group (`OffsetManager.partitionFor`).
pub(crate) fn partition_for(group: &str, partitions: usize) -> usize {
    // The absolute value of the lowest integer is taken as 0.
    let hash = java_string_hash(group).checked_abs().unwrap_or(0);
    usize::try_from(hash).unwrap_or(0).checked_rem(partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_group_follows_java_s_hash() {
        // "g".hashCode() is 103, and "polygenelubricants".hashCode() is the lowest integer.
        assert_eq!(partition_for("g", 50), 3);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        // "user42".hashCode() is -836031607.
        assert_eq!(partition_for("user42", 50), 7);
    }
}
