//! What the brokers of a cluster hold: topics, replicas, leaders, and the metadata that each broker has.
//!
//! A partition has a log for each replica. Followers copy from the leader; the high watermark is what all replicas in
//! sync hold. The controller is not a broker here: it is [`State`] itself, which elects leaders and tells each broker.
//!
//! Nothing here knows requests or connections, except for the ids of the requests that wait for a partition. A command or a
//! timer changes the state and adds to the list of what has moved. The cluster takes that list, and answers those requests.

mod elections;
mod memory;
mod node;
mod partition;
mod recording;
mod replication;
mod topics;
mod views;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

pub(crate) use elections::Led;
pub use elections::Loss;
use kafka08_proto::{
    HostPort,
    ids::{NodeId, PartitionId, Timestamp},
};
use memory::Memory;
pub(crate) use node::{Life, Node};
pub(crate) use partition::{Partition, Replica};
use recording::Removed;
pub(crate) use recording::{StorageAction, StorageWork, StoredLog};
pub(crate) use topics::{OFFSETS_TOPIC, Topic, TopicId, Topics, is_valid_name};
pub(crate) use views::{BrokersView, Frozen, ViewOfPartition, ViewOfTopic};

use crate::{BrokerConfig, log::Codecs, seed::Seed, timers::Timers};

/// The present time of two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time for deadlines.
    pub instant: Instant,
    /// The time for ListOffsets by time, in milliseconds since the epoch.
    pub wall: Timestamp,
}

/// A partition that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tp {
    pub(crate) topic: TopicId,
    pub(crate) partition: PartitionId,
}

/// What the cluster does at a later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The leaders of a new topic are elected.
    Led(TopicId),
    /// A follower fetches from its leader.
    Replicate(Tp),
    /// A follower that is still behind leaves the set of in-sync replicas.
    Shrink(Tp),
    /// Clients that were taken for followers leave the set of in-sync replicas if they fetch no more.
    Strangers(Tp),
    /// The controller notices that a broker is gone, if it has not come back in between.
    Gone { node: NodeId, since: u64 },
    /// Changes of metadata reach a broker.
    Views(NodeId),
}

/// Something that requests may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The high watermark has moved, by this many bytes of messages.
    HighWatermark { tp: Tp, bytes: usize },
    /// A follower has fetched, or the set of in-sync replicas has changed.
    Replicas(Tp),
    /// The partition has another leader, or none.
    Leader(Tp),
}

/// What the brokers of a cluster hold.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: BrokerConfig,
    /// The brokers, of which none is ever removed.
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) topics: Topics,
    /// What the state itself does later. The timers of requests and connections are the cluster's.
    pub(crate) timers: Timers<Due>,
    pub(crate) seed: Seed,
    pub(crate) codecs: Codecs,
    /// What moved since the list was last taken.
    moved: Vec<Moved>,
    /// The sizes of all logs, kept in step by [`State::note_size`].
    memory: Memory,
    /// What elections have removed, for the assertions of a test.
    losses: Vec<Loss>,
    /// The topics of which brokers must be told.
    unpublished: BTreeSet<TopicId>,
    /// Whether logs note their changes for a storage.
    is_recording: bool,
    /// The logs that changed since a storage was last told, if one is.
    dirty: BTreeSet<(Tp, NodeId)>,
    /// The logs of topics that were deleted since then.
    removed: Vec<Removed>,
}

impl State {
    pub(crate) fn new(config: BrokerConfig, addresses: &BTreeMap<NodeId, HostPort>) -> Self {
        let node = |node| {
            let address = addresses.get(&node).cloned().unwrap_or_else(|| HostPort::new("127.0.0.1", 9092));
            (node, Node::new(node, address))
        };
        Self {
            nodes: config.nodes().map(node).collect(),
            topics: Topics::new(),
            timers: Timers::new(),
            seed: Seed::new(config.seed),
            codecs: Codecs::new(),
            moved: Vec::new(),
            memory: Memory::new(),
            losses: Vec::new(),
            unpublished: BTreeSet::new(),
            is_recording: false,
            dirty: BTreeSet::new(),
            removed: Vec::new(),
            config,
        }
    }

    /// Takes what moved since the last call, in the order in which it moved. Brokers are told of it first.
    pub(crate) fn take_moved(&mut self, now: Now) -> Vec<Moved> {
        // A client that gets an answer may ask for metadata next, and must find there what the answer was about.
        self.publish_changes(now);
        std::mem::take(&mut self.moved)
    }

    /// Messages that were acknowledged or visible, and are lost.
    pub(crate) fn losses(&self) -> &[Loss] {
        &self.losses
    }

    pub(crate) fn forget_losses(&mut self) {
        self.losses.clear();
    }

    /// Does everything that is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some(due) = self.timers.pop_due(now.instant) {
            match due {
                Due::Led(topic) => self.lead(topic, now),
                Due::Replicate(tp) => self.follow(tp, now),
                Due::Shrink(tp) => self.shrink_late(tp, now),
                Due::Strangers(tp) => self.drop_strangers(tp, now),
                Due::Gone { node, since } => self.note_gone(node, since, now),
                Due::Views(node) => self.update_views(node, now.instant),
            }
        }
    }

    /// Whether a broker answers requests.
    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.life == Life::Running || node.life == Life::Paused)
    }

    /// Whether a broker is running and not paused, so that its replicas fetch.
    pub(crate) fn is_running(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.life == Life::Running)
    }

    pub(crate) fn partition(&self, tp: Tp) -> Option<&Partition> {
        self.topics.partition(tp)
    }

    pub(crate) fn partition_mut(&mut self, tp: Tp) -> Option<&mut Partition> {
        self.topics.partition_mut(tp)
    }
}
