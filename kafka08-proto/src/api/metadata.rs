//! Metadata (key 3): brokers, topics, partitions and their leaders.

use std::{cmp::Ordering, fmt};

use bytes::Bytes;

use super::{
    Body, Encode, LeaderError, LeaderProblem, Request, RequestProblem,
    order::{Order, UNINDEXED},
    problem::check_name,
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, HostPort, NodeId, PartitionId, Text, TopicPartition},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Parsed, Rules, array, int16, int32, parse, text},
};

/// Asks any broker for topics and their leaders (`TopicMetadataRequest`, 0.8.2).
///
/// A request that names a topic which does not exist creates the topic, if the broker's `auto.create.topics.enable` is
/// on, which is the default. The first responses then have [`ErrorCode::LEADER_NOT_AVAILABLE`] for the topic and list
/// no partitions. A request for all topics creates nothing. One name that is not allowed fails all topics of the
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    /// The topics to list.
    pub topics: Topics,
}

/// The topics that a Metadata request asks for. On the wire an empty list means all topics, so a request for no topics
/// cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// All topics that exist.
    All,
    /// The topics with these names.
    Named(Vec<Text>),
}

impl MetadataRequest {
    /// Creates a request for all topics.
    #[must_use]
    pub const fn all() -> Self {
        Self { topics: Topics::All }
    }

    /// Creates a request for these topics. Name at least one.
    #[must_use]
    pub fn of<T: Into<Text>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self { topics: Topics::Named(topics.into_iter().map(Into::into).collect()) }
    }
}

impl Encode for MetadataRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        // An empty array asks for all topics. There is no null array in version 0.
        let topics = match &self.topics {
            Topics::All => &[],
            Topics::Named(topics) => topics.as_slice(),
        };
        to.array("topics", topics, |to, topic| to.text("topic", topic))
    }
}

impl Body for MetadataRequest {
    const NAME: &'static str = "Metadata request";

    /// A negative count is an error here, because the broker closes the connection on it.
    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            // The broker reads this request with other code than most requests, in which a negative count is an empty
            // array.
            let (i, topics) = array("topics", Rules::Strict, 2, i, |i| text("topic", Rules::Broker, body, i))?;
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
            // The request would be encoded as one for all topics. A caller that has collected names seldom means that.
            Topics::Named(topics) if topics.is_empty() => Err(RequestProblem::NoTopics),
            Topics::Named(topics) => topics.iter().try_for_each(check_name),
        }
    }
}

/// What a broker knows of its cluster (`TopicMetadataResponse`, 0.8.2).
///
/// The response comes from the broker's cache and may be stale. The list of brokers can be empty: 0.8.0 and 0.8.1 list
/// only the brokers of the partitions that they return, and a cluster that never had a topic lists none. Partitions
/// come in any order.
///
/// Long lists have an index, so a look-up takes logarithmic time. If something is listed twice, the first entry counts.
#[derive(Clone, Default)]
pub struct MetadataResponse {
    brokers: Vec<Broker>,
    topics: Vec<TopicMetadata>,
    index: Index,
}

/// The index of a [`MetadataResponse`]: the places of each list, sorted by key. Short lists have none.
#[derive(Clone, Default)]
struct Index {
    brokers: Order<usize>,
    topics: Order<usize>,
    /// The position of the topic, and the position of the partition in the topic.
    partitions: Order<(usize, usize)>,
}

impl PartialEq for MetadataResponse {
    fn eq(&self, other: &Self) -> bool {
        self.brokers == other.brokers && self.topics == other.topics
    }
}

impl Eq for MetadataResponse {}

impl fmt::Debug for MetadataResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataResponse").field("brokers", &self.brokers).field("topics", &self.topics).finish()
    }
}

/// A broker and the address that it advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The broker's id.
    pub node: NodeId,
    /// The broker's host name or IP address.
    pub host: Text,
    /// The broker's port as it was sent, which may be any number. [`Broker::port`] checks it.
    pub raw_port: i32,
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// No error, or why there are no partitions. On the wire, the code comes before the name.
    pub error: ErrorCode,
    /// The topic's name.
    pub name: Text,
    /// The topic's partitions, in any order.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition, its leader and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// [`ErrorCode::LEADER_NOT_AVAILABLE`] if there is no leader. Ignore [`ErrorCode::REPLICA_NOT_AVAILABLE`]: the
    /// leader is valid.
    pub error: ErrorCode,
    /// The partition's number.
    pub partition: PartitionId,
    /// The leader, if there is one. On the wire, -1 means that there is none.
    pub leader: Option<NodeId>,
    /// The brokers that have a replica. With an error, only live brokers are listed.
    pub replicas: Vec<NodeId>,
    /// The brokers whose replicas are in sync.
    pub isr: Vec<NodeId>,
}

