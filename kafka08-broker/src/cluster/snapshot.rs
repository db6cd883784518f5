//! The state of a cluster as plain values.
//!
//! The types are in [`history`](crate::history), because they are a part of the public interface. The order of everything is
//! fixed, so that two snapshots can be compared.

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    ids::{NodeId, Offset, PartitionId, Text, Timestamp},
    message::{MessageSet, Origin},
};

use super::Cluster;
use crate::{
    CommittedSnapshot, ConnectionSnapshot, OffsetStore, PartitionSnapshot, ReplicaSnapshot, Snapshot, TopicSnapshot,
    groups::OffsetKey,
    state::{Partition, Topic, Tp},
    wire::Name,
};

impl Cluster {
    /// The state of the cluster at this moment: logs, committed offsets, connections.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut topics: Vec<TopicSnapshot> = self.state.topics.iter().map(|(_, topic)| topic_snapshot(topic)).collect();
        topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        let connections = self.links.iter().map(|(id, link)| ConnectionSnapshot {
            id: *id,
            node: link.node,
            peer: link.peer,
            requests: link.requests,
            waiting: usize::from(link.open.is_some()),
            unsent: link.unsent,
        });
        Snapshot {
            topics,
            committed: self.committed(),
            connections: connections.collect(),
            log_memory: self.state.log_memory(),
        }
    }

    /// What the log of a replica holds from an offset on, also above its high watermark. It may begin below the offset, with the
    /// compressed entry that contains it. `None` if the broker has no such replica, or the offset is not in the log.
    #[must_use]
    pub fn stored(&self, topic: &str, partition: i32, node: NodeId, from: Offset) -> Option<MessageSet> {
        let tp = Tp { topic: self.state.topics.id(&Text::from(topic))?, partition: PartitionId(partition) };
        let log = &self.state.partition(tp)?.replica(node)?.log;
        let pieces = log.read(from, usize::MAX, log.end()).ok()?;
        let bytes = pieces.into_iter().fold(BytesMut::new(), |mut all, piece: Bytes| {
            all.extend_from_slice(&piece);
            all
        });
        Some(MessageSet::new(bytes.freeze(), Origin::Fetched))
    }

    fn committed(&self) -> Vec<CommittedSnapshot> {
        let in_zookeeper = self
            .zookeeper
            .iter()
            .map(|(key, offset)| committed_snapshot(key, OffsetStore::ZooKeeper, offset, None, None));
        let caches = self.state.nodes.values().flat_map(|node| node.offsets.iter());
        let in_kafka = caches.map(|(key, committed)| {
            let (metadata, timestamp) = (committed.metadata.clone(), Some(committed.timestamp));
            committed_snapshot(key, OffsetStore::Kafka, committed.offset, metadata, timestamp)
        });
        let mut all: Vec<CommittedSnapshot> = in_zookeeper.chain(in_kafka).collect();
        all.sort_by(|a, b| (&a.group, &a.topic, a.partition, a.store).cmp(&(&b.group, &b.topic, b.partition, b.store)));
        all
    }
}

fn committed_snapshot(
    key: &OffsetKey,
    store: OffsetStore,
    offset: Offset,
    metadata: Name,
    timestamp: Option<Timestamp>,
) -> CommittedSnapshot {
    let (group, topic, partition) = (key.group.clone(), key.topic.clone(), key.partition);
    CommittedSnapshot { group, store, topic, partition, offset, metadata, timestamp }
}

fn topic_snapshot(topic: &Topic) -> TopicSnapshot {
    let partitions = (0..).zip(&topic.partitions).map(|(n, partition)| partition_snapshot(PartitionId(n), partition));
    TopicSnapshot { topic: topic.name.clone(), partitions: partitions.collect() }
}

fn partition_snapshot(number: PartitionId, partition: &Partition) -> PartitionSnapshot {
    // A partition without a leader is told by its preferred replica.
    let told = partition.led().or_else(|| partition.replicas.first());
    let of = |value: fn(&crate::state::Replica) -> Offset| told.map_or(Offset(0), value);
    let log = |replica: &crate::state::Replica| ReplicaSnapshot {
        node: replica.node,
        end: replica.log.end(),
        bytes: replica.log.bytes() as u64,
    };
    PartitionSnapshot {
        partition: number,
        leader: partition.leader,
        replicas: partition.replicas.iter().map(|replica| replica.node).collect(),
        isr: partition.isr.clone(),
        start: of(|replica| replica.log.start()),
        end: of(|replica| replica.log.end()),
        high_watermark: of(|replica| replica.high_watermark),
        logs: partition.replicas.iter().map(log).collect(),
    }
}
