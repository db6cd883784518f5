//! Which logs have changed, for a storage, and logs that a storage gives back.
//!
//! A log notes its changes only if a storage will take them. Otherwise the notes would grow without end.

use std::collections::BTreeMap;

use kafka08_proto::ids::{NodeId, PartitionId, Text};

use super::{Now, Partition, State, Tp};
use crate::log::{Change, Log, StoredSegment};

/// A log that a storage has read.
#[derive(Clone, Debug)]
pub(crate) struct StoredLog {
    pub(crate) node: NodeId,
    pub(crate) topic: Text,
    pub(crate) partition: PartitionId,
    pub(crate) segments: Vec<StoredSegment>,
}

/// What a storage must do for one log.
#[derive(Debug)]
pub(crate) struct StorageAction {
    pub(crate) node: NodeId,
    pub(crate) topic: Text,
    pub(crate) partition: PartitionId,
    pub(crate) what: StorageWork,
}

/// What a storage must do.
#[derive(Debug)]
pub(crate) enum StorageWork {
    /// Make these changes, in order.
    Change(Vec<Change>),
    /// Remove everything, because the topic was deleted.
    Remove,
}

/// A log of a topic that was deleted.
pub(super) type Removed = (NodeId, Text, PartitionId);

impl Partition {
    /// Has the logs of all replicas note their changes.
    pub(super) fn record(&mut self) {
        self.replicas.iter_mut().for_each(|replica| replica.log.record());
    }
}

impl State {
    /// Has every log note its changes from now on.
    pub(crate) fn record(&mut self) {
        self.is_recording = true;
        for tp in self.topics.all() {
            if let Some(partition) = self.topics.partition_mut(tp) {
                partition.record();
            }
        }
    }

    /// Takes what a storage must do since the last call.
    pub(crate) fn take_storage_actions(&mut self) -> Vec<StorageAction> {
        let mut actions = Vec::new();
        // Removals come first: a topic that was deleted and created again has the same folder.
        for (node, topic, partition) in std::mem::take(&mut self.removed) {
            actions.push(StorageAction { node, topic, partition, what: StorageWork::Remove });
        }
        for (tp, node) in std::mem::take(&mut self.dirty) {
            let Some(topic) = self.topics.get(tp.topic).map(|topic| topic.name.clone()) else { continue };
            let replica = self.topics.partition_mut(tp).and_then(|partition| partition.replica_mut(node));
            let changes = replica.map(|replica| replica.log.take_changes()).unwrap_or_default();
            if !changes.is_empty() {
                let what = StorageWork::Change(changes);
                actions.push(StorageAction { node, topic, partition: tp.partition, what });
            }
        }
        actions
    }

    /// The replicas of each partition of each topic, ordered by the creation of the topics.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = (&Text, Vec<Vec<NodeId>>)> {
        let nodes = |partition: &Partition| partition.replicas.iter().map(|replica| replica.node).collect();
        self.topics.iter().map(move |(_, topic)| (&topic.name, topic.partitions.iter().map(nodes).collect()))
    }

    /// Puts topics and their logs back. They replace topics of the same names, which are those of the configuration.
    pub(crate) fn restore(&mut self, topics: &[(Text, Vec<Vec<NodeId>>)], logs: Vec<StoredLog>, now: Now) {
        let mut by_place: BTreeMap<(Text, PartitionId, NodeId), Vec<StoredSegment>> =
            logs.into_iter().map(|log| ((log.topic, log.partition, log.node), log.segments)).collect();
        for (name, assignment) in topics {
            if let Some(id) = self.topics.id(name) {
                self.delete_topic(id, now);
            }
            let mut partitions: Vec<Partition> =
                assignment.iter().map(|replicas| Partition::new(replicas, now.wall)).collect();
            for (number, partition) in (0..).zip(&mut partitions) {
                for replica in &mut partition.replicas {
                    if let Some(segments) = by_place.remove(&(name.clone(), PartitionId(number), replica.node)) {
                        replica.log = Log::from_segments(segments, now.wall);
                        // What was stored counts as held by all: no process is there that could know more.
                        replica.high_watermark = replica.log.end();
                        replica.flushed = replica.log.end();
                        // Otherwise an election that drops a part of it would not count as a loss.
                        partition.visible = partition.visible.max(replica.log.end());
                    }
                }
            }
            let id = self.topics.add(name.clone(), partitions);
            self.lead_restored(id, now);
        }
    }

    /// Elects the replicas with the longest logs.
    fn lead_restored(&mut self, id: super::TopicId, now: Now) {
        let Some(topic) = self.topics.get_mut(id) else { return };
        topic.is_led = true;
        let longest = |partition: &Partition| {
            // Of equal logs the preferred replica leads: `max_by_key` returns the last of the largest.
            partition.replicas.iter().rev().max_by_key(|replica| replica.log.end()).map(|replica| replica.node)
        };
        let leaders: Vec<(Tp, Option<NodeId>)> = (0..)
            .zip(&topic.partitions)
            .map(|(n, partition)| (Tp { topic: id, partition: PartitionId(n) }, longest(partition)))
            .collect();
        self.publish_brokers(now);
        for (tp, leader) in leaders {
            let nodes: Vec<NodeId> =
                self.partition(tp).map(|found| found.replicas.iter().map(|r| r.node).collect()).unwrap_or_default();
            // Sizes are noted before the election, which may shorten followers and then must find them.
            nodes.iter().for_each(|node| self.note_size(tp, *node));
            self.elect(tp, leader, now);
        }
    }
}
