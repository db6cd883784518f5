//! Items of partitions, grouped by topic. Most bodies have this shape.

use std::{cmp::Ordering, fmt};

use bytes::Bytes;

use super::order::{Order, UNINDEXED};
use crate::{
    ids::{PartitionId, Text, TopicPartition},
    wire::{EncodeError, Encoder, Parsed, Rules, array, int32, text},
};

/// Items of partitions, grouped by topic, in the order of the wire.
///
/// A broker chooses the order of the items in a response and merges duplicates. So look up items of a response with
/// [`ByTopic::find`], and never match them by position. If there are 17 items or more, they have an index, which is
/// made when they are decoded and kept up to date by [`ByTopic::push`]. A look-up then takes logarithmic time.
///
/// A list of partitions without further values, as in a request for a group's offsets, is a `ByTopic<()>`.
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
    /// The number of items.
    len: usize,
    /// The number of groups without items. The index does not know these groups.
    empty: usize,
    order: Order<Place>,
}

/// The items of one topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicItems<T> {
    /// The topic's name.
    pub topic: Text,
    /// The partitions and their items, in the order of the wire.
    pub partitions: Vec<(PartitionId, T)>,
}

/// The place of an item: the position of its group, and the position of the item in the group.
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

/// The key by which an item is looked up: its topic and its partition.
fn key<T>(topics: &[TopicItems<T>], (group, item): Place) -> Option<(&[u8], PartitionId)> {
    let group = topics.get(group)?;
    let (partition, _) = group.partitions.get(item)?;
    Some((group.topic.as_bytes(), *partition))
}

fn compare<T>(topics: &[TopicItems<T>], a: Place, b: Place) -> Ordering {
    if a.0 != b.0 {
        return key(topics, a).cmp(&key(topics, b));
    }
    // Both items are in one group, so their names need not be compared.
    let partition = |place| key(topics, place).map(|(_, partition)| partition);
    partition(a).cmp(&partition(b))
}

impl<T> ByTopic<T> {
    /// Adds the item of a partition at the end of its topic's group.
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
        // A group that was read from the wire may have no items. Then this is its first item.
        self.empty -= usize::from(items.partitions.is_empty());
        items.partitions.push((partition.into(), item));
        // The index keeps places and not keys, because names would have to be copied, or borrowed from this same value.
        let place = (group, items.partitions.len() - 1);
        self.len += 1;
        let topics = &self.topics;
        if self.order.is_built() {
            self.order.push(place, |a, b| compare(topics, a, b));
        } else if self.len + self.empty > UNINDEXED {
            self.order = order(topics, self.len, self.empty);
        }
    }

    /// The position of the group to which an item of this topic is added.
    fn group(&self, topic: &Text) -> Option<usize> {
        // Callers usually add a topic's partitions one after the other, so the last group is the likely one.
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

    /// The items for which `keep` returns true, in the same order. `keep` is called once for each item, in that order.
    ///
    /// Groups of which no item is kept are left out.
    ///
    /// ```
    /// use kafka08_proto::api::ByTopic;
    ///
    /// let mut all = ByTopic::default();
    /// all.push("access-log", 0, 'a');
    /// all.push("access-log", 1, 'b');
    /// let odd = all.filter(|_, partition, _| partition.0 % 2 == 1);
    /// assert_eq!((odd.len(), odd.find("access-log", 1)), (1, Some(&'b')));
    /// ```
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Text, PartitionId, &T) -> bool) -> Self
    where
        T: Clone,
    {
        let mut topics = Vec::new();
        for group in &self.topics {
            let kept = group.partitions.iter().filter(|(partition, item)| keep(&group.topic, *partition, item));
            let partitions: Vec<_> = kept.cloned().collect();
            if !partitions.is_empty() {
                topics.push(TopicItems { topic: group.topic.clone(), partitions });
            }
        }
        Self::from(topics)
    }

    /// The groups, in the order of the wire.
    #[must_use]
    pub fn topics(&self) -> &[TopicItems<T>] {
        &self.topics
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A partition that is listed more than once, if there is one. Allocates nothing for up to 16 items.
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
        // After sorting, equal partitions are next to each other.
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
        // The smallest size of an element bounds its count, so that no more memory is reserved than the received bytes
        // can fill.
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

/// Creates the index of all items. There are `len` items, and `empty` groups without items.
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
        // The items are counted once, because `push` needs the number each time.
        let len = topics.iter().map(|group| group.partitions.len()).sum();
        let empty = topics.iter().filter(|group| group.partitions.is_empty()).count();
        Self { order: order(&topics, len, empty), topics, len, empty }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group<T: Copy>(topic: &'static str, items: &[(i32, T)]) -> TopicItems<T> {
        let partitions = items.iter().map(|&(partition, item)| (PartitionId(partition), item)).collect();
        TopicItems { topic: Text::from_static(topic), partitions }
    }

    #[test]
    fn a_filter_keeps_the_order_the_duplicates_and_the_groups_that_have_items() {
        let all = ByTopic::from(vec![
            group("b", &[(3, 'p'), (0, 'q'), (3, 'r')]),
            group("empty", &[]),
            group("a", &[(1, 's')]),
            group("b", &[(1, 't'), (2, 'u')]),
        ]);
        let mut seen = String::new();
        let kept = all.filter(|topic, partition, item| {
            seen.push(*item);
            *topic == *"b" && partition != PartitionId(2)
        });
        assert_eq!(seen, "pqrstu");
        assert_eq!(kept.topics(), [group("b", &[(3, 'p'), (0, 'q'), (3, 'r')]), group("b", &[(1, 't')])]);
        assert_eq!((kept.len(), kept.find("b", 3), kept.find("a", 1)), (4, Some(&'p'), None));
        assert!(all.filter(|_, _, _| false).topics().is_empty());
    }

    #[test]
    fn what_a_filter_keeps_of_20_000_items_is_indexed() {
        const MANY: i32 = 20_000;
        let mut all = ByTopic::default();
        (0..MANY).for_each(|n| all.push("t", n, n));
        let mut kept = all.filter(|_, partition, _| partition.0 % 2 == 0);
        assert!(kept.order.is_built());
        assert!((0..MANY).all(|n| kept.find("t", n).copied() == Some(n).filter(|n| n % 2 == 0)));
        kept.push("t", 1, -1);
        assert_eq!((kept.len(), kept.find("t", 1)), (10_001, Some(&-1)));
        let few = all.filter(|_, partition, _| partition.0 < 16);
        assert!(!few.order.is_built(), "16 items are searched from start to end");
    }
}
