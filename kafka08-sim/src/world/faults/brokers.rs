//! Faults of brokers, of partitions, and of answers.

use kafka08_broker::{PartitionSnapshot, Rule};
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{ApiKey, NodeId},
};

use super::nth;
use crate::{
    history::Place,
    logs::topic_name,
    plan::{Fault, FaultKind},
    workload::Workload,
    world::{Event, World, nodes},
};

impl<W: Workload> World<W> {
    fn place_of(&self, number: u64) -> Option<Place> {
        let settings = &self.plan.settings;
        let of_topic = |topic| (0..settings.partitions).map(move |partition| (topic, partition));
        let places: Vec<(u64, u64)> = (0..settings.topics).flat_map(of_topic).collect();
        let (topic, partition) = nth(&places, number)?;
        Some((u16::try_from(topic).ok()?, u16::try_from(partition).ok()?))
    }

    pub(super) fn hit_broker(&mut self, fault: Fault, index: usize) -> bool {
        let now = self.broker_now();
        let Some(node) = self.node_of(fault.a).filter(|node| !self.troubles.gone.contains(node)) else { return false };
        if fault.kind != FaultKind::Freeze {
            self.note_fault(fault.kind, |conn| conn.addressed == node);
        }
        self.logs.note_shortened();
        match fault.kind {
            FaultKind::Kill => self.cluster.kill(node, now),
            FaultKind::Crash => self.cluster.crash(node, now),
            FaultKind::Stop => self.cluster.stop(node, now),
            FaultKind::Pause => self.cluster.pause(node, now),
            _ => self.freeze(node, fault.c),
        }
        self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
        true
    }

    /// A broker learns nothing new, and another replica leads a partition, so that what it says of that is wrong.
    fn freeze(&mut self, node: NodeId, moves: u64) {
        let now = self.broker_now();
        self.cluster.freeze_metadata(node, now);
        let moved = moves.checked_sub(1).and_then(|number| self.place_of(number));
        if let Some((topic, partition)) = moved {
            let (topic, partition) = (topic_name(topic), i32::from(partition));
            let to = nth(&self.followers(topic, partition), moves);
            // There may be none, or no leader, as with a fault that does nothing else.
            let _ = to.map(|to| self.cluster.move_leader(topic, partition, to, now));
        }
    }

    /// The replicas of a partition that do not lead it.
    fn followers(&self, topic: &str, partition: i32) -> Vec<NodeId> {
        let leader = self.cluster.leader(topic, partition);
        let is_replica = |node: &NodeId| self.cluster.ends(topic, partition, *node).is_some();
        nodes(&self.plan).filter(is_replica).filter(|node| Some(*node) != leader).collect()
    }

    pub(super) fn hit_partition(&mut self, fault: Fault, index: usize) -> bool {
        let now = self.broker_now();
        let Some(place) = self.place_of(fault.a) else { return false };
        let (topic, partition) = (topic_name(place.0), i32::from(place.1));
        let leader = self.cluster.leader(topic, partition);
        let followers = self.followers(topic, partition);
        self.logs.note_shortened();
        match fault.kind {
            FaultKind::MoveLeader => {
                let Some(to) = nth(&followers, fault.b) else { return false };
                self.cluster.move_leader(topic, partition, to, now).is_ok()
            }
            FaultKind::HoldBack => {
                let Some(node) = nth(&followers, fault.c) else { return false };
                self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
                for node in followers.iter().filter(|other| fault.c >= 4 || **other == node) {
                    let _ = self.cluster.hold_back(topic, partition, *node);
                }
                true
            }
            _ => {
                let Some(leader) = leader else { return false };
                self.note_fault(fault.kind, |conn| conn.addressed == leader);
                for node in &followers {
                    let _ = self.cluster.hold_back(topic, partition, *node);
                }
                // What the leader appends until then is lost with it.
                self.push(self.now.saturating_add(fault.b / 4), Event::Kill(leader));
                self.push(self.now.saturating_add(fault.b), Event::FaultEnds(index));
                true
            }
        }
    }

    /// Kills a leader whose followers were held back.
    pub(in crate::world) fn lose_tail(&mut self, leader: NodeId) {
        if !self.troubles.is_over {
            self.logs.note_shortened();
            self.cluster.kill(leader, self.broker_now());
            self.look_at_ready();
        }
    }

