//! The controller: creates topics, elects leaders, and notices which brokers are gone (`KafkaController`).
//!
//! An election decides three things in this order: the leader, the set of in-sync replicas, and what each follower drops.
//! Followers drop what lies above their own high watermark, as before the leader epochs of Kafka 0.11. This is how 0.8 can
//! lose messages that were acknowledged, and every such loss is noted.
//!
//! A broker that ends is noticed after the election delay, unless it stopped in good order. Until then it is the leader that
//! nobody can reach, and Metadata names it.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset, PartitionId, Text},
};

use super::{Due, Life, Moved, Now, Partition, Replica, State, TopicId, Tp, topics::is_valid_name};

/// Messages that consumers could read, or that all replicas in sync held, and that an election has removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The topic.
    pub topic: Text,
    /// The partition.
    pub partition: PartitionId,
    /// The offset of the first message that was lost.
    pub from: Offset,
    /// The offset behind the last message that was lost.
    pub to: Offset,
}

/// Whether a topic has leaders as soon as it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Led {
    AtOnce,
    /// After the delay that brokers were seen to need.
    Later,
}

impl State {
    /// Creates a topic, with replicas on the live brokers.
    ///
    /// # Errors
    /// The name is not allowed, there are too many topics, or no broker is live.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: u16,
        led: Led,
        now: Now,
    ) -> Result<TopicId, ErrorCode> {
        if !is_valid_name(name) {
            return Err(ErrorCode::INVALID_TOPIC);
        }
        // The name is copied, because a slice would keep the memory of its request alive.
        let name = Text::from(name);
        // Two clients that ask for the same new topic both get it, and the second changes nothing.
        if let Some(id) = self.topics.id(&name) {
            if led == Led::AtOnce && self.topics.get(id).is_some_and(|topic| !topic.is_led) {
                self.lead(id, now);
            }
            return Ok(id);
        }
        let live: Vec<NodeId> = self.nodes.values().filter(|node| node.is_registered).map(|node| node.id).collect();
        if live.is_empty() || self.topics.len() >= self.config.max_topics {
            return Err(ErrorCode::UNKNOWN);
        }
        let count = live.len();
        let replicas = usize::from(self.config.replication).min(count);
        // `AdminUtils.assignReplicasToBrokers` also starts at a random broker, and then goes around.
        let first = usize::try_from(self.seed.below(count as u64)).unwrap_or(0);
        let assigned = |partition: usize| -> Vec<NodeId> {
            (0..replicas).filter_map(|n| live.get((first + partition + n) % count)).copied().collect()
        };
        let partitions = usize::from(partitions.max(1));
        let mut partitions: Vec<Partition> =
            (0..partitions).map(|partition| Partition::new(&assigned(partition), now.wall)).collect();
        if self.is_recording {
            partitions.iter_mut().for_each(Partition::record);
        }
        let id = self.topics.add(name, partitions);
        match now.instant.checked_add(self.config.creation_delay) {
            Some(at) if led == Led::Later && !self.config.creation_delay.is_zero() => {
                self.timers.add(at, Due::Led(id));
            }
            _ => self.lead(id, now),
        }
        Ok(id)
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&mut self, id: TopicId, now: Now) {
        let Some(topic) = self.topics.remove(id) else { return };
        let tps: Vec<Tp> = topic.tps(id).collect();
        if self.is_recording {
            for (tp, partition) in tps.iter().zip(&topic.partitions) {
                let of = |replica: &Replica| (replica.node, topic.name.clone(), tp.partition);
                self.removed.extend(partition.replicas.iter().map(of));
            }
        }
        self.forget_sizes(&tps);
        // The topic is out of the table already, so nothing can publish it again behind its deletion.
        self.publish_deletion(&topic.name, now);
    }

    /// Elects the first leaders of a topic.
    pub(super) fn lead(&mut self, id: TopicId, now: Now) {
        // A topic that a command has led meanwhile is not led again by its timer.
        let Some(topic) = self.topics.get_mut(id).filter(|topic| !topic.is_led) else { return };
        topic.is_led = true;
        let tps: Vec<Tp> = topic.tps(id).collect();
        // Brokers learn of each other with the first topic, not before.
        self.publish_brokers(now);
        for tp in tps {
            self.elect(tp, None, now);
        }
        self.publish(id);
    }

    /// Elects a leader: `wanted` if it may lead, else the first replica in sync that is live.
    pub(crate) fn elect(&mut self, tp: Tp, wanted: Option<NodeId>, now: Now) {
        let live: Vec<NodeId> = self.nodes.values().filter(|node| node.is_registered).map(|node| node.id).collect();
        let may_lose = self.config.unclean_election;
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        let replicas: Vec<NodeId> = partition.replicas.iter().map(|replica| replica.node).collect();
        let is_live = |node: &&NodeId| live.contains(node);
        let in_sync = |node: &&NodeId| partition.isr.contains(node) && live.contains(node);
        let wanted = wanted.filter(|node| replicas.contains(node) && live.contains(node));
        let clean =
            wanted.filter(|node| partition.isr.contains(node)).or_else(|| replicas.iter().find(in_sync).copied());
        let leader = match clean {
            Some(leader) => Some(leader),
            // `OfflinePartitionLeaderSelector`: any live replica leads rather than none, and what only others had is lost.
            None if may_lose => wanted.or_else(|| replicas.iter().find(is_live).copied()),
            None => None,
        };
        match leader {
            Some(leader) if clean.is_some() => partition.isr.retain(|node| *node == leader || live.contains(node)),
            Some(leader) => partition.isr = vec![leader],
            // The set stays as it was, so that one of its members can become leader when it comes back.
            None => {}
        }
        self.install(tp, leader, now);
    }

    /// Makes a replica the leader of its partition, and the others its followers.
    fn install(&mut self, tp: Tp, leader: Option<NodeId>, now: Now) {
        let Some(partition) = self.topics.partition_mut(tp) else { return };
        partition.leader = leader;
        // The new leader has heard of no follower yet.
        partition.strangers.clear();
        let mut shortened = Vec::new();
        if let Some(end) = partition.led().map(|leader| leader.log.end()) {
            for replica in &mut partition.replicas {
                replica.behind_since = None;
                // A follower drops what it does not know to be held by all, and fetches it again. Nothing that the leader does
                // not have may stay: the leader gives the same offsets to other messages. This holds for brokers that are
                // down, too, because the leader may have more messages than they when they come back.
                let to = replica.high_watermark.min(end);
                if Some(replica.node) != leader && replica.log.end() > to {
                    replica.truncate(to, now.wall);
                    shortened.push(replica.node);
                }
            }
            let visible = partition.visible;
            partition.visible = visible.min(end);
            if end < visible {
                // Only what was visible is lost. Messages above it were never acknowledged by all replicas in sync.
                self.note_loss(tp, end, visible);
            }
        }
        shortened.into_iter().for_each(|node| self.note_size(tp, node));
        self.moved.push(Moved::Leader(tp));
        self.publish(tp.topic);
        self.advance(tp, now);
        self.replicate(tp, now);
    }

    fn note_loss(&mut self, tp: Tp, from: Offset, to: Offset) {
        if let Some(topic) = self.topics.get(tp.topic) {
            self.losses.push(Loss { topic: topic.name.clone(), partition: tp.partition, from, to });
        }
    }

    /// Ends a broker's process. The controller notices it after the election delay.
    pub(crate) fn kill(&mut self, node: NodeId, now: Now) {
        let delay = self.config.election_delay;
        let Some(found) = self.nodes.get_mut(&node).filter(|node| node.life != Life::Down) else { return };
        found.life = Life::Down;
        found.lives += 1;
        // The cache was in the memory of the process.
        found.offsets.clear();
        let since = found.lives;
        match now.instant.checked_add(delay) {
            Some(at) if !delay.is_zero() => drop(self.timers.add(at, Due::Gone { node, since })),
            _ => self.note_gone(node, since, now),
        }
    }

    /// Has a broker lose what its replicas had not flushed, as a crash of its machine does.
    pub(crate) fn lose_unflushed(&mut self, node: NodeId, now: Now) {
        for tp in self.topics.all() {
            let Some(replica) = self.topics.partition_mut(tp).and_then(|found| found.replica_mut(node)) else {
                continue;
            };
            if replica.flushed < replica.log.end() {
                replica.truncate(replica.flushed, now.wall);
                self.note_size(tp, node);
            }
        }
    }

    /// Flushes the replicas of a broker: what they hold survives a crash of its machine.
    pub(crate) fn flush(&mut self, node: NodeId) {
        for tp in self.topics.all() {
            if let Some(replica) = self.topics.partition_mut(tp).and_then(|found| found.replica_mut(node)) {
                replica.flushed = replica.log.end();
            }
        }
    }

    /// Elects other leaders for the partitions of a broker that is gone.
    pub(super) fn note_gone(&mut self, node: NodeId, since: u64, now: Now) {
        let Some(found) = self.nodes.get_mut(&node) else { return };
        // A broker that was stopped is noticed at once, and its timer fires all the same. Noticed twice, it would leave the set of
        // in-sync replicas of a partition of which it is the last member.
        if found.lives != since || !found.is_registered {
            return;
        }
        found.is_registered = false;
        if !self.topics.is_empty() {
            self.publish_brokers(now);
        }
        for tp in self.topics.all() {
            let Some(partition) = self.topics.partition(tp) else { continue };
            if partition.leader == Some(node) {
                self.elect(tp, None, now);
            } else if partition.replica(node).is_some() {
                self.leave_isr(tp, &[node], now);
            }
        }
    }

    /// Starts a broker again. It follows the leaders that were elected meanwhile, and leads what has no leader.
    pub(crate) fn start(&mut self, node: NodeId, now: Now) {
        let Some(found) = self.nodes.get_mut(&node) else { return };
        if found.life != Life::Down {
            return;
        }
        // Read before it is set below.
        let was_noticed = !found.is_registered;
        found.life = Life::Running;
        found.lives += 1;
        found.is_registered = true;
        if !self.topics.is_empty() {
            self.publish_brokers(now);
        }
        for tp in self.topics.all() {
            let Some(partition) = self.topics.partition(tp) else { continue };
            // A leader that comes back before it is missed leads on, as far as its log goes.
            let is_leaderless = partition.leader.is_none();
            if partition.replica(node).is_none() {
                continue;
            }
            if is_leaderless {
                self.elect(tp, None, now);
            } else if !was_noticed && partition.leader == Some(node) {
                self.elect(tp, Some(node), now);
            } else {
                self.replicate(tp, now);
            }
        }
    }
}

