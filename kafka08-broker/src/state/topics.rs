//! The topics of a cluster.
//!
//! Partitions are named by [`Tp`], a topic's identity and a number, and not by the topic's name. A timer or a request that is
//! about a deleted topic then finds nothing, even if a topic of the same name was created since.

use std::collections::BTreeMap;

use kafka08_proto::ids::{PartitionId, Text};

use super::{Partition, Tp};

/// The topic in which 0.8.2 stores offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A topic's identity. It is not used again when a topic of the same name is created later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(pub(crate) u32);

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Text,
    /// The partitions, by their numbers from 0 on.
    pub(crate) partitions: Vec<Partition>,
    /// Whether the controller has elected leaders. Brokers know nothing of the topic before.
    pub(crate) is_led: bool,
}

impl Topic {
    /// The partitions, if the topic has this identity.
    pub(crate) fn tps(&self, topic: TopicId) -> impl Iterator<Item = Tp> {
        (0..).zip(&self.partitions).map(move |(n, _)| Tp { topic, partition: PartitionId(n) })
    }
}

/// The topics of a cluster, by name and by identity.
#[derive(Debug)]
pub(crate) struct Topics {
    ids: BTreeMap<Text, TopicId>,
    by_id: BTreeMap<TopicId, Topic>,
    next: u32,
    /// Counts topics that were added or removed.
    version: u64,
}

impl Topics {
    pub(crate) fn new() -> Self {
        Self { ids: BTreeMap::new(), by_id: BTreeMap::new(), next: 0, version: 0 }
    }

    /// A number that changes with each topic that is added or removed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn id(&self, name: &Text) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn get(&self, id: TopicId) -> Option<&Topic> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.by_id.get_mut(&id)
    }

    /// The topics in the order of their creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicId, &Topic)> {
        self.by_id.iter().map(|(id, topic)| (*id, topic))
    }

    /// All partitions.
    pub(crate) fn all(&self) -> Vec<Tp> {
        self.iter().flat_map(|(id, topic)| topic.tps(id)).collect()
    }

    pub(crate) fn add(&mut self, name: Text, partitions: Vec<Partition>) -> TopicId {
        let id = TopicId(self.next);
        self.next += 1;
        self.version += 1;
        self.ids.insert(name.clone(), id);
        self.by_id.insert(id, Topic { name, partitions, is_led: false });
        id
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Option<Topic> {
        let topic = self.by_id.remove(&id)?;
        self.version += 1;
        self.ids.remove(&topic.name);
        Some(topic)
    }

    /// The partition with this topic name and number, if it exists and brokers know of it.
    pub(crate) fn find(&self, name: &Text, partition: PartitionId) -> Option<Tp> {
        let topic = self.id(name)?;
        let found = Tp { topic, partition };
        // A broker hosts no replica before the controller has told it to, so a topic that is not led is unknown to it.
        self.get(topic).filter(|topic| topic.is_led)?;
        self.partition(found).map(|_| found)
    }

    pub(crate) fn partition(&self, tp: Tp) -> Option<&Partition> {
        self.get(tp.topic)?.partitions.get(usize::try_from(tp.partition.0).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, tp: Tp) -> Option<&mut Partition> {
        self.get_mut(tp.topic)?.partitions.get_mut(usize::try_from(tp.partition.0).ok()?)
    }
}

/// Whether a topic of this name may be created (`Topic.validate`).
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=255).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_legal)
}
