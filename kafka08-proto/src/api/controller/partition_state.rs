//! What LeaderAndIsr, StopReplica and UpdateMetadata encode for each partition.

use bytes::Bytes;

use crate::{
    api::metadata::encode_nodes,
    error_code::ErrorCode,
    ids::{Epoch, NodeId, PartitionId, Text, TopicPartition},
    wire::{EncodeError, Encoder, Parsed, Rules, array, int16, int32, text},
};

/// A partition's state as the controller sees it (`PartitionStateInfo` and `LeaderIsrAndControllerEpoch`, 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The partition.
    pub of: TopicPartition,
    /// The epoch of the controller that decided the state.
    pub controller_epoch: Epoch,
    /// The leader. -2 means that the topic is being deleted (since 0.8.1).
    pub leader: NodeId,
    /// The epoch of the leader, which counts the partition's elections.
    pub leader_epoch: Epoch,
    /// The replicas that are in sync.
    pub isr: Vec<NodeId>,
    /// The version of the partition's node in ZooKeeper.
    pub zk_version: i32,
    /// All replicas.
    pub replicas: Vec<NodeId>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionResult {
    /// The partition.
    pub of: TopicPartition,
    /// No error, or why the broker could not do what was asked.
    pub error: ErrorCode,
}

/// The size of the smallest state, in bytes: an empty name, and seven numbers and counts of four bytes.
const STATE: usize = NAMED + 4 + 4 + 4 + 4 + 4 + 4;
/// The size of an empty name and a partition's number, in bytes.
pub(super) const NAMED: usize = 2 + 4;
const RESULT: usize = NAMED + 2;

pub(super) fn encode_partition(to: &mut Encoder, of: &TopicPartition) -> Result<(), EncodeError> {
    to.text("topic", &of.topic)?;
    to.int32(of.partition.0);
    Ok(())
}

pub(super) fn parse_partition<'a>(rules: Rules, body: &Bytes, i: &'a [u8]) -> Parsed<'a, TopicPartition> {
    let (i, topic): (_, Text) = text("topic", rules, body, i)?;
    let (i, partition): (_, PartitionId) = int32("partition", i)?;
    Ok((i, TopicPartition { topic, partition }))
}

pub(super) fn encode_states(to: &mut Encoder, states: &[PartitionState]) -> Result<(), EncodeError> {
    to.array("partitions", states, |to, state| {
        encode_partition(to, &state.of)?;
        to.int32(state.controller_epoch.0);
        to.int32(state.leader.0);
        to.int32(state.leader_epoch.0);
        encode_nodes(to, "isr", &state.isr)?;
        to.int32(state.zk_version);
        encode_nodes(to, "replicas", &state.replicas)
    })
}

pub(super) fn parse_states<'a>(body: &Bytes, i: &'a [u8]) -> Parsed<'a, Vec<PartitionState>> {
    array("partitions", Rules::Broker, STATE, i, |i| {
        let (i, of) = parse_partition(Rules::Broker, body, i)?;
        let (i, controller_epoch) = int32("controller_epoch", i)?;
        let (i, leader) = int32("leader", i)?;
        let (i, leader_epoch) = int32("leader_epoch", i)?;
        let (i, isr) = array("isr", Rules::Broker, 4, i, |i| int32("in-sync replica", i))?;
        let (i, zk_version) = int32("zk_version", i)?;
        let (i, replicas) = array("replicas", Rules::Broker, 4, i, |i| int32("replica", i))?;
        Ok((i, PartitionState { of, controller_epoch, leader, leader_epoch, isr, zk_version, replicas }))
    })
}

pub(super) fn encode_results(to: &mut Encoder, results: &[PartitionResult]) -> Result<(), EncodeError> {
    to.array("partitions", results, |to, result| {
        encode_partition(to, &result.of)?;
        to.int16(result.error.0);
        Ok(())
    })
}

pub(super) fn parse_results<'a>(body: &Bytes, i: &'a [u8]) -> Parsed<'a, Vec<PartitionResult>> {
    array("partitions", Rules::Strict, RESULT, i, |i| {
        let (i, of) = parse_partition(Rules::Strict, body, i)?;
        let (i, error) = int16("error_code", i)?;
        Ok((i, PartitionResult { of, error }))
    })
}
