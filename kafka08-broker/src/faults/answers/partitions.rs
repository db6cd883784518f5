//! Lies about which partitions an answer has.

use kafka08_proto::ids::{PartitionId, Text};

use crate::{
    faults::{Lie, target::Target},
    wire::{Groups, Name},
};

/// How far the number of an invented partition is above that of the last one.
const FAR: i32 = 1000;

/// Leaves out, repeats and invents partitions. Does nothing if the lie is about something else.
pub(super) fn lie<T: Clone>(groups: &mut Groups<T>, lie: &Lie, target: &Target) {
    // Whole topics go, because brokers of 0.8 answer no partitions with no topic either.
    if *lie == Lie::Empty {
        groups.retain(|group| !target.covers_topic(&group.topic));
        return;
    }
    for group in groups.iter_mut().filter(|group| target.covers_topic(&group.topic)) {
        if *lie == Lie::TopicWrong {
            group.topic = wrong(&group.topic);
        }
        let partition = |item: &(PartitionId, T)| item.0;
        change(&mut group.items, lie, target, partition, |item, partition| item.0 = partition);
    }
}

/// Changes a list of partitions, whatever is known of each.
pub(super) fn change<T: Clone>(
    items: &mut Vec<T>,
    lie: &Lie,
    target: &Target,
    number: impl Fn(&T) -> PartitionId,
    renumber: impl Fn(&mut T, PartitionId),
) {
    let selected = items.iter().position(|item| target.covers_partition(number(item)));
    match lie {
        Lie::PartitionMissing => drop(selected.map(|at| items.remove(at))),
        Lie::PartitionTwice => {
            let copy = selected.and_then(|at| items.get(at)).cloned();
            items.extend(copy);
        }
        // The values are those of a real partition, so that only the number is wrong.
        Lie::PartitionExtra => {
            let mut extra = items.last().cloned();
            if let Some(extra) = &mut extra {
                let last = number(extra);
                renumber(extra, PartitionId(last.0.saturating_add(FAR)));
            }
            items.extend(extra);
        }
        _ => {}
    }
}

/// A name that the request does not have.
pub(super) fn wrong(topic: &Name) -> Name {
    Some(Text::from(format!("{}-other", topic.as_ref().map_or("", Text::as_str))))
}