impl State {
    /// Notices at once that a broker has stopped, because it has told the controller.
    pub(crate) fn note_stopped(&mut self, node: NodeId, now: Now) {
        if let Some(found) = self.nodes.get(&node) {
            let since = found.lives;
            self.note_gone(node, since, now);
        }
    }

    /// Pauses a broker. Its session ends after the election delay.
    pub(crate) fn pause(&mut self, node: NodeId, now: Now) {
        let delay = self.config.election_delay;
        let Some(found) = self.nodes.get_mut(&node).filter(|node| node.life == Life::Running) else { return };
        found.life = Life::Paused;
        found.lives += 1;
        let since = found.lives;
        match now.instant.checked_add(delay) {
            Some(at) if !delay.is_zero() => drop(self.timers.add(at, Due::Gone { node, since })),
            _ => self.note_gone(node, since, now),
        }
    }

    /// Has a paused broker go on. It registers again if its session had ended.
    pub(crate) fn resume(&mut self, node: NodeId, now: Now) {
        let Some(found) = self.nodes.get_mut(&node).filter(|node| node.life == Life::Paused) else { return };
        found.lives += 1;
        if found.is_registered {
            found.life = Life::Running;
            for tp in self.topics.all() {
                self.replicate(tp, now);
                // The time of a follower that is behind may have passed while its leader was paused.
                self.shrink_late(tp, now);
            }
        } else {
            found.life = Life::Down;
            self.start(node, now);
        }
    }
}
