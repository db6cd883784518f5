//! Commands of a test: topics, brokers that stop and start, leaders that move, replicas that are held back.
//!
//! Each command changes the state and then answers the requests that waited for the change, so that when a command returns
//! its consequences are visible. Commands do not fail for what a real operator could do as well, such as stopping a broker
//! twice.

use std::fmt;

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{ConnectionId, NodeId, Offset, PartitionId, Text, Timestamp, TopicPartition},
};

use super::{Cluster, ClusterDue, ClusterEvent};
use crate::{
    groups::commits_of,
    state::{Frozen, Led, Life, Loss, Now, OFFSETS_TOPIC, TopicId, Tp},
};

/// How often offsets that are too old are removed: `offsets.retention.check.interval.ms`.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(600);
/// After what time an offset is too old, in milliseconds: `offsets.retention.minutes`, 1440.
const OFFSETS_RETENTION: i64 = 1440 * 60 * 1000;

/// Why a connection was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The broker is not there, or was stopped.
    NotRunning(NodeId),
    /// The broker has as many connections as it may have.
    TooManyConnections {
        /// The broker.
        node: NodeId,
        /// The limit: see [`BrokerConfig::with_max_connections`](crate::BrokerConfig::with_max_connections).
        limit: usize,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(node) => write!(f, "broker {node} does not run: start it first"),
            Self::TooManyConnections { node, limit } => {
                write!(f, "broker {node} has {limit} connections already: raise BrokerConfig::with_max_connections")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// A command named a topic, a partition or a replica that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchPartition {
    /// The partition.
    pub of: TopicPartition,
    /// The broker that has no replica of it, if the partition exists.
    pub node: Option<NodeId>,
}

impl fmt::Display for NoSuchPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, node } = self;
        match node {
            Some(node) => write!(f, "broker {node} has no replica of partition {} of {}", of.partition, of.topic),
            None => write!(f, "there is no partition {} of {}: create the topic first", of.partition, of.topic),
        }
    }
}

impl std::error::Error for NoSuchPartition {}

impl Cluster {
    /// Creates a topic that has leaders at once. Clients see it in the next Metadata answer. Does nothing if the topic exists.
    ///
    /// # Errors
    /// InvalidTopic: the name is not allowed. Unknown: there are too many topics, or no broker runs.
    pub fn create_topic(&mut self, name: &str, partitions: u16, now: Now) -> Result<(), ErrorCode> {
        self.state.create_topic(name, partitions, Led::AtOnce, now)?;
        self.settle_all(now);
        Ok(())
    }

    /// Deletes a topic and its messages. Clients get UnknownTopicOrPartition, until a Metadata request creates it again. Returns
    /// whether the topic existed.
    pub fn delete_topic(&mut self, name: &str, now: Now) -> bool {
        let Some(id) = self.state.topics.id(&Text::from(name)) else { return false };
        self.remove_topic(id, now);
        true
    }

    /// Deletes a topic, and answers the requests that wait for it.
    fn remove_topic(&mut self, id: TopicId, now: Now) {
        let Some(topic) = self.state.topics.get(id) else { return };
        // Collected before the topic is removed, because its partitions are the only list of them.
        let fetches: Vec<_> = topic.partitions.iter().flat_map(|partition| &partition.fetches).copied().collect();
        let produces: Vec<_> = topic.partitions.iter().flat_map(|partition| &partition.produces).copied().collect();
        if topic.name == OFFSETS_TOPIC {
            self.state.nodes.values_mut().for_each(|node| node.offsets.clear());
        }
        self.state.delete_topic(id, now);
        self.settle(now);
        produces.into_iter().for_each(|wait| self.settle_produce(wait, now));
        self.woken.extend(fetches);
        self.answer_woken(now);
    }

