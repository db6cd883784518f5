//! Items of partitions, grouped by topic: the shape that most bodies share.

use bytes::Bytes;

use crate::{
    ids::{PartitionId, Text, TopicPartition},
    wire::{EncodeError, Encoder, Parsed, Sign, array, text},
};

/// Items of partitions, grouped by topic, in the order of the wire.
///
/// A broker answers in an order of its own and collapses duplicates, so answers are looked up with [`ByTopic::find`] and
/// never matched by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByTopic<T> {
    topics: Vec<TopicItems<T>>,
}

/// The items of one topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicItems<T> {
    /// The topic's name.
    pub topic: Text,
    /// One item per partition, in the order of the wire.
    pub partitions: Vec<T>,
}

/// Something about one partition.
pub trait InTopic {
    /// The partition it is about.
    fn partition(&self) -> PartitionId;
}

impl<T> Default for ByTopic<T> {
    fn default() -> Self {
        Self { topics: Vec::new() }
    }
}

impl<T: InTopic> ByTopic<T> {
    /// Adds an item to its topic's group, behind those that are there.
    pub fn push(&mut self, topic: impl Into<Text>, item: T) {
        let topic = topic.into();
        // Callers add a topic's partitions one after the other, so the last group is the likely one.
        match self.topics.iter_mut().rev().find(|group| group.topic == topic) {
            Some(group) => group.partitions.push(item),
            None => self.topics.push(TopicItems { topic, partitions: vec![item] }),
        }
    }

    /// The first item of this partition, if there is one. Looks at each item at most once.
    #[must_use]
    pub fn find(&self, topic: &str, partition: PartitionId) -> Option<&T> {
        let groups = self.topics.iter().filter(|group| group.topic == *topic);
        groups.flat_map(|group| &group.partitions).find(|item| item.partition() == partition)
    }

    /// All items with their topics, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &T)> {
        self.topics.iter().flat_map(|group| group.partitions.iter().map(move |item| (&group.topic, item)))
    }

    /// The groups, in the order of the wire.
    #[must_use]
    pub fn topics(&self) -> &[TopicItems<T>] {
        &self.topics
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topics.iter().map(|group| group.partitions.len()).sum()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A partition that stands here more than once.
    #[must_use]
    pub fn duplicate(&self) -> Option<TopicPartition> {
        let mut seen: Vec<(&str, PartitionId)> =
            self.iter().map(|(topic, item)| (topic.as_str(), item.partition())).collect();
        seen.sort_unstable();
        let twice = seen.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        })?;
        Some(TopicPartition::new(twice.0, twice.1))
    }

    pub(super) fn encode(
        &self,
        to: &mut Encoder,
        mut item: impl FnMut(&mut Encoder, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        to.array("topics", &self.topics, |to, group| {
            to.text("topic", &group.topic)?;
            to.array("partitions", &group.partitions, &mut item)
        })
    }

    /// Reads the groups; an item takes at least `smallest` bytes.
    pub(super) fn parse<'a>(
        sign: Sign,
        smallest: usize,
        body: &Bytes,
        i: &'a [u8],
        mut item: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
    ) -> Parsed<'a, Self> {
        const EMPTY_NAME_AND_COUNT: usize = 2 + 4;
        let (i, topics) = array("topics", sign, EMPTY_NAME_AND_COUNT, i, |i| {
            let (i, topic) = text("topic", body, i)?;
            let (i, partitions) = array("partitions", sign, smallest, i, &mut item)?;
            Ok((i, TopicItems { topic, partitions }))
        })?;
        Ok((i, Self { topics }))
    }
}

impl<T> From<Vec<TopicItems<T>>> for ByTopic<T> {
    fn from(topics: Vec<TopicItems<T>>) -> Self {
        Self { topics }
    }
}
