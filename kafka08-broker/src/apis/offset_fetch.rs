//! OffsetFetch (`KafkaApis.handleOffsetFetchRequest`, `OffsetManager.getOffsets`).
//!
//! This file also decides when a coordinator's cache is loaded from the log and forgotten. A real coordinator loads in the
//! background when it becomes leader, and answers OffsetsLoadInProgress meanwhile. Here the first request that needs a
//! partition loads it, so no client sees that code unless a rule tells it.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset, Text},
};

use super::{Caller, grouped, offset_commit::key_of};
use crate::{
    cluster::Cluster,
    groups::{is_valid_group, read_all},
    state::{Now, OFFSETS_TOPIC, Tp},
    wire::{Answer, CommittedOffset, Name, Place, Places, Store},
};

impl Cluster {
    pub(crate) fn offset_fetch(
        &mut self,
        caller: Caller,
        kept_by: Store,
        group: &Name,
        parts: &Places<()>,
        now: Now,
    ) -> Answer {
        let found: Vec<_> = match (kept_by, group) {
            (Store::ZooKeeper, group) => {
                let group = group.clone().unwrap_or_else(|| Text::from("null"));
                parts.keys().map(|place| (place.clone(), self.in_zookeeper(&group, place))).collect()
            }
            (Store::Kafka, None) => parts.keys().map(|place| (place.clone(), none(ErrorCode::UNKNOWN))).collect(),
            (Store::Kafka, Some(group)) => {
                // All partitions of a request have the same group, and so the same coordinator.
                let ready = self.coordinates(caller, group, now);
                parts.keys().map(|place| (place.clone(), self.in_kafka(caller, group, place, ready))).collect()
            }
        };
        Answer::OffsetFetch(grouped(found, self.seed()))
    }

    fn in_zookeeper(&self, group: &Text, place: &Place) -> CommittedOffset {
        if !self.knows_topic(place) {
            return none(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        if !is_valid_group(group) {
            return none(ErrorCode::UNKNOWN);
        }
        match self.zookeeper.get(&key_of(group, place)) {
            Some(offset) => CommittedOffset { offset, metadata: Some(Text::default()), error: ErrorCode::NONE },
            // An absent node of ZooKeeper is an exception there, which 0.8.1 and version 0 of 0.8.2 map to this code. Version
            // 1 has no error for it.
            None => none(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }

    fn in_kafka(&self, caller: Caller, group: &Text, place: &Place, ready: Result<Tp, ErrorCode>) -> CommittedOffset {
        // Existence is checked before the coordinator, as in `KafkaApis.handleOffsetFetchRequest` of 0.8.2.
        if self.find(place).is_none() {
            return none(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let tp = match ready {
            Ok(tp) => tp,
            Err(error) => return none(error),
        };
        let node = self.state.nodes.get(&caller.node);
        match node.and_then(|node| node.offsets.get(tp.partition, &key_of(group, place))) {
            Some(committed) => CommittedOffset {
                offset: committed.offset,
                metadata: committed.metadata.clone(),
                error: ErrorCode::NONE,
            },
            None => none(ErrorCode::NONE),
        }
    }

    /// Whether the broker coordinates a group, and has its offsets in memory.
    fn coordinates(&mut self, caller: Caller, group: &str, now: Now) -> Result<Tp, ErrorCode> {
        let partition = self.offsets_partition(group);
        let tp = self.find_offsets_partition(partition).ok_or(ErrorCode::NOT_COORDINATOR_FOR_CONSUMER)?;
        let leader = self.state.partition(tp).and_then(|partition| partition.leader);
        if leader != Some(caller.node) {
            return Err(ErrorCode::NOT_COORDINATOR_FOR_CONSUMER);
        }
        self.load_offsets(caller.node, tp, now);
        let is_loaded = self.state.nodes.get(&caller.node).is_some_and(|node| node.offsets.is_loaded(partition));
        if is_loaded { Ok(tp) } else { Err(ErrorCode::OFFSETS_LOAD_IN_PROGRESS) }
    }

    /// Loads the offsets of a partition into the cache of its leader, unless they are there.
    pub(super) fn load_offsets(&mut self, node: NodeId, tp: Tp, _now: Now) {
        let Some(partition) = self.state.topics.partition(tp) else { return };
        let Some(found) = self.state.nodes.get_mut(&node).filter(|node| !node.offsets.is_loaded(tp.partition)) else {
            return;
        };
        let Some(replica) = partition.replica(node) else { return };
        // A new leader may know an older high watermark than the last one did. If it loaded now, commits that were acknowledged
        // would be missing until the coordinator moves.
        if replica.high_watermark < partition.visible {
            return;
        }
        // A commit above the high watermark is put into the cache when it is answered. One that has timed out is not, although it
        // stays in the log (`OffsetManager.loadOffsets`).
        found.offsets.load(tp.partition, read_all(replica.visible_set()));
    }

    /// Has brokers forget the offsets of a partition that another broker leads now, and the leader load them. A commit that is
    /// stored later is told only when all replicas have it, so loading must not wait for the first question.
    pub(super) fn note_coordinator(&mut self, tp: Tp, now: Now) {
        let is_offsets = self.state.topics.get(tp.topic).is_some_and(|topic| topic.name == OFFSETS_TOPIC);
        if !is_offsets {
            return;
        }
        let leader = self.state.partition(tp).and_then(|partition| partition.leader);
        // If the old coordinator kept its cache, it would answer from it should it lead again, without the commits of the
        // time between.
        for node in self.state.nodes.values_mut().filter(|node| Some(node.id) != leader) {
            node.offsets.unload(tp.partition);
        }
        if let Some(leader) = leader {
            self.load_offsets(leader, tp, now);
        }
    }

    /// How many offsets are stored. One with long names or metadata counts as several.
    pub(super) fn offsets_weight(&self) -> usize {
        self.zookeeper.weight() + self.state.nodes.values().map(|node| node.offsets.weight()).sum::<usize>()
    }
}

/// No offset, for a reason or because none was committed.
fn none(error: ErrorCode) -> CommittedOffset {
    CommittedOffset { offset: Offset::NONE, metadata: Some(Text::default()), error }
}
