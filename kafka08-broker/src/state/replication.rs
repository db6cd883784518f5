//! Followers copy from their leaders, and the high watermark follows them (`ReplicaFetcherThread`, `Partition`).
//!
//! A follower does not send requests: it copies from the log of its leader, either at once or after a lag that is drawn from
//! the seed. The order in [`State::follow`] is that of a real fetch: the follower copies, the leader learns its position, the
//! set of in-sync replicas grows, and then the high watermark moves. The follower learns the new high watermark with the next
//! fetch.
//!
//! Replicas that are held back, and brokers that are down or paused, copy nothing. Their time is noted, and they leave the
//! set when they have been behind for too long.

use std::time::Instant;

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset},
};

use super::{Due, Moved, Now, State, Tp};
use crate::{
    BrokerConfig,
    log::{Appended, Rules},
};

/// How many clients a leader of 0.8.0 takes for followers. Kafka has no limit.
const MAX_STRANGERS: usize = 64;
/// How many bytes a follower copies in one fetch.
const ONE_FETCH: usize = usize::MAX;

impl State {
    /// Appends a produced set to the leader's log, and has the followers copy it. The broker `node` leads the partition.
    pub(crate) fn append(&mut self, node: NodeId, tp: Tp, set: &Bytes, now: Now) -> Result<Appended, ErrorCode> {
        let rules = rules_of(&self.config, node);
        let partition = self.topics.partition_mut(tp).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let replica = partition.replica_mut(node).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let appended = replica.log.append(set, &rules, &mut self.codecs, now.wall)?;
        if appended.bytes > 0 {
            self.note_size(tp, node);
            self.replicate(tp, now);
            self.advance(tp, now);
            // Last, because it may drop what the followers were about to copy.
            self.keep_within_memory(tp, now);
        }
        Ok(appended)
    }

    /// Has the followers of a partition fetch, at once or when their lag is over.
    pub(crate) fn replicate(&mut self, tp: Tp, now: Now) {
        let lag = self.config.replication_lag;
        // Most topics of tests have one replica, and then an append must cost nothing here.
        if self.topics.partition(tp).is_none_or(|partition| partition.replicas.len() < 2) {
            return;
        }
        if lag.is_zero() {
            self.follow(tp, now);
            return;
        }
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        if !std::mem::replace(&mut partition.will_replicate, true) {
            let millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
            let drawn = std::time::Duration::from_millis(self.seed.below(millis.saturating_add(1)));
            let at = now.instant.checked_add(drawn).unwrap_or(now.instant);
            self.timers.add(at, Due::Replicate(tp));
        }
        self.note_behind(tp, now);
    }

    /// Has every follower that can fetch copy what it lacks.
    pub(super) fn follow(&mut self, tp: Tp, now: Now) {
        let running = self.running();
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        // Before anything that may return: a flag that stays set would stop the replication of the partition for ever.
        partition.will_replicate = false;
        let leader_runs = partition.leader.is_some_and(|leader| running.contains(&leader));
        let Some(at_leader) = partition.leader else { return };
        let rules = rules_of(&self.config, at_leader);
        let Some((leader, followers)) = partition.leader_and_followers() else { return };
        let mut copied = Vec::new();
        for follower in followers {
            if !leader_runs || !follower.fetches(&running) {
                continue;
            }
            // What the leader has deleted cannot be copied.
            if follower.log.end() < leader.log.start() {
                follower.log.truncate_fully(leader.log.start(), now.wall);
            }
            follower.log.append_from(&leader.log, ONE_FETCH, &rules, now.wall);
            // The answer to a fetch tells the high watermark of before the fetch.
            follower.high_watermark = leader.high_watermark.min(follower.log.end());
            follower.behind_since = None;
            copied.push(follower.node);
        }
        for node in &copied {
            self.note_size(tp, *node);
        }
        self.note_behind(tp, now);
        // Before the high watermark moves: a replica that joins the set holds it back from now on.
        self.expand(tp, &copied);
        self.advance(tp, now);
    }

    /// The brokers whose replicas can fetch.
    fn running(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().filter(|node| self.is_running(*node)).collect()
    }

    /// Notes which followers lack messages now, and sets the time at which they are no longer in sync.
    fn note_behind(&mut self, tp: Tp, now: Now) {
        let Some((leader, followers)) = self.topics.partition_mut(tp).and_then(|found| found.leader_and_followers())
        else {
            return;
        };
        let mut is_new = false;
        for follower in followers {
            if follower.log.end() < leader.log.end() && follower.behind_since.is_none() {
                follower.behind_since = Some(now.instant);
                is_new = true;
            }
        }
        if is_new && let Some(at) = now.instant.checked_add(self.config.isr_lag) {
            self.timers.add(at, Due::Shrink(tp));
        }
    }

    /// Removes followers from the in-sync replicas that have been behind for too long.
    pub(super) fn shrink_late(&mut self, tp: Tp, now: Now) {
        let limit = self.config.isr_lag;
        let Some(partition) = self.topics.partition(tp) else { return };
        let is_late = |since: Instant| now.instant.saturating_duration_since(since) >= limit;
        let late = partition.replicas.iter().filter(|replica| replica.behind_since.is_some_and(is_late));
        let late: Vec<NodeId> = late.map(|replica| replica.node).filter(|node| partition.isr.contains(node)).collect();
        // Only a leader that runs shrinks the set.
        if partition.leader.is_some_and(|leader| self.is_running(leader)) {
            self.leave_isr(tp, &late, now);
        }
    }

