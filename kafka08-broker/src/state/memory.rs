//! Keeps the memory of all logs within its limit.
//!
//! Kafka has no such limit: it bounds each log by its retention. A process that hosts brokers for tests needs a bound for all
//! logs together, whatever clients produce and however many topics they create.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_proto::ids::NodeId;

use super::{Moved, Now, State, Tp};
use crate::log::Log;

/// The memory of each replica's log. The largest is found without looking at the others.
#[derive(Debug)]
pub(super) struct Memory {
    /// The logs in the order of their sizes.
    by_size: BTreeSet<(usize, Tp, NodeId)>,
    /// The size under which each log is in `by_size`, which is needed to find it there.
    sizes: BTreeMap<(Tp, NodeId), usize>,
    /// The sum of all sizes.
    total: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { by_size: BTreeSet::new(), sizes: BTreeMap::new(), total: 0 }
    }

    fn set(&mut self, tp: Tp, node: NodeId, size: usize) {
        if let Some(before) = self.sizes.insert((tp, node), size) {
            self.by_size.remove(&(before, tp, node));
            self.total -= before;
        }
        self.by_size.insert((size, tp, node));
        self.total += size;
    }

    fn forget(&mut self, tp: Tp, node: NodeId) {
        if let Some(before) = self.sizes.remove(&(tp, node)) {
            self.by_size.remove(&(before, tp, node));
            self.total -= before;
        }
    }
}

impl State {
    /// The bytes of memory that all logs take. What replicas share is counted once.
    pub(crate) fn log_memory(&self) -> usize {
        let partitions = self.topics.iter().flat_map(|(_, topic)| &topic.partitions);
        let replicas = partitions.flat_map(|partition| &partition.replicas);
        replicas.map(|replica| replica.log.memory().saturating_sub(replica.log.borrowed())).sum()
    }

    /// Notes the size of a replica's log after it changed.
    pub(crate) fn note_size(&mut self, tp: Tp, node: NodeId) {
        let replica = self.topics.partition_mut(tp).and_then(|partition| partition.replica_mut(node));
        let Some(replica) = replica else {
            self.memory.forget(tp, node);
            return;
        };
        // Before the size is read, so that it is the size that stays.
        if let Some(limit) = self.config.retention_bytes {
            replica.log.retain(limit);
        }
        let size = replica.log.memory();
        if self.is_recording {
            self.dirty.insert((tp, node));
        }
        self.memory.set(tp, node, size);
    }

    /// Drops the oldest messages of the largest log while all logs together are too large. The newest entry of `appended` is
    /// kept.
    pub(crate) fn keep_within_memory(&mut self, appended: Tp, now: Now) {
        while self.memory.total > self.config.max_log_bytes {
            // The largest log is chosen, so that a busy topic does not push out a quiet one.
            let Some(&(_, tp, node)) = self.memory.by_size.last() else { return };
            if self.drop_oldest(tp, node, now) {
                continue;
            }
            // The largest log has one entry. Many of those are too much as well, so whole logs are emptied then.
            let mut others = self.memory.by_size.iter().rev().filter(|(_, tp, _)| *tp != appended);
            let Some(&(_, tp, node)) = others.next() else { return };
            if !self.drop_oldest(tp, node, now) && !self.empty(tp, node, now) {
                return;
            }
        }
    }

    /// Drops the oldest messages of a log, except for its newest entry. Returns whether memory has become free.
    fn drop_oldest(&mut self, tp: Tp, node: NodeId, now: Now) -> bool {
        self.shorten(tp, node, now, |log| {
            log.drop_oldest();
        })
    }

    /// Drops all messages of a log. Returns whether memory has become free.
    fn empty(&mut self, tp: Tp, node: NodeId, now: Now) -> bool {
        self.shorten(tp, node, now, |log| log.truncate_fully(log.end(), now.wall))
    }

    fn shorten(&mut self, tp: Tp, node: NodeId, now: Now, how: impl FnOnce(&mut Log)) -> bool {
        let replica = self.topics.partition_mut(tp).and_then(|partition| partition.replica_mut(node));
        let Some(replica) = replica else { return false };
        // The caller loops until enough is free, so a step that frees nothing must be told, or the loop would not end.
        let before = self.memory.sizes.get(&(tp, node)).copied();
        how(&mut replica.log);
        self.note_size(tp, node);
        let has_shrunk = self.memory.sizes.get(&(tp, node)).copied() < before;
        if has_shrunk {
            self.advance(tp, now);
        }
        has_shrunk
    }

    /// Forgets the memory of a topic that was removed.
    pub(crate) fn forget_sizes(&mut self, tps: &[Tp]) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for tp in tps {
            nodes.iter().for_each(|node| self.memory.forget(*tp, *node));
            self.moved.push(Moved::Leader(*tp));
        }
    }
}