    pub(super) fn hit_answers(&mut self, fault: Fault) -> bool {
        let produce = || Rule::on(ApiKey::PRODUCE).first(fault.b);
        // A broker that waits for replicas may lose the partition after it has appended. One that does not wait never says so.
        let has_waited = self.workload.promises().acks == -1;
        let waited = || produce().matching("acks -1", |request| request.body.starts_with(&[0xff, 0xff]));
        let rule = match fault.a % 8 {
            0 if has_waited => waited().answer_with(ErrorCode::NOT_LEADER_FOR_PARTITION),
            1 if has_waited => waited().answer_with(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            0 => produce().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION),
            1 => produce().refuse_with(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            2 => produce().refuse_with(ErrorCode::UNKNOWN),
            3 => produce().answer_with(ErrorCode::UNKNOWN),
            4 => produce().answer_with(ErrorCode::REQUEST_TIMED_OUT),
            5 => produce().refuse_with(ErrorCode::MESSAGE_SIZE_TOO_LARGE),
            6 => produce().refuse_with(ErrorCode::REQUEST_TIMED_OUT),
            _ => Rule::on(ApiKey::METADATA).first(fault.b).answer_with(ErrorCode::LEADER_NOT_AVAILABLE),
        };
        self.cluster.add_rule(rule);
        true
    }

    pub(super) fn start_all(&mut self) {
        nodes(&self.plan).for_each(|node| self.start(node));
    }

    /// Starts a broker, unless it has left for ever.
    pub(super) fn start(&mut self, node: NodeId) {
        if !self.troubles.gone.contains(&node) {
            let now = self.broker_now();
            self.cluster.start(node, now);
        }
    }

    /// A broker leaves for ever, if each of its partitions has another replica that does not.
    pub(super) fn decommission(&mut self, fault: Fault) -> bool {
        let now = self.broker_now();
        let Some(node) = self.node_of(fault.a).filter(|node| !self.troubles.gone.contains(node)) else { return false };
        let others: Vec<NodeId> =
            nodes(&self.plan).filter(|other| *other != node && !self.troubles.gone.contains(other)).collect();
        let snapshot = self.cluster.snapshot();
        let mut partitions = snapshot.topics.iter().flat_map(|topic| &topic.partitions);
        if others.is_empty() || !partitions.all(|of| of.replicas.iter().any(|replica| others.contains(replica))) {
            return false;
        }
        self.note_fault(fault.kind, |conn| conn.addressed == node);
        self.troubles.gone.insert(node);
        self.logs.note_shortened();
        if fault.b == 0 {
            self.cluster.stop(node, now)
        } else {
            self.cluster.kill(node, now)
        }
        true
    }

    /// Brings back the brokers that have left, if a partition could have no leader without them.
    pub(super) fn bring_back(&mut self) {
        let is_unclean = self.plan.settings.unclean > 0;
        let stays = |node: &NodeId| !self.troubles.gone.contains(node);
        let can_lead =
            |of: &PartitionSnapshot| of.isr.iter().any(stays) || (is_unclean && of.replicas.iter().any(stays));
        if !self.cluster.snapshot().topics.iter().flat_map(|topic| &topic.partitions).all(can_lead) {
            self.bring_all_back();
        }
    }

    /// The same when all elections are over. A topic that was created before the controller had noticed that a broker has left
    /// may be there alone.
    pub(in crate::world) fn bring_back_leaders(&mut self) {
        self.troubles.awaits_leaders = false;
        let is_led = |of: &PartitionSnapshot| of.leader.is_some_and(|leader| !self.troubles.gone.contains(&leader));
        if !self.cluster.snapshot().topics.iter().flat_map(|topic| &topic.partitions).all(is_led) {
            self.bring_all_back();
        }
    }

    fn bring_all_back(&mut self) {
        self.history.note(|| "brokers that have left are brought back".to_owned());
        self.troubles.gone.clear();
        self.start_all();
        self.look_at_ready();
    }

    pub(super) fn let_all_go(&mut self) {
        let now = self.broker_now();
        for topic in 0..self.plan.settings.topics {
            for partition in 0..self.plan.settings.partitions {
                for node in nodes(&self.plan) {
                    let topic = topic_name(u16::try_from(topic).unwrap_or(0));
                    let _ = self.cluster.let_go(topic, i32::try_from(partition).unwrap_or(0), node, now);
                }
            }
        }
    }
}
