//! Metadata (key 3): brokers, topics, partitions and their leaders.

use bytes::Bytes;

use super::{Body, Request, RequestProblem, partition_state::encode_nodes, problem::check_name};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, NodeId, PartitionId, Text},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Parsed, Sign, array, int16, int32, parse, text},
};

/// Asks any broker for topics and their leaders (`TopicMetadataRequest`, 0.8.2).
///
/// Naming a topic that does not exist creates it, where the broker's `auto.create.topics.enable` is on, as it is by
/// default: the first answers then say [`ErrorCode::LEADER_NOT_AVAILABLE`] and list no partitions. Asking for all topics
/// creates nothing. One name that is not allowed spoils the answer for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    /// Which topics.
    pub topics: Topics,
}

/// Which topics a Metadata request asks for. On the wire an empty list means all, so that "none" cannot be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// All that exist.
    All,
    /// These.
    Named(Vec<Text>),
}

impl MetadataRequest {
    /// About every topic.
    #[must_use]
    pub const fn all() -> Self {
        Self { topics: Topics::All }
    }

    /// About these topics, at least one.
    #[must_use]
    pub fn of<T: Into<Text>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self { topics: Topics::Named(topics.into_iter().map(Into::into).collect()) }
    }
}

impl Body for MetadataRequest {
    const NAME: &'static str = "Metadata request";

    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        let topics = match &self.topics {
            Topics::All => &[],
            Topics::Named(topics) => topics.as_slice(),
        };
        to.array("topics", topics, |to, topic| to.text("topic", topic))
    }

    /// A negative count is an error here: the broker closes the connection on it, alone among all requests.
    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = array("topics", Sign::Strict, 2, i, |i| text("topic", body, i))?;
            Ok((i, Self { topics: if topics.is_empty() { Topics::All } else { Topics::Named(topics) } }))
        })
    }
}

impl Request for MetadataRequest {
    type Response = MetadataResponse;
    const API: Api = Api::v0(ApiKey::METADATA);

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        match &self.topics {
            Topics::All => Ok(()),
            Topics::Named(topics) if topics.is_empty() => Err(RequestProblem::NoTopics),
            Topics::Named(topics) => topics.iter().try_for_each(check_name),
        }
    }
}

/// What a broker knows of its cluster (`TopicMetadataResponse`, 0.8.2).
///
/// It comes from a cache and may be stale. The broker list can be empty: 0.8.0 and 0.8.1 list only brokers of the
/// partitions they return, and a cluster that never had a topic lists none. Partitions come in any order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MetadataResponse {
    /// Brokers and where they listen.
    pub brokers: Vec<Broker>,
    /// The topics asked for.
    pub topics: Vec<TopicMetadata>,
}

/// A broker and where it says that it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub node: NodeId,
    /// Its host name or address.
    pub host: Text,
    /// Its port as it was sent, which may be anything; [`Broker::port`] checks it.
    pub raw_port: i32,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// No error, or why there are no partitions. It stands before the name on the wire.
    pub error: ErrorCode,
    /// Its name.
    pub name: Text,
    /// Its partitions, in any order.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// [`ErrorCode::LEADER_NOT_AVAILABLE`] without a leader. [`ErrorCode::REPLICA_NOT_AVAILABLE`] is no reason for anything:
    /// the leader is valid.
    pub error: ErrorCode,
    /// Its number.
    pub partition: PartitionId,
    /// Its leader, or [`NodeId::NONE`].
    pub leader: NodeId,
    /// Where its replicas are. With an error, only the live ones.
    pub replicas: Vec<NodeId>,
    /// Which of them are in sync.
    pub isr: Vec<NodeId>,
}

impl MetadataResponse {
    /// A broker by its id.
    #[must_use]
    pub fn broker(&self, node: NodeId) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.node == node)
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        self.topics.iter().find(|topic| topic.name == *name)
    }

    /// The broker that leads a partition: `None` if nothing is known of it, it has no leader, or the leader is not listed.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: PartitionId) -> Option<&Broker> {
        self.topic(topic)?.partition(partition)?.leader().and_then(|node| self.broker(node))
    }
}

impl Broker {
    /// Its port, if it is one: 1 to 65 535.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        u16::try_from(self.raw_port).ok().filter(|&port| port != 0)
    }

    pub(super) fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.node.0);
        to.text("host", &self.host)?;
        to.int32(self.raw_port);
        Ok(())
    }
}

/// The smallest broker: its id, an empty host, its port.
pub(super) const BROKER: usize = 4 + 2 + 4;

pub(super) fn parse_broker<'a>(body: &Bytes, i: &'a [u8]) -> Parsed<'a, Broker> {
    let (i, node) = int32("node_id", i)?;
    let (i, host) = text("host", body, i)?;
    let (i, raw_port) = int32("port", i)?;
    Ok((i, Broker { node, host, raw_port }))
}

impl TopicMetadata {
    /// A partition by its number.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionMetadata> {
        self.partitions.iter().find(|candidate| candidate.partition == partition)
    }
}

impl PartitionMetadata {
    /// Its leader, if it has one.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        Some(self.leader).filter(|&node| node != NodeId::NONE)
    }
}

impl Body for MetadataResponse {
    const NAME: &'static str = "Metadata response";

    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.array("brokers", &self.brokers, |to, broker| broker.encode(to))?;
        to.array("topics", &self.topics, |to, topic| {
            to.int16(topic.error.0);
            to.text("topic", &topic.name)?;
            to.array("partitions", &topic.partitions, |to, partition| {
                to.int16(partition.error.0);
                to.int32(partition.partition.0);
                to.int32(partition.leader.0);
                encode_nodes(to, "replicas", &partition.replicas)?;
                encode_nodes(to, "isr", &partition.isr)
            })
        })
    }

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        const TOPIC: usize = 2 + 2 + 4;
        const PARTITION: usize = 2 + 4 + 4 + 4 + 4;
        parse(Self::NAME, body, |i| {
            let (i, brokers) = array("brokers", Sign::Strict, BROKER, i, |i| parse_broker(body, i))?;
            let (i, topics) = array("topics", Sign::Strict, TOPIC, i, |i| {
                let (i, error) = int16("topic_error", i)?;
                let (i, name) = text("topic", body, i)?;
                let (i, partitions) = array("partitions", Sign::Strict, PARTITION, i, |i| {
                    let (i, error) = int16("partition_error", i)?;
                    let (i, partition) = int32("partition_id", i)?;
                    let (i, leader) = int32("leader", i)?;
                    let (i, replicas) = array("replicas", Sign::Strict, 4, i, |i| int32("replica", i))?;
                    let (i, isr) = array("isr", Sign::Strict, 4, i, |i| int32("in-sync replica", i))?;
                    Ok((i, PartitionMetadata { error, partition, leader, replicas, isr }))
                })?;
                Ok((i, TopicMetadata { error, name, partitions }))
            })?;
            Ok((i, Self { brokers, topics }))
        })
    }
}
