//! All topics, and the memory they may take together.

use std::collections::BTreeMap;

use kafka08_proto::ids::{PartitionId, Text, Timestamp};

use super::log::Log;

#[derive(Debug)]
/// Every topic of the broker.
pub(super) struct Topics {
    /// In the order of their names, in which Metadata lists them.
    by_name: BTreeMap<Text, Topic>,
    /// `BrokerConfig::with_max_topics`.
    max_topics: usize,
    /// `BrokerConfig::with_max_log_bytes`.
    max_bytes: usize,
    /// Bytes of messages in all logs together.
    bytes: usize,
}

#[derive(Debug)]
/// One topic.
pub(super) struct Topic {
    /// The log of each partition, by its number.
    pub(super) partitions: Vec<Log>,
    /// Metadata answers that are still to call it leaderless.
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

    /// Makes a topic unless it is there. Returns whether it is there now.
    pub(super) fn create(&mut self, name: &str, partitions: u16, leaderless: u32, now: Timestamp) -> bool {
        if self.by_name.contains_key(&Text::from(name)) {
            return true;
        }
        if self.by_name.len() >= self.max_topics {
            return false;
        }
        let partitions = (0..partitions.max(1)).map(|_| Log::new(now)).collect();
        // The name is a slice of a request, which it must not keep alive.
        self.by_name.insert(Text::from(name), Topic { partitions, leaderless });
        true
    }

    /// The log of a partition, if there is one of this name and number.
    pub(super) fn log(&self, topic: &str, partition: PartitionId) -> Option<&Log> {
        let index = usize::try_from(partition.0).ok()?;
        self.by_name.get(&Text::from(topic))?.partitions.get(index)
    }

    /// The same, to be appended to.
    pub(super) fn log_mut(&mut self, topic: &str, partition: PartitionId) -> Option<&mut Log> {
        let index = usize::try_from(partition.0).ok()?;
        self.by_name.get_mut(&Text::from(topic))?.partitions.get_mut(index)
    }

    /// Accounts for bytes that were appended, and drops the oldest of the largest partitions while there are too many.
    pub(super) fn appended(&mut self, bytes: usize) {
        self.bytes += bytes;
        while self.bytes > self.max_bytes {
            let logs = self.by_name.values_mut().flat_map(|topic| &mut topic.partitions);
            // The largest: a busy topic must not push out a quiet one.
            match logs.max_by_key(|log| log.bytes()).map(Log::drop_oldest) {
                Some(dropped) if dropped > 0 => self.bytes -= dropped,
                _ => break,
            }
        }
    }
}