impl MetadataResponse {
    /// Creates a response that lists these brokers and topics.
    #[must_use]
    pub fn new(brokers: Vec<Broker>, topics: Vec<TopicMetadata>) -> Self {
        let index = Index::of(&brokers, &topics);
        Self { brokers, topics, index }
    }

    /// The brokers and their addresses, in the order of the wire.
    #[must_use]
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// The topics that were asked for, in the order of the wire.
    #[must_use]
    pub fn topics(&self) -> &[TopicMetadata] {
        &self.topics
    }

    /// The broker with this id, if it is listed.
    #[must_use]
    pub fn broker(&self, node: NodeId) -> Option<&Broker> {
        // Most clusters are small. For up to 16 brokers, a search from start to end is faster.
        let order = &self.index.brokers;
        if !order.is_built() {
            return self.brokers.iter().find(|broker| broker.node == node);
        }
        let node_at = |place: usize| self.brokers.get(place).map(|broker| broker.node);
        self.brokers.get(order.first(|place| node_at(place).cmp(&Some(node)))?)
    }

    /// The topic with this name, if it is listed.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        let order = &self.index.topics;
        if !order.is_built() {
            return self.topics.iter().find(|topic| topic.name == *name);
        }
        self.topics.get(order.first(|place| name_at(&self.topics, place).cmp(&Some(name.as_bytes())))?)
    }

    /// The partition of this topic with this number, if it is listed.
    #[must_use]
    pub fn find(&self, topic: &str, partition: impl Into<PartitionId>) -> Option<&PartitionMetadata> {
        let partition = partition.into();
        let order = &self.index.partitions;
        if !order.is_built() {
            return self.topic(topic)?.find(partition);
        }
        // Topic and partition are looked up together, because a topic that is listed twice has its partitions in two
        // lists.
        let sought = (Some(topic.as_bytes()), Some(partition));
        let (topic, place) = order.first(|place| partition_key(&self.topics, place).cmp(&sought))?;
        self.topics.get(topic)?.partitions.get(place)
    }

    /// The broker that leads a partition. If the partition has a leader, its code is ignored
    /// ([`ErrorCode::REPLICA_NOT_AVAILABLE`]).
    ///
    /// # Errors
    /// The topic or the partition is not listed, the topic was refused, there is no leader, or the leader is not
    /// listed. [`LeaderError::retry`] says whether to ask for metadata again.
    pub fn leader_of(&self, topic: &str, partition: impl Into<PartitionId>) -> Result<&Broker, LeaderError> {
        let partition = partition.into();
        self.find_leader(topic, partition)
            .map_err(|problem| LeaderError { of: TopicPartition::new(topic, partition), problem })
    }

    fn find_leader(&self, topic: &str, partition: PartitionId) -> Result<&Broker, LeaderProblem> {
        // The partition is usually listed. The reason is looked up only if it is not.
        let Some(found) = self.find(topic, partition) else {
            return Err(match self.topic(topic) {
                None => LeaderProblem::TopicMissing,
                Some(topic) if topic.error.is_ok() => LeaderProblem::NoSuchPartition,
                Some(topic) => LeaderProblem::TopicRefused(topic.error),
            });
        };
        // The code counts only if there is no leader. Code 9 says that a replica is down, while the leader still
        // serves.
        let node = found.leader.ok_or(LeaderProblem::NoLeader(found.error))?;
        self.broker(node).ok_or(LeaderProblem::BrokerMissing(node))
    }
}

impl Index {
    fn of(brokers: &[Broker], topics: &[TopicMetadata]) -> Self {
        let mut index = Self::default();
        if brokers.len() > UNINDEXED {
            let node = |place: usize| brokers.get(place).map(|broker| broker.node);
            index.brokers = Order::of((0..brokers.len()).collect(), |a, b| node(a).cmp(&node(b)));
        }
        if topics.len() > UNINDEXED {
            let compare = |a, b| name_at(topics, a).cmp(&name_at(topics, b));
            index.topics = Order::of((0..topics.len()).collect(), compare);
        }
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        // Many topics without partitions also need the index, because the search for the topic takes the time then.
        if partitions > UNINDEXED || topics.len() > UNINDEXED {
            let mut places = Vec::with_capacity(partitions);
            for (place, topic) in topics.iter().enumerate() {
                places.extend((0..topic.partitions.len()).map(|partition| (place, partition)));
            }
            index.partitions = Order::of(places, |a, b| compare_partitions(topics, a, b));
        }
        index
    }
}

fn name_at(topics: &[TopicMetadata], place: usize) -> Option<&[u8]> {
    topics.get(place).map(|topic| topic.name.as_bytes())
}

