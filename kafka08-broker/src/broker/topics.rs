//! All topics, and the limit of their memory.

use std::collections::BTreeMap;

use kafka08_proto::ids::{PartitionId, Text, Timestamp};

use super::log::Log;

#[derive(Debug)]
/// All topics of the broker.
pub(super) struct Topics {
    /// The topics in the order of their names, in which Metadata lists them.
    by_name: BTreeMap<Text, Topic>,
    /// The limit of [`BrokerConfig::with_max_topics`](crate::BrokerConfig::with_max_topics).
    max_topics: usize,
    /// The limit of [`BrokerConfig::with_max_log_bytes`](crate::BrokerConfig::with_max_log_bytes).
    max_bytes: usize,
    /// The number of bytes of the messages in all logs.
    bytes: usize,
}

#[derive(Debug)]
/// A topic.
pub(super) struct Topic {
    /// The log of each partition, in the order of the partitions' numbers.
    pub(super) partitions: Vec<Log>,
    /// The number of Metadata responses that will still say that the topic has no leader.
    pub(super) leaderless: u32,
}

impl Topics {
    pub(super) fn new(max_topics: usize, max_bytes: usize) -> Self {
        Self { by_name: BTreeMap::new(), max_topics, max_bytes, bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_name.get_mut(&Text::from(name))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Text, &mut Topic)> {
        self.by_name.iter_mut()
    }

    /// Creates a topic unless it exists. Returns whether it exists now.
    pub(super) fn create(&mut self, name: &str, partitions: u16, leaderless: u32, now: Timestamp) -> bool {
        if self.by_name.contains_key(&Text::from(name)) {
            return true;
        }
        if self.by_name.len() >= self.max_topics {
            return false;
        }
        let partitions = (0..partitions.max(1)).map(|_| Log::new(now)).collect();
        // The name is copied, because a slice would keep the memory of its request alive.
        self.by_name.insert(Text::from(name), Topic { partitions, leaderless });
        true
    }

    /// Returns the log of a partition, if it exists.
    pub(super) fn log(&self, topic: &str, partition: PartitionId) -> Option<&Log> {
        let index = usize::try_from(partition.0).ok()?;
        self.by_name.get(&Text::from(topic))?.partitions.get(index)
    }

    /// Returns the log of a partition, if it exists, to append to it.
    pub(super) fn log_mut(&mut self, topic: &str, partition: PartitionId) -> Option<&mut Log> {
        let index = usize::try_from(partition.0).ok()?;
        self.by_name.get_mut(&Text::from(topic))?.partitions.get_mut(index)
    }

    /// Counts bytes that were appended. While there are too many, drops the oldest messages of the largest partition.
    pub(super) fn appended(&mut self, bytes: usize) {
        self.bytes += bytes;
        while self.bytes > self.max_bytes {
            let logs = self.by_name.values_mut().flat_map(|topic| &mut topic.partitions);
            // The largest partition is chosen, so that a busy topic does not push out a quiet one.
            match logs.max_by_key(|log| log.bytes()).map(Log::drop_oldest) {
                Some(dropped) if dropped > 0 => self.bytes -= dropped,
                _ => break,
            }
        }
    }
}
