//! Taking lists of partitions apart, and putting them together. The same for all requests that have partitions.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_proto::{
    api::{ByTopic, TopicItems},
    ids::{PartitionId, Text, TopicPartition},
};

use super::Verdict;

/// The partitions of a request, each once, in the order asked.
pub(super) fn partitions<T>(asked: &ByTopic<T>) -> Vec<TopicPartition> {
    let mut seen = BTreeSet::new();
    let first = asked.iter().filter(|(topic, partition, _)| seen.insert((*topic, *partition)));
    first.map(|(topic, partition, _)| TopicPartition { topic: topic.clone(), partition }).collect()
}

/// The items of the partitions to keep.
pub(super) fn part<T: Clone>(asked: &ByTopic<T>, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> ByTopic<T> {
    asked.filter(|topic, partition, _| keep(topic, partition))
}

/// Tells the verdict on each entry of an answer, in the order of the answer.
pub(super) fn verdicts<T>(
    told: &ByTopic<T>,
    each: &mut dyn FnMut(&Text, PartitionId, Verdict),
    verdict: impl Fn(&Text, PartitionId, &T) -> Verdict,
) {
    told.iter().for_each(|(topic, partition, entry)| each(topic, partition, verdict(topic, partition, entry)));
}

/// Puts together what answers say of the partitions for which they have the last word. `told` gives the entries of an
/// answer.
pub(super) fn merge<T, R, E: Clone>(
    asked: &ByTopic<T>,
    parts: &[(Vec<TopicPartition>, R)],
    told: impl Fn(&R) -> &ByTopic<E>,
) -> ByTopic<E> {
    let mut last = BTreeMap::new();
    for (own, answer) in parts {
        let told = told(answer);
        // The partitions are looked up in the answer, and not the entries in the list, because `find` gives the first
        // entry of a partition. What else the answer lists is never looked at.
        last.extend(own.iter().filter_map(|of| Some(((&of.topic, of.partition), told.find(&of.topic, of.partition)?))));
    }
    // The groups are built by hand: `push` would move a partition to an earlier group of its topic, out of the order asked.
    let mut groups: Vec<TopicItems<E>> = Vec::new();
    for (topic, partition, _) in asked.iter() {
        // A partition that was asked for twice is removed at its first place, so it is answered once.
        let Some(entry) = last.remove(&(topic, partition)) else { continue };
        let item = (partition, entry.clone());
        match groups.last_mut() {
            Some(group) if group.topic == *topic => group.partitions.push(item),
            _ => groups.push(TopicItems { topic: topic.clone(), partitions: vec![item] }),
        }
    }
    groups.into()
}