    /// Removes all topics, offsets, rules and history, and creates the topics of the configuration anew. Brokers that were stopped,
    /// killed or paused run again, and metadata that was frozen catches up. Connections stay; requests that wait are answered.
    pub fn reset(&mut self, now: Now) {
        // Brokers come first: a topic is created on those that run.
        let nodes: Vec<NodeId> = self.state.nodes.keys().copied().collect();
        for node in nodes {
            self.start(node, now);
            self.resume(node, now);
            self.thaw_metadata(node, now);
        }
        let topics: Vec<_> = self.state.topics.iter().map(|(id, _)| id).collect();
        topics.into_iter().for_each(|id| self.remove_topic(id, now));
        self.zookeeper.clear();
        self.state.forget_losses();
        self.faults.clear();
        self.history.clear();
        self.create_configured(now);
    }

    /// The leader of a partition. `None` if it has none, or does not exist.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.state.partition(self.tp(topic, partition).ok()?)?.leader
    }

    /// Makes a replica the leader. Clients get NotLeaderForPartition from the old leader, and Metadata names the new one. If the
    /// replica was not in sync, messages are lost: see [`Cluster::losses`]. Does nothing if the controller has noticed that the
    /// broker is down.
    ///
    /// # Errors
    /// The partition does not exist, or the broker has no replica of it.
    pub fn move_leader(&mut self, topic: &str, partition: i32, to: NodeId, now: Now) -> Result<(), NoSuchPartition> {
        let tp = self.replica_of(topic, partition, to)?;
        // The controller elects no broker that it knows to be gone.
        if self.state.nodes.get(&to).is_none_or(|node| !node.is_registered) {
            return Ok(());
        }
        let was_in_sync = self.state.partition(tp).is_some_and(|partition| partition.isr.contains(&to));
        // The replica is made the only one in sync, which is what an unclean election does.
        if !was_in_sync && let Some(partition) = self.state.partition_mut(tp) {
            partition.isr = vec![to];
        }
        self.state.elect(tp, Some(to), now);
        self.settle_all(now);
        Ok(())
    }

    /// Removes a follower from the in-sync replicas. Produces with acks -1 no longer wait for it, and Metadata lists it no more.
    /// It joins again when it fetches, so hold it back first.
    ///
    /// # Errors
    /// The partition does not exist, or the broker has no replica of it.
    pub fn shrink_isr(&mut self, topic: &str, partition: i32, node: NodeId, now: Now) -> Result<(), NoSuchPartition> {
        let tp = self.replica_of(topic, partition, node)?;
        self.state.leave_isr(tp, &[node], now);
        self.settle_all(now);
        Ok(())
    }

    /// Has a follower fetch nothing. Produces with acks -1 wait for it, until they time out or it has been behind for
    /// [`BrokerConfig::with_isr_lag`](crate::BrokerConfig::with_isr_lag). Consumers do not see what it lacks.
    ///
    /// # Errors
    /// The partition does not exist, or the broker has no replica of it.
    pub fn hold_back(&mut self, topic: &str, partition: i32, node: NodeId) -> Result<(), NoSuchPartition> {
        let tp = self.replica_of(topic, partition, node)?;
        if let Some(replica) = self.state.partition_mut(tp).and_then(|partition| partition.replica_mut(node)) {
            replica.is_held = true;
        }
        Ok(())
    }

    /// Has a follower that was held back fetch again. Produces that waited for it are answered.
    ///
    /// # Errors
    /// The partition does not exist, or the broker has no replica of it.
    pub fn let_go(&mut self, topic: &str, partition: i32, node: NodeId, now: Now) -> Result<(), NoSuchPartition> {
        let tp = self.replica_of(topic, partition, node)?;
        if let Some(replica) = self.state.partition_mut(tp).and_then(|partition| partition.replica_mut(node)) {
            replica.is_held = false;
        }
        self.state.replicate(tp, now);
        self.settle_all(now);
        Ok(())
    }

    /// Ends the process of a broker, as `kill -9` does. Its connections end without an answer, and its port refuses new ones.
    /// Until [`BrokerConfig::with_election_delay`](crate::BrokerConfig::with_election_delay) is over, Metadata still names it.
    pub fn kill(&mut self, node: NodeId, now: Now) {
        if self.state.nodes.get(&node).is_none_or(|node| node.life == Life::Down) {
            return;
        }
        // Connections go first: the answers that the following steps cause must not reach clients of this broker.
        self.drop_links_of(node);
        self.end_process(node, now);
    }

    fn end_process(&mut self, node: NodeId, now: Now) {
        self.postponed.retain(|(caller, _)| caller.node != node);
        self.state.kill(node, now);
        self.events.push_back(ClusterEvent::Unlisten(node));
        self.settle_all(now);
    }

    /// Ends the process of a broker, and has its disk lose what was not flushed, as a crash of its machine does. Messages that
    /// only this broker had are lost once it leads again: see [`Cluster::losses`].
    pub fn crash(&mut self, node: NodeId, now: Now) {
        self.kill(node, now);
        // After the kill: with no election delay other leaders are elected first, as if the controller had been faster than
        // the restart.
        self.state.lose_unflushed(node, now);
    }

    /// Flushes the logs of a broker, so that a crash does not lose what they hold now.
    pub fn flush(&mut self, node: NodeId) {
        self.state.flush(node);
    }

    /// Stops a broker in good order: other replicas lead before its connections end, so that clients find the new leaders at
    /// once. Requests that waited are answered, for example with NotLeaderForPartition, and then the connections end.
    pub fn stop(&mut self, node: NodeId, now: Now) {
        if self.state.nodes.get(&node).is_none_or(|node| node.life == Life::Down) {
            return;
        }
        for tp in self.state.topics.all() {
            let Some(partition) = self.state.partition(tp).filter(|partition| partition.leader == Some(node)) else {
                continue;
            };
            let others = partition.isr.iter().copied().filter(|other| *other != node);
            let next = others.into_iter().find(|other| self.state.is_live(*other));
            if let Some(next) = next {
                self.state.elect(tp, Some(next), now);
                self.state.leave_isr(tp, &[node], now);
            }
        }
        self.settle_all(now);
        // Those who waited have their answers now, which are still written.
        self.close_links_of(node);
        self.end_process(node, now);
        self.state.note_stopped(node, now);
        self.settle_all(now);
    }

    /// Starts a broker that was stopped or killed, at the same address and with its logs. It fetches what it lacks, and joins the
    /// in-sync replicas. Partitions without a leader have one again.
    pub fn start(&mut self, node: NodeId, now: Now) {
        if self.state.nodes.get(&node).is_some_and(|found| found.life == Life::Down) {
            self.state.start(node, now);
            self.events.push_back(ClusterEvent::Listen(node));
            self.settle_all(now);
        }
    }

    /// Pauses a broker, as SIGSTOP does: it accepts connections and bytes, and answers nothing. The controller does not notice
    /// it before [`BrokerConfig::with_election_delay`](crate::BrokerConfig::with_election_delay) is over.
    pub fn pause(&mut self, node: NodeId, now: Now) {
        self.state.pause(node, now);
    }

    /// Has a broker that was paused go on. It answers what it has received meanwhile, as the broker that it is then: if others
    /// lead its partitions, with NotLeaderForPartition.
    pub fn resume(&mut self, node: NodeId, now: Now) {
        self.state.resume(node, now);
        self.settle_all(now);
        // Answers that the broker owed come before new requests are served.
        self.give_postponed(now);
        let ids: Vec<ConnectionId> =
            self.links.iter().filter(|(_, link)| link.node == node).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.enqueue(id));
    }

    /// Stops changes of leaders, in-sync replicas and topics from reaching the metadata of one broker. Clients that ask it find
    /// the old leaders.
    pub fn freeze_metadata(&mut self, node: NodeId, now: Now) {
        self.state.set_frozen(node, Frozen::Yes, now);
    }

    /// Lets the metadata of a broker catch up.
    pub fn thaw_metadata(&mut self, node: NodeId, now: Now) {
        self.state.set_frozen(node, Frozen::No, now);
    }

    /// Compacts the logs of a topic, as the cleaner of 0.8.1 does: of each key the last message stays, except in the active
    /// segment. Consumers see gaps in the offsets. Returns how many replicas could not be compacted, because they hold messages
    /// without a key or compressed messages.
    pub fn compact(&mut self, topic: &str) -> usize {
        let id = self.state.topics.id(&Text::from(topic));
        let tps: Vec<Tp> = self.state.topics.all().into_iter().filter(|tp| Some(tp.topic) == id).collect();
        let mut failed = 0;
        for tp in tps {
            let Some(partition) = self.state.partition_mut(tp) else { continue };
            let mut nodes = Vec::new();
            for replica in &mut partition.replicas {
                failed += usize::from(replica.log.compact().is_err());
                nodes.push(replica.node);
            }
            nodes.into_iter().for_each(|node| self.state.note_size(tp, node));
        }
        failed
    }

    /// Messages that elections have removed although consumers could read them or all replicas in sync held them.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        self.state.losses()
    }

    /// The offset behind the last message of a replica, and its high watermark. `None` if the broker has no such replica.
    #[must_use]
    pub fn ends(&self, topic: &str, partition: i32, node: NodeId) -> Option<(Offset, Offset)> {
        let replica = self.state.partition(self.tp(topic, partition).ok()?)?.replica(node)?;
        Some((replica.log.end(), replica.high_watermark))
    }

    fn tp(&self, topic: &str, partition: i32) -> Result<Tp, NoSuchPartition> {
        let topic = Text::from(topic);
        let found = self.state.topics.id(&topic).map(|id| Tp { topic: id, partition: PartitionId(partition) });
        let found = found.filter(|tp| self.state.partition(*tp).is_some());
        found.ok_or_else(|| NoSuchPartition {
            of: TopicPartition { topic, partition: PartitionId(partition) },
            node: None,
        })
    }

    fn replica_of(&self, topic: &str, partition: i32, node: NodeId) -> Result<Tp, NoSuchPartition> {
        let tp = self.tp(topic, partition)?;
        match self.state.partition(tp).and_then(|partition| partition.replica(node)) {
            Some(_) => Ok(tp),
            None => Err(NoSuchPartition {
                of: TopicPartition { topic: Text::from(topic), partition: PartitionId(partition) },
                node: Some(node),
            }),
        }
    }

    pub(super) fn schedule_sweep(&mut self, now: Now) {
        if let Some(at) = now.instant.checked_add(SWEEP_EVERY) {
            self.timers.add(at, ClusterDue::Sweep);
        }
    }

    /// Removes offsets that are older than their retention, and writes a tombstone for each.
    pub(super) fn sweep(&mut self, now: Now) {
        let oldest = Timestamp(now.wall.0.saturating_sub(OFFSETS_RETENTION));
        let Some(topic) = self.state.topics.id(&Text::from_static(OFFSETS_TOPIC)) else { return };
        // A broker that is down or paused sweeps nothing, although it leads until the controller notices.
        let nodes: Vec<NodeId> = self.state.nodes.keys().copied().filter(|node| self.state.is_running(*node)).collect();
        for node in nodes {
            let expired = self.state.nodes.get_mut(&node).map(|node| node.offsets.expire(oldest)).unwrap_or_default();
            for (partition, key) in expired {
                let tombstone = commits_of([(&key, None)]);
                let tp = Tp { topic, partition };
                if self.state.partition(tp).is_some_and(|partition| partition.leader == Some(node)) {
                    // A tombstone that cannot be stored leaves the offset in the log; it expires again when it is loaded.
                    let _ = self.state.append(node, tp, &tombstone, now);
                }
            }
        }
        self.settle(now);
    }
}
