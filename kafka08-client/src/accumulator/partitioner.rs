//! How the partition of a record is chosen.

use std::fmt;

use kafka08_proto::{ids::PartitionId, partitioner::KeyHash};

use super::{parts::PartIndex, topics::Topic};
use crate::record::RecordRef;

/// A function that chooses the partition of a record. It gets the ids of all partitions of the topic, in ascending order
/// and at least one, and returns one of them.
pub type Choose = Box<dyn FnMut(&RecordRef<'_>, &[PartitionId]) -> PartitionId + Send>;

/// How the partition of a record is chosen that names none.
#[non_exhaustive]
pub enum Partitioner {
    /// A record with a key goes to the partition of the key's hash, whether this partition has a leader or not. So
    /// records with the same key stay together. A record without a key goes where [`Partitioner::Sticky`] would send it.
    Hash(KeyHash),
    /// The partitions that have a leader take turns, record by record. One that cannot be sent to at the moment is passed
    /// over. Keys are not looked at.
    RoundRobin,
    /// Records go to one partition that has a leader, until its batch is full or taken, or it cannot be sent to. Then the
    /// next partition gets them. This makes larger batches than [`Partitioner::RoundRobin`]. Keys are not looked at.
    Sticky,
    /// All records go to this partition.
    Fixed(PartitionId),
    /// A function chooses. It is called once for each call of `append`, before anything is changed.
    Custom(Choose),
}

impl Default for Partitioner {
    /// [`Partitioner::Hash`] with [`KeyHash::Murmur2`], as the Java producer of 0.8.2.
    fn default() -> Self {
        Self::Hash(KeyHash::Murmur2)
    }
}

impl fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => f.debug_tuple("Hash").field(hash).finish(),
            Self::RoundRobin => f.write_str("RoundRobin"),
            Self::Sticky => f.write_str("Sticky"),
            Self::Fixed(partition) => f.debug_tuple("Fixed").field(partition).finish(),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The position in the sorted list of partitions.
    At(usize),
    /// There is no such partition.
    None,
    /// The key cannot be hashed.
    KeyNotUtf8,
}

impl Partitioner {
    /// Chooses the position of a partition in `topic`, which has at least one. `is_stuck` says whether a partition cannot be
    /// sent to at the moment.
    #[inline]
    pub(super) fn choose(
        &mut self,
        topic: &mut Topic,
        record: &RecordRef<'_>,
        is_stuck: impl Fn(PartIndex) -> bool,
    ) -> Choice {
        let named = match self {
            Self::Hash(hash) => match record.key {
                Some(key) => {
                    return match hash.partition(key, topic.len()) {
                        // The rule yields a position in the sorted list. Usually that is the id as well.
                        Some(PartitionId(at)) => usize::try_from(at).map_or(Choice::None, Choice::At),
                        None => Choice::KeyNotUtf8,
                    };
                }
                None => return Choice::At(topic.sticky(is_stuck)),
            },
            Self::RoundRobin => return Choice::At(topic.next_in_turn(is_stuck)),
            Self::Sticky => return Choice::At(topic.sticky(is_stuck)),
            Self::Fixed(partition) => *partition,
            Self::Custom(choose) => choose(record, topic.ids()),
        };
        topic.position(named).map_or(Choice::None, Choice::At)
    }
}
