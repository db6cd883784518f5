//! What each broker knows of the cluster. The controller tells it; it may be late, or not told at all.
//!
//! Changes are queued for each broker and reach it in their order (`UpdateMetadataRequest`). A delay or a frozen broker holds
//! the queue back, and never lets a change overtake an earlier one: a broker may be late, but it does not go back in time.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kafka08_proto::{
    HostPort,
    ids::{NodeId, PartitionId, Text},
};

use super::{Due, Now, State, TopicId};

/// A partition as the controller has told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ViewOfPartition {
    pub(crate) partition: PartitionId,
    pub(crate) leader: Option<NodeId>,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) isr: Vec<NodeId>,
}

/// The partitions of a topic as the controller has told them.
pub(crate) type ViewOfTopic = Vec<ViewOfPartition>;

/// The live brokers as the controller has told them.
pub(crate) type BrokersView = BTreeMap<NodeId, HostPort>;

/// What a broker knows of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) topics: BTreeMap<Text, Arc<ViewOfTopic>>,
    /// The live brokers. Empty until the first topic of the cluster exists, because the controller tells both at once.
    pub(crate) brokers: Arc<BrokersView>,
    /// Every broker that was ever live: 0.8.0 and 0.8.1 forget none.
    pub(crate) ever: BrokersView,
}

/// A change that has not reached a broker.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// When the change reaches the broker.
    due: Instant,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Topic(Text, Option<Arc<ViewOfTopic>>),
    Brokers(Arc<BrokersView>),
}

impl State {
    /// Notes that brokers must be told of a topic. A change of all its partitions is told once.
    pub(crate) fn publish(&mut self, topic: TopicId) {
        self.unpublished.insert(topic);
    }

    /// Tells all brokers of the topics that have changed.
    pub(crate) fn publish_changes(&mut self, now: Now) {
        for topic in std::mem::take(&mut self.unpublished) {
            self.publish_topic(topic, now);
        }
    }

    fn publish_topic(&mut self, topic: TopicId, now: Now) {
        // A topic that was deleted since has been told as deleted already.
        let Some(found) = self.topics.get(topic) else { return };
        let view = (0..).zip(&found.partitions).map(|(n, partition)| ViewOfPartition {
            partition: PartitionId(n),
            leader: partition.leader,
            replicas: partition.replicas.iter().map(|replica| replica.node).collect(),
            isr: partition.isr.clone(),
        });
        let change = Change::Topic(found.name.clone(), Some(Arc::new(view.collect())));
        self.tell(&change, now);
    }

    /// Tells all brokers that a topic is gone.
    pub(crate) fn publish_deletion(&mut self, name: &Text, now: Now) {
        self.tell(&Change::Topic(name.clone(), None), now);
    }

    /// Tells all brokers which brokers are live.
    pub(crate) fn publish_brokers(&mut self, now: Now) {
        let live = self.nodes.values().filter(|node| node.is_registered);
        let brokers: BrokersView = live.map(|node| (node.id, node.advertised.clone())).collect();
        self.tell(&Change::Brokers(Arc::new(brokers)), now);
    }

    fn tell(&mut self, change: &Change, now: Now) {
        let delay = self.config.metadata_delay;
        for node in self.nodes.values_mut() {
            let due = now.instant.checked_add(delay).unwrap_or(now.instant);
            node.pending.push_back(Pending { due, change: change.clone() });
            // Without a delay the change is there when the command returns, so that a test need not wait for it.
            if delay.is_zero() {
                node.take_due(now.instant);
            } else {
                self.timers.add(due, Due::Views(node.id));
            }
        }
    }

    /// Lets changes that are due reach a broker.
    pub(super) fn update_views(&mut self, node: NodeId, now: Instant) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.take_due(now);
        }
    }

    /// Stops changes from reaching a broker, or lets those that wait reach it.
    pub(crate) fn set_frozen(&mut self, node: NodeId, is_frozen: Frozen, now: Now) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.is_frozen = is_frozen == Frozen::Yes;
            node.take_due(now.instant);
        }
    }
}

/// Whether changes of metadata do not reach a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frozen {
    Yes,
    No,
}

impl super::Node {
    fn take_due(&mut self, now: Instant) {
        if self.is_frozen {
            return;
        }
        // Only from the front: a change that is not due holds back those behind it.
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.due <= now) {
            match pending.change {
                Change::Topic(name, Some(view)) => drop(self.view.topics.insert(name, view)),
                Change::Topic(name, None) => drop(self.view.topics.remove(&name)),
                Change::Brokers(brokers) => {
                    self.view.ever.extend(brokers.iter().map(|(node, address)| (*node, address.clone())));
                    self.view.brokers = brokers;
                }
            }
        }
    }
}
