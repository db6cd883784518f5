//! Items of partitions, grouped by topic: the shape that most bodies share.

use std::{cmp::Ordering, fmt};

use bytes::Bytes;

use super::order::{Order, UNINDEXED};
use crate::{
    ids::{PartitionId, Text, TopicPartition},
    wire::{EncodeError, Encoder, Parsed, Rules, array, int32, text},
};

/// Items of partitions, grouped by topic, in the order of the wire.
///
/// A broker answers in an order of its own and collapses duplicates, so answers are looked up with [`ByTopic::find`] and
/// never matched by index. From 17 items on there is an index, made when they were decoded and kept up by
/// [`ByTopic::push`]: a look-up then takes the logarithm of their number.
///
/// A list that says nothing of its partitions, as in a request for a group's offsets, is a `ByTopic<()>`.
///
/// ```
/// use kafka08_proto::{api::ByTopic, ids::Offset};
///
/// let mut ends = ByTopic::default();
/// ends.push("access-log", 0, Offset(42));
/// assert_eq!(ends.find("access-log", 0), Some(&Offset(42)));
/// for (topic, partition, end) in ends.iter() {
///     println!("{topic}/{partition} ends at {end}");
/// }
/// ```
#[derive(Clone)]
pub struct ByTopic<T> {
    topics: Vec<TopicItems<T>>,
    /// How many items there are.
    len: usize,
    /// How many groups have none, which the index does not know.
    empty: usize,
    order: Order<Place>,
}

/// The items of one topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicItems<T> {
    /// The topic's name.
    pub topic: Text,
    /// Partitions and what is said of each, in the order of the wire.
    pub partitions: Vec<(PartitionId, T)>,
}

/// Where an item stands: its group, and its place there.
type Place = (usize, usize);

impl<T> Default for ByTopic<T> {
    fn default() -> Self {
        Self { topics: Vec::new(), len: 0, empty: 0, order: Order::default() }
    }
}

impl<T: PartialEq> PartialEq for ByTopic<T> {
    fn eq(&self, other: &Self) -> bool {
        self.topics == other.topics
    }
}

impl<T: Eq> Eq for ByTopic<T> {}

impl<T: fmt::Debug> fmt::Debug for ByTopic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTopic").field("topics", &self.topics).finish()
    }
}

/// What an item is looked up by.
fn key<T>(topics: &[TopicItems<T>], (group, item): Place) -> Option<(&[u8], PartitionId)> {
    let group = topics.get(group)?;
    let (partition, _) = group.partitions.get(item)?;
    Some((group.topic.as_bytes(), *partition))
}

fn compare<T>(topics: &[TopicItems<T>], a: Place, b: Place) -> Ordering {
    if a.0 != b.0 {
        return key(topics, a).cmp(&key(topics, b));
    }
    // Of one group, so that the names need not be compared.
    let partition = |place| key(topics, place).map(|(_, partition)| partition);
    partition(a).cmp(&partition(b))
}

impl<T> ByTopic<T> {
    /// Adds the item of a partition to its topic's group, behind those that are there.
    pub fn push(&mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, item: T) {
        let topic = topic.into();
        let group = match self.group(&topic) {
            Some(group) => group,
            None => {
                self.topics.push(TopicItems { topic, partitions: Vec::new() });
                self.empty += 1;
                self.topics.len() - 1
            }
        };
        let Some(items) = self.topics.get_mut(group) else { return };
        // A group may have been read from the wire without items; this gives it its first.
        self.empty -= usize::from(items.partitions.is_empty());
        items.partitions.push((partition.into(), item));
        // The index keeps places and not keys: names would have to be copied, or borrowed from this very value.
        let place = (group, items.partitions.len() - 1);
        self.len += 1;
        let topics = &self.topics;
        if self.order.is_built() {
            self.order.push(place, |a, b| compare(topics, a, b));
        } else if self.len + self.empty > UNINDEXED {
            self.order = order(topics, self.len, self.empty);
        }
    }

    /// The group that an item of this topic is added to.
    fn group(&self, topic: &Text) -> Option<usize> {
        // Callers add a topic's partitions one after the other, so the last group is the likely one.
        if self.topics.last().is_some_and(|last| last.topic == *topic) {
            return Some(self.topics.len() - 1);
        }
        if self.order.is_built() {
            let is_of = |place| {
                // Any item of the topic will do.
                key(&self.topics, place).map(|(name, _)| name).cmp(&Some(topic.as_bytes()))
            };
            // The index knows only groups that have items.
            let found = self.order.first(is_of).map(|(group, _)| group);
            if found.is_some() || self.empty == 0 {
                return found;
            }
        }
        self.topics.iter().position(|group| group.topic == *topic)
    }

