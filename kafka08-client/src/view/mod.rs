//! What metadata says: brokers, leaders, the errors of single partitions, and how old each statement is.
//!
//! A view is a plain value with a rule for merging a new answer into it. It knows no connection, and asks nothing.
//!
//! An answer may be stale, and it may be wrong. The rule of `merge` for that has two halves. What an answer *says* is
//! believed at once: another leader, another address, more partitions. What it *leaves out* is believed only when
//! nothing has confirmed it for three times the maximum age of metadata: a topic, a partition or a broker that is no
//! longer listed. Until then it stays as it was, because records with keys would go to other partitions if the number of
//! partitions changed, and buffered records would fail if their topic vanished.
//!
//! So a broker that lists other things in each answer would fill the memory. What was not asked for by its name is taken up to
//! a bound that no cluster of 0.8 reaches.
//!
//! | file | what it holds |
//! |---|---|
//! | `merge` | the rule |
//! | `topic` | one topic and its partitions |
//! | `endpoint` | the brokers, and what makes an address usable |

mod endpoint;
mod merge;
#[cfg(test)]
mod tests;
mod topic;

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use kafka08_proto::{
    HostPort,
    api::LeaderProblem,
    error_code::ErrorCode,
    ids::{NodeId, PartitionId, Text, TopicPartition},
};

pub(crate) use endpoint::endpoint_of;
pub use topic::TopicView;

use crate::error::EndpointProblem;
use endpoint::Brokers;

/// What is known of a cluster.
#[derive(Clone, Debug, Default)]
pub struct View {
    brokers: Brokers,
    topics: BTreeMap<Name, TopicView>,
    /// When the last answer came that should have listed each topic.
    covered: BTreeSet<(Instant, Name)>,
    /// When the last answer for all topics came. It counts for each topic in `covered` that has an earlier time.
    covered_all: Option<Instant>,
    /// The topics of which a broker leads partitions, also for leaders that no answer has listed as brokers.
    led: BTreeSet<(NodeId, Name)>,
    unsettled: BTreeSet<Name>,
    /// The number of partitions of all topics.
    partitions: usize,
    /// The number of the last merge. It tells what an answer has listed already, where times could be equal.
    round: u64,
}

/// Where a partition's requests go, or why they go nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The leader, or why there is none. The address of a leader may be unusable; [`View::endpoint`] says so.
    pub leader: Result<NodeId, LeaderProblem>,
    /// The code that metadata had for the partition. It matters only if there is no leader: with
    /// [`ErrorCode::REPLICA_NOT_AVAILABLE`] the leader serves.
    pub error: ErrorCode,
    /// The number of replicas. `None` as long as every answer had an error, because then only live replicas are listed.
    pub replicas: Option<usize>,
    /// When an answer confirmed this last.
    pub confirmed: Instant,
}

/// What an answer has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Partitions whose leader is another broker than before, or that have a leader now, or have lost it. A partition
    /// that is new and has a leader is listed, and one that is gone and had a leader. Each is listed once, in no order.
    pub leaders: Vec<TopicPartition>,
    /// Brokers that are new, have another address or problem than before, or have gone.
    pub endpoints: Vec<NodeId>,
    /// Topics that are new or gone, have another number of partitions, or whose error has changed.
    pub topics: Vec<Text>,
}

/// A moment of merging.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: Instant,
    /// How long something is kept that is not confirmed.
    patience: Duration,
    round: u64,
}

impl Moment {
    /// Whether what was confirmed at this time last is no longer believed.
    fn is_over(&self, confirmed: Instant) -> bool {
        self.now.saturating_duration_since(confirmed) > self.patience
    }
}

/// The name of a topic, which a map finds by its bytes. Its order is that of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Text);

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl View {
    /// The leader of a partition, or why there is none.
    ///
    /// The address of the leader may be unusable: see [`View::endpoint`].
    ///
    /// # Errors
    /// Every problem may pass with the next answer. [`LeaderError::retry`](kafka08_proto::api::LeaderError::retry) says
    /// how likely that is.
    pub fn leader(&self, topic: &str, partition: PartitionId) -> Result<NodeId, LeaderProblem> {
        let Some(topic) = self.topic(topic) else { return Err(LeaderProblem::TopicMissing) };
        match topic.partition(partition) {
            Some(found) => found.leader,
            None if topic.error().is_ok() => Err(LeaderProblem::NoSuchPartition),
            None => Err(LeaderProblem::TopicRefused(topic.error())),
        }
    }

    /// The address of a broker, or why it cannot be used. `None` if no answer has listed the broker, or none for so
    /// long that it was dropped.
    #[must_use]
    pub fn endpoint(&self, node: NodeId) -> Option<Result<&HostPort, &EndpointProblem>> {
        self.brokers.endpoint(node)
    }

    /// The brokers that are known, in the order of their ids.
    pub fn brokers(&self) -> impl Iterator<Item = NodeId> {
        self.brokers.nodes()
    }

    /// What is known of a topic. `None` if it was never listed.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicView> {
        self.topics.get(name.as_bytes())
    }

    /// The topics that are known, in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = (&Text, &TopicView)> {
        self.topics.iter().map(|(name, topic)| (&name.0, topic))
    }

    /// The topics to ask for again after a pause, in the order of their names: those with a code that may pass (3, 5 or
    /// -1) or without partitions, and those with a partition that has no leader, or a leader without a usable address.
    pub fn unsettled(&self) -> impl Iterator<Item = &Text> {
        self.unsettled.iter().map(|name| &name.0)
    }

    /// Whether a topic is one of [`View::unsettled`].
    pub(crate) fn is_unsettled(&self, topic: &str) -> bool {
        self.unsettled.contains(topic.as_bytes())
    }

    /// The topics of which a broker leads partitions.
    pub(crate) fn led_by(&self, node: NodeId) -> impl Iterator<Item = &Text> {
        merge::led_by(&self.led, node).map(|name| &name.0)
    }

    /// When the last answer for all topics came.
    pub(crate) fn covered_all(&self) -> Option<Instant> {
        self.covered_all
    }

    /// When the last answer came for the topic that was not asked for the longest. `None` if no topic is known.
    ///
    /// This is the time to count the maximum age of metadata from. An answer counts for the topics that were asked for,
    /// even if it does not list them: otherwise a topic that was deleted would be asked for at once after each answer.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        let (first, _) = self.covered.first()?;
        Some(self.covered_all.map_or(*first, |all| all.max(*first)))
    }

    /// The topics for which the last answer came before `time`, the oldest first.
    pub fn older_than(&self, time: Instant) -> impl Iterator<Item = &Text> {
        let all = self.covered_all.is_none_or(|all| all < time);
        let old = self.covered.iter().take_while(move |(covered, _)| all && *covered < time);
        old.map(|(_, name)| &name.0)
    }
}
