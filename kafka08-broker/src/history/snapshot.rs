//! The state of a cluster at one moment, as plain values.
//!
//! These types say what a test can see of the brokers. They have no methods and share nothing with the state, so that a
//! snapshot stays as it was when the brokers go on.

use std::net::SocketAddr;

use kafka08_proto::ids::{ConnectionId, NodeId, Offset, PartitionId, Text, Timestamp};

/// The state of a cluster at one moment. It does not change when the cluster does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// All topics, ordered by name.
    pub topics: Vec<TopicSnapshot>,
    /// The offsets that groups have committed, ordered by group, topic and partition.
    pub committed: Vec<CommittedSnapshot>,
    /// The open connections, ordered by id.
    pub connections: Vec<ConnectionSnapshot>,
    /// The bytes of memory that all logs take. What replicas share is counted once.
    pub log_memory: usize,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicSnapshot {
    /// The topic's name.
    pub topic: Text,
    /// Its partitions, ordered by number.
    pub partitions: Vec<PartitionSnapshot>,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionSnapshot {
    /// The partition's number.
    pub partition: PartitionId,
    /// The broker that leads the partition, or `None` during an election.
    pub leader: Option<NodeId>,
    /// The brokers that host a replica, in the order of preference for the leader.
    pub replicas: Vec<NodeId>,
    /// The brokers whose replica is in sync.
    pub isr: Vec<NodeId>,
    /// The offset of the first message in the leader's log.
    pub start: Offset,
    /// The offset that the next message in the leader's log will have.
    pub end: Offset,
    /// The offset of the first message that consumers do not see yet.
    pub high_watermark: Offset,
    /// The log of each replica, in the order of `replicas`.
    pub logs: Vec<ReplicaSnapshot>,
}

/// The log of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaSnapshot {
    /// The broker that hosts the replica.
    pub node: NodeId,
    /// The offset that the next message of this replica will have.
    pub end: Offset,
    /// The size of the replica's log in bytes.
    pub bytes: u64,
}

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedSnapshot {
    /// The group's name. Kafka 0.8 accepts any string. A null name is stored as "null".
    pub group: Text,
    /// Where the offset is stored.
    pub store: OffsetStore,
    /// The topic's name. The topic need not exist.
    pub topic: Text,
    /// The partition's number. The partition need not exist.
    pub partition: PartitionId,
    /// The offset, by convention that of the next message to consume.
    pub offset: Offset,
    /// The text that was committed with the offset, or `None` if it was null. ZooKeeper does not store it.
    pub metadata: Option<Text>,
    /// The time of the commit, or `None` in ZooKeeper, which does not store it.
    pub timestamp: Option<Timestamp>,
}

/// Where a group's offsets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OffsetStore {
    /// In ZooKeeper: OffsetCommit and OffsetFetch of version 0.
    ZooKeeper,
    /// In the topic `__consumer_offsets`: version 1.
    Kafka,
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The broker of the connection.
    pub node: NodeId,
    /// The address of the client, or `None` if the connection has no socket.
    pub peer: Option<SocketAddr>,
    /// The number of requests that were received.
    pub requests: u64,
    /// The number of requests that are not answered yet.
    pub waiting: usize,
    /// The number of bytes that the transport has not taken yet.
    pub unsent: usize,
}
