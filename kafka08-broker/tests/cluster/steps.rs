//! Steps that the tests of a cluster share. Topic "t" has one partition, and each broker a replica of it.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, Cluster, NoSuchPartition};
use kafka08_proto::{
    api::{
        FetchRequest, FetchedPartition, ListOffsetsPartition, ListOffsetsRequest, MetadataRequest, MetadataResponse,
        PartitionMetadata, ProduceRequest,
    },
    connection::Ticket,
    error_code::ErrorCode,
    ids::{Acks, Millis, NodeId, Offset, OffsetTime, ReplicaId},
};

use crate::rig::{Rig, one, values};

pub(crate) const OK: ErrorCode = ErrorCode::NONE;
pub(crate) const NOT_LEADER: ErrorCode = ErrorCode::NOT_LEADER_FOR_PARTITION;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Three brokers, the leader of "t" first. Each has two clients.
pub(crate) fn three(config: BrokerConfig) -> (Rig, [NodeId; 3]) {
    let (mut rig, nodes) = Rig::of_three(config);
    nodes.iter().for_each(|node| reconnect(&mut rig, *node));
    (rig, nodes)
}

/// The first client of a broker.
pub(crate) fn first(node: NodeId) -> u64 {
    u64::try_from(node.0).expect("small") * 10
}

/// The second client of a broker. A request that waits holds up all that is behind it on its connection.
pub(crate) fn second(node: NodeId) -> u64 {
    first(node) + 1
}

/// Connects the clients of a broker anew.
pub(crate) fn reconnect(rig: &mut Rig, node: NodeId) {
    rig.connect(first(node), node);
    rig.connect(second(node), node);
}

/// Sends a produce to "t" as the first client of a broker.
pub(crate) fn produce(rig: &mut Rig, to: NodeId, acks: i16, timeout: i32, set: &[&str]) -> Ticket<ProduceRequest> {
    let request = ProduceRequest::new(Acks(acks), Millis(timeout)).with("t", 0, values(set));
    rig.send(first(to), &request)
}

/// The answer to it, if it has come.
pub(crate) fn answered(rig: &mut Rig, by: NodeId, ticket: Ticket<ProduceRequest>) -> Option<(ErrorCode, i64)> {
    let response = rig.answer(first(by), ticket)?;
    let told = response.topics.find("t", 0).expect("it is told");
    Some((told.error, told.offset.0))
}

/// Produces to "t" and expects an answer at once.
pub(crate) fn produced(rig: &mut Rig, to: NodeId, acks: i16, set: &[&str]) -> (ErrorCode, i64) {
    let ticket = produce(rig, to, acks, 1000, set);
    answered(rig, to, ticket).expect("an answer at once")
}

/// Fetches from "t" as the second client of a broker, without waiting.
pub(crate) fn fetched(rig: &mut Rig, from: NodeId, offset: i64) -> FetchedPartition {
    rig.fetch_as(second(from), offset, 10_000)
}

/// Fetches from the replica of any broker.
pub(crate) fn fetched_for_debugging(rig: &mut Rig, from: NodeId, offset: i64) -> FetchedPartition {
    let mut request = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(offset), 100_000);
    request.replica = ReplicaId::DEBUG;
    one(&rig.call_as(second(from), &request))
}

/// Has the second client of a broker wait for what comes behind `offset`.
pub(crate) fn poll(rig: &mut Rig, from: NodeId, offset: i64, millis: i32) -> Ticket<FetchRequest> {
    rig.send(second(from), &FetchRequest::new(Millis(millis), 1).with("t", 0, Offset(offset), 10_000))
}

/// The offsets of "t" that a broker tells, the newest first.
pub(crate) fn listed(rig: &mut Rig, by: NodeId, replica: i32, time: OffsetTime, max: i32) -> (ErrorCode, Vec<i64>) {
    let mut request = ListOffsetsRequest::new();
    request.replica = ReplicaId(replica);
    request.topics.push("t", 0, ListOffsetsPartition { time, max_offsets: max });
    let response = rig.call_as(second(by), &request);
    let told = response.topics.find("t", 0).expect("it is told");
    (told.error, told.offsets.iter().map(|offset| offset.0).collect())
}

/// What a broker's Metadata says.
pub(crate) fn metadata(rig: &mut Rig, of: NodeId) -> MetadataResponse {
    rig.call_as(second(of), &MetadataRequest::of(["t"]))
}

/// What a broker's Metadata says of the partition, its lists in order.
pub(crate) fn described(rig: &mut Rig, by: NodeId) -> PartitionMetadata {
    let mut partition = metadata(rig, by).find("t", 0).expect("it is described").clone();
    partition.replicas.sort_unstable();
    partition.isr.sort_unstable();
    partition
}

pub(crate) fn sorted<const N: usize>(mut nodes: [NodeId; N]) -> Vec<NodeId> {
    nodes.sort_unstable();
    nodes.to_vec()
}

/// The offset behind the last message of a replica, and its high watermark.
pub(crate) fn ends(rig: &Rig, of: NodeId) -> (i64, i64) {
    let (end, high_watermark) = rig.cluster.ends("t", 0, of).expect("it has a replica");
    (end.0, high_watermark.0)
}

pub(crate) fn hold(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, _| cluster.hold_back("t", 0, node)).expect("it has a replica");
}

pub(crate) fn let_go(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.let_go("t", 0, node, now)).expect("it has a replica");
}

pub(crate) fn move_to(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.move_leader("t", 0, node, now)).expect("it has a replica");
}

/// Removes a follower that is held back from the replicas in sync.
pub(crate) fn shrink(rig: &mut Rig, node: NodeId) {
    let done: Result<(), NoSuchPartition> = rig.with(|cluster, now| cluster.shrink_isr("t", 0, node, now));
    done.expect("it has a replica");
}

pub(crate) fn kill(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.kill(node, now));
}

/// Starts a broker and connects its clients.
pub(crate) fn start(rig: &mut Rig, node: NodeId) {
    rig.with(|cluster, now| cluster.start(node, now));
    reconnect(rig, node);
}

/// The leader that the controller has elected.
pub(crate) fn leader(cluster: &Cluster) -> Option<NodeId> {
    cluster.leader("t", 0)
}