    /// Removes replicas from the in-sync replicas of a partition. Its leader always stays. Without a leader all stay: one of them
    /// leads when it comes back.
    pub(crate) fn leave_isr(&mut self, tp: Tp, nodes: &[NodeId], now: Now) {
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        let before = partition.isr.len();
        // An empty set would leave no replica that may lead again (`KafkaController.removeReplicaFromIsr`).
        let Some(leader) = partition.leader else { return };
        partition.isr.retain(|node| *node == leader || !nodes.contains(node));
        partition.strangers.retain(|node, _| !nodes.contains(node));
        if partition.isr.len() < before {
            self.moved.push(Moved::Replicas(tp));
            self.publish(tp.topic);
            self.advance(tp, now);
        }
    }

    /// Adds followers to the in-sync replicas that have caught up.
    fn expand(&mut self, tp: Tp, caught_up: &[NodeId]) {
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        let Some(end) = partition.led().map(|leader| leader.high_watermark) else { return };
        // A follower joins at the high watermark, not at the end of the log (`Partition.maybeExpandIsr`). On a busy partition
        // it would never reach the end.
        let joins = |node: &&NodeId| {
            !partition.isr.contains(node) && partition.replica(**node).is_some_and(|replica| replica.log.end() >= end)
        };
        let joining: Vec<NodeId> = caught_up.iter().filter(joins).copied().collect();
        partition.isr.extend(&joining);
        self.moved.push(Moved::Replicas(tp));
        if !joining.is_empty() {
            self.publish(tp.topic);
        }
    }

    /// Moves the high watermark up to what every replica in sync holds.
    pub(crate) fn advance(&mut self, tp: Tp, now: Now) {
        let Some(leader) = self.partition(tp).and_then(|partition| partition.leader) else { return };
        // A leader that is down moves nothing, although the controller may still shrink its set of replicas in sync.
        if !self.is_running(leader) {
            return;
        }
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        let Some(held) = partition.held_by_all() else { return };
        let Some(replica) = partition.replica_mut(leader) else { return };
        let before = replica.high_watermark;
        // It never moves down here. A new leader may begin with a lower one, which is in `elections`.
        if held > before {
            replica.high_watermark = held;
            let bytes = replica.log.bytes_from(before.max(replica.log.start()), held);
            partition.visible = partition.visible.max(held);
            self.moved.push(Moved::HighWatermark { tp, bytes });
            self.tell_high_watermark(tp, now);
        }
    }

    /// Has the followers learn the high watermark, with their next fetch. With no lag, the next fetch comes at once.
    fn tell_high_watermark(&mut self, tp: Tp, now: Now) {
        if !self.config.replication_lag.is_zero() {
            return self.replicate(tp, now);
        }
        let running = self.running();
        let Some((leader, followers)) = self.topics.partition_mut(tp).and_then(|found| found.leader_and_followers())
        else {
            return;
        };
        for follower in followers.into_iter().filter(|follower| follower.fetches(&running)) {
            follower.high_watermark = leader.high_watermark.min(follower.log.end());
        }
    }

    /// Notes how far a client has read that a leader of 0.8.0 takes for a follower. A stranger that has read everything joins the
    /// in-sync replicas, and then holds the high watermark back.
    pub(crate) fn note_stranger(&mut self, tp: Tp, node: NodeId, offset: Offset, now: Now) {
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        let is_caught_up = partition.led().is_some_and(|leader| offset >= leader.high_watermark);
        if partition.isr.contains(&node) {
            partition.strangers.insert(node, (offset, now.instant));
            // An election forgets the strangers and may leave their ids in the set, so that no timer watches this one yet.
            self.watch_strangers(tp, now);
        } else if is_caught_up && partition.strangers.len() < MAX_STRANGERS {
            partition.strangers.insert(node, (offset, now.instant));
            partition.isr.push(node);
            self.watch_strangers(tp, now);
            self.publish(tp.topic);
        }
        self.advance(tp, now);
    }

    /// Looks later whether clients that were taken for followers still fetch.
    fn watch_strangers(&mut self, tp: Tp, now: Now) {
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        if let Some(at) = now.instant.checked_add(self.config.isr_lag)
            && !std::mem::replace(&mut partition.watches_strangers, true)
        {
            self.timers.add(at, Due::Strangers(tp));
        }
    }

    /// Removes clients from the in-sync replicas that were taken for followers, and have gone. They would hold the high watermark
    /// back for ever.
    pub(super) fn drop_strangers(&mut self, tp: Tp, now: Now) {
        let limit = self.config.isr_lag;
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        partition.watches_strangers = false;
        let Some(end) = partition.led().map(|leader| leader.log.end()) else { return };
        let is_late = |since: Instant| now.instant.saturating_duration_since(since) >= limit;
        let (gone, stay): (Vec<_>, Vec<_>) =
            partition.strangers.iter().partition(|(_, (offset, since))| *offset < end && is_late(*since));
        let gone: Vec<NodeId> = gone.into_iter().map(|(node, _)| *node).collect();
        if !stay.is_empty() {
            self.watch_strangers(tp, now);
        }
        self.leave_isr(tp, &gone, now);
    }
}

/// The rules by which a broker stores messages.
fn rules_of(config: &BrokerConfig, node: NodeId) -> Rules {
    Rules {
        profile: config.profile_of(node),
        max_message: config.max_message,
        segment_bytes: config.segment_bytes,
        // A set is inflated and compressed again while all other clients wait: 16 MB take some tens of milliseconds.
        max_inflated: config.max_message.saturating_mul(16),
    }
}