fn id_at(topics: &[TopicMetadata], (topic, place): (usize, usize)) -> Option<PartitionId> {
    topics.get(topic)?.partitions.get(place).map(|partition| partition.partition)
}

fn partition_key(topics: &[TopicMetadata], place: (usize, usize)) -> (Option<&[u8]>, Option<PartitionId>) {
    (name_at(topics, place.0), id_at(topics, place))
}

fn compare_partitions(topics: &[TopicMetadata], a: (usize, usize), b: (usize, usize)) -> Ordering {
    if a.0 == b.0 {
        // Both partitions are of one topic, so the names need not be compared.
        return id_at(topics, a).cmp(&id_at(topics, b));
    }
    partition_key(topics, a).cmp(&partition_key(topics, b))
}

impl Broker {
    /// The broker's port, if it is valid: 1 to 65 535.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        u16::try_from(self.raw_port).ok().filter(|&port| port != 0)
    }

    /// The broker's address. `None` if its port is not valid or its host is empty.
    #[must_use]
    pub fn host_port(&self) -> Option<HostPort> {
        // The address comes from the broker's configuration, and may be one to which nobody can connect.
        let port = self.port().filter(|_| !self.host.is_empty())?;
        Some(HostPort::new(self.host.as_str(), port))
    }

    pub(super) fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.node.0);
        to.text("host", &self.host)?;
        to.int32(self.raw_port);
        Ok(())
    }
}

/// The size of the smallest broker, in bytes: the id, an empty host and the port.
pub(super) const BROKER: usize = 4 + 2 + 4;

pub(super) fn parse_broker<'a>(rules: Rules, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Broker> {
    let (i, node) = int32("node_id", i)?;
    let (i, host) = text("host", rules, body, i)?;
    let (i, raw_port) = int32("port", i)?;
    Ok((i, Broker { node, host, raw_port }))
}

pub(super) fn encode_nodes(to: &mut Encoder, field: &'static str, nodes: &[NodeId]) -> Result<(), EncodeError> {
    to.array(field, nodes, |to, node| {
        to.int32(node.0);
        Ok(())
    })
}

impl TopicMetadata {
    /// The partition with this number, if it is listed. This is a linear search; [`MetadataResponse::find`] is faster
    /// for long lists.
    #[must_use]
    pub fn find(&self, partition: impl Into<PartitionId>) -> Option<&PartitionMetadata> {
        let partition = partition.into();
        self.partitions.iter().find(|candidate| candidate.partition == partition)
    }
}

impl Encode for MetadataResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.array("brokers", &self.brokers, |to, broker| broker.encode(to))?;
        to.array("topics", &self.topics, |to, topic| {
            to.int16(topic.error.0);
            to.text("topic", &topic.name)?;
            to.array("partitions", &topic.partitions, |to, partition| {
                to.int16(partition.error.0);
                to.int32(partition.partition.0);
                // Brokers write -1 if there is no leader.
                to.int32(partition.leader.unwrap_or(NodeId::NONE).0);
                encode_nodes(to, "replicas", &partition.replicas)?;
                encode_nodes(to, "isr", &partition.isr)
            })
        })
    }
}

impl Body for MetadataResponse {
    const NAME: &'static str = "Metadata response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        const TOPIC: usize = 2 + 2 + 4;
        const PARTITION: usize = 2 + 4 + 4 + 4 + 4;
        parse(Self::NAME, body, |i| {
            let (i, brokers) = array("brokers", Rules::Strict, BROKER, i, |i| parse_broker(Rules::Strict, body, i))?;
            let (i, topics) = array("topics", Rules::Strict, TOPIC, i, |i| {
                let (i, error) = int16("topic_error", i)?;
                let (i, name) = text("topic", Rules::Strict, body, i)?;
                let (i, partitions) = array("partitions", Rules::Strict, PARTITION, i, |i| {
                    let (i, error) = int16("partition_error", i)?;
                    let (i, partition) = int32("partition_id", i)?;
                    let (i, leader) = int32("leader", i)?;
                    // Other negative numbers are kept: no broker sends them, and a proxy must show them.
                    let leader = Some(leader).filter(|node| *node != NodeId::NONE);
                    let (i, replicas) = array("replicas", Rules::Strict, 4, i, |i| int32("replica", i))?;
                    let (i, isr) = array("isr", Rules::Strict, 4, i, |i| int32("in-sync replica", i))?;
                    Ok((i, PartitionMetadata { error, partition, leader, replicas, isr }))
                })?;
                Ok((i, TopicMetadata { error, name, partitions }))
            })?;
            Ok((i, Self::new(brokers, topics)))
        })
    }
}