    /// The first item of this partition, if there is one.
    #[must_use]
    pub fn find(&self, topic: &str, partition: impl Into<PartitionId>) -> Option<&T> {
        let partition = partition.into();
        let (_, item) = if self.order.is_built() {
            let sought = Some((topic.as_bytes(), partition));
            let (group, item) = self.order.first(|place| key(&self.topics, place).cmp(&sought))?;
            self.topics.get(group)?.partitions.get(item)?
        } else {
            let groups = self.topics.iter().filter(|group| group.topic == *topic);
            groups.flat_map(|group| &group.partitions).find(|(candidate, _)| *candidate == partition)?
        };
        Some(item)
    }

    /// All items with their topics and partitions, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, PartitionId, &T)> {
        self.topics
            .iter()
            .flat_map(|group| group.partitions.iter().map(move |(partition, item)| (&group.topic, *partition, item)))
    }

    /// The groups, in the order of the wire.
    #[must_use]
    pub fn topics(&self) -> &[TopicItems<T>] {
        &self.topics
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A partition that stands here more than once. Up to 16 items it allocates nothing.
    #[must_use]
    pub fn duplicate(&self) -> Option<TopicPartition> {
        if self.len < 2 {
            return None;
        }
        if !self.order.is_built() {
            let is_behind = |n: usize, topic: &Text, partition: PartitionId| {
                self.iter().skip(n + 1).any(|behind| behind.1 == partition && behind.0 == topic)
            };
            let mut all = self.iter().enumerate();
            let (_, (topic, partition, _)) = all.find(|(n, (topic, partition, _))| is_behind(*n, topic, *partition))?;
            return Some(TopicPartition::new(topic, partition));
        }
        // Equal ones stand side by side once they are sorted.
        let places = self.order.sorted(|a, b| compare(&self.topics, a, b));
        let twice = places.windows(2).find_map(|pair| match pair {
            &[a, b] if compare(&self.topics, a, b).is_eq() => Some(a),
            _ => None,
        })?;
        let group = self.topics.get(twice.0)?;
        group.partitions.get(twice.1).map(|(partition, _)| TopicPartition::new(&group.topic, *partition))
    }

    /// Writes the groups: the number of each partition, then its item.
    pub(super) fn encode(
        &self,
        to: &mut Encoder,
        mut item: impl FnMut(&mut Encoder, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        to.array("topics", &self.topics, |to, group| {
            to.text("topic", &group.topic)?;
            to.array("partitions", &group.partitions, |to, (partition, value)| {
                to.int32(partition.0);
                item(to, value)
            })
        })
    }

    /// Reads the groups: the number of each partition, then its item, which takes at least `smallest` bytes.
    pub(super) fn parse<'a>(
        rules: Rules,
        smallest: usize,
        body: &Bytes,
        i: &'a [u8],
        mut item: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
    ) -> Parsed<'a, Self> {
        // The smallest size of an element bounds what a count may claim: memory is reserved for no more than what was received can
        // hold.
        const EMPTY_NAME_AND_COUNT: usize = 2 + 4;
        const PARTITION: usize = 4;
        let (i, topics) = array("topics", rules, EMPTY_NAME_AND_COUNT, i, |i| {
            let (i, topic) = text("topic", rules, body, i)?;
            let (i, partitions) = array("partitions", rules, PARTITION + smallest, i, |i| {
                let (i, partition) = int32("partition", i)?;
                let (i, value) = item(i)?;
                Ok((i, (partition, value)))
            })?;
            Ok((i, TopicItems { topic, partitions }))
        })?;
        Ok((i, Self::from(topics)))
    }
}

/// The index of all items, of which there are `len`, besides `empty` groups without any.
fn order<T>(topics: &[TopicItems<T>], len: usize, empty: usize) -> Order<Place> {
    if len + empty <= UNINDEXED {
        return Order::default();
    }
    let mut places = Vec::with_capacity(len);
    for (group, items) in topics.iter().enumerate() {
        places.extend((0..items.partitions.len()).map(|item| (group, item)));
    }
    Order::of(places, |a, b| compare(topics, a, b))
}

impl<T> From<Vec<TopicItems<T>>> for ByTopic<T> {
    fn from(topics: Vec<TopicItems<T>>) -> Self {
        // Counted once: the number is asked for with each item that is pushed.
        let len = topics.iter().map(|group| group.partitions.len()).sum();
        let empty = topics.iter().filter(|group| group.partitions.is_empty()).count();
        Self { order: order(&topics, len, empty), topics, len, empty }
    }
}
