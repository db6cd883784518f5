//! What the batches of a producer need of the cluster around them.

use std::time::Instant;

use kafka08_proto::{
    HostPort,
    api::LeaderProblem,
    connection::{Cancelled, Prepared, SendError},
    ids::{NodeId, Text, TopicPartition},
    profile::Profile,
};

use crate::{
    cluster::Cluster,
    links::{Lane, Opening, Peer, Token},
    machine::LinkId,
};

/// The network, as batches see it. All links are those of [`Lane::Produce`]. The tests of batches have a network without
/// links.
pub(super) trait Net {
    /// The leader of a partition, or why there is none.
    fn leader(&self, of: &TopicPartition) -> Result<NodeId, LeaderProblem>;
    /// Says that a link to a broker is wanted, and returns whether there is one.
    fn open(&mut self, now: Instant, node: NodeId) -> Opening;
    /// Stages a request.
    fn send(&mut self, now: Instant, node: NodeId, request: &Prepared, token: Token) -> Result<LinkId, SendError>;
    /// Whether no byte of a request was taken.
    fn is_untouched(&mut self, token: Token) -> bool;
    /// Gives up a request.
    fn cancel(&mut self, token: Token) -> Cancelled;
    /// Lets the link to a broker take no more requests.
    fn drain(&mut self, now: Instant, node: NodeId);
    /// Whether the link to a broker that takes requests owes an answer for too long.
    fn is_silent(&self, node: NodeId) -> bool;
    /// Says that the leader of a partition of this topic was wrong or was lost.
    fn note_stale(&mut self, now: Instant, topic: &Text);
    /// The number of replicas of a partition, if it is known.
    fn replicas(&self, of: &TopicPartition) -> Option<usize>;
    /// The release of a broker, if it is known.
    fn profile(&self, node: NodeId) -> Option<Profile>;
    /// Finds out the release of a broker.
    fn find_profile(&mut self, now: Instant, node: NodeId);
    /// The address of a broker, for error texts.
    fn address(&mut self, node: NodeId) -> HostPort;
}

impl Net for Cluster {
    fn leader(&self, of: &TopicPartition) -> Result<NodeId, LeaderProblem> {
        self.view().leader(&of.topic, of.partition)
    }

    fn replicas(&self, of: &TopicPartition) -> Option<usize> {
        self.view().topic(&of.topic)?.partition(of.partition)?.replicas
    }

    fn open(&mut self, now: Instant, node: NodeId) -> Opening {
        self.links().open(now, Peer::Node(node), Lane::Produce)
    }

    fn send(&mut self, now: Instant, node: NodeId, request: &Prepared, token: Token) -> Result<LinkId, SendError> {
        self.links().send(now, Peer::Node(node), Lane::Produce, request, token)
    }

    fn is_untouched(&mut self, token: Token) -> bool {
        self.links().is_untouched(token)
    }

    fn cancel(&mut self, token: Token) -> Cancelled {
        self.links().cancel(token)
    }

    fn drain(&mut self, now: Instant, node: NodeId) {
        self.links().drain(now, Peer::Node(node), Lane::Produce);
    }

    fn is_silent(&self, node: NodeId) -> bool {
        self.is_link_silent(Peer::Node(node), Lane::Produce)
    }

    fn note_stale(&mut self, now: Instant, topic: &Text) {
        Self::note_stale(self, now, topic);
    }

    fn profile(&self, node: NodeId) -> Option<Profile> {
        Self::profile(self, node)
    }

    fn find_profile(&mut self, now: Instant, node: NodeId) {
        Self::find_profile(self, now, node);
    }

    fn address(&mut self, node: NodeId) -> HostPort {
        // Only a broker that was never listed has no address, and nothing is sent to it.
        self.links().address(Peer::Node(node)).cloned().unwrap_or_else(|| HostPort::new("unknown", 0))
    }
}
