//! `Arbitrary` for requests, responses, message sets and splits of a stream, for fuzz targets that need typed values.
//!
//! Every value can be encoded: names do not exceed `MAX_TEXT`, and a list of named topics is not empty.

use ::arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;

use super::Cuts;
use crate::{
    api::{controller::*, membership::*, *},
    error_code::ErrorCode,
    ids::*,
    limits::MAX_TEXT,
    message::{MessageSet, Origin},
};

/// Implements `Arbitrary` for types in which every number is a value.
macro_rules! numbers {
    ($($name:ident)*) => {
        $(impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
                u.arbitrary().map(Self)
            }
        })*
    };
}

numbers! { Acks Millis Offset OffsetTime NodeId ReplicaId Epoch Generation Timestamp ErrorCode }

/// Implements `Arbitrary` for types whose fields are independent of each other.
macro_rules! fields {
    ($($name:ident { $($field:ident),* })*) => {
        $(impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
                Ok(Self { $($field: u.arbitrary()?),* })
            }
        })*
    };
}

fields! {
    TopicPartition { topic, partition }
    ProduceRequest { acks, timeout, topics }
    ProduceResponse { topics }
    ProducedPartition { error, offset }
    FetchRequest { replica, max_wait, min_bytes, topics }
    FetchPartition { offset, max_bytes }
    FetchResponse { topics }
    ListOffsetsRequest { replica, topics }
    ListOffsetsPartition { time, max_offsets }
    ListOffsetsResponse { topics }
    PartitionOffsets { error, offsets }
    MetadataRequest { topics }
    Broker { node, host, raw_port }
    TopicMetadata { error, name, partitions }
    PartitionMetadata { error, partition, leader, replicas, isr }
    OffsetCommitRequestV0 { group, topics }
    OffsetToCommitV0 { offset, metadata }
    OffsetCommitRequestV1 { group, generation, consumer, topics }
    OffsetToCommitV1 { offset, timestamp, metadata }
    OffsetCommitResponse { topics }
    OffsetFetchRequestV0 { group, topics }
    OffsetFetchRequestV1 { group, topics }
    OffsetFetchResponseV0 { topics }
    OffsetFetchResponseV1 { topics }
    CommittedOffset { offset, metadata, error }
    ConsumerMetadataRequest { group }
    ConsumerMetadataResponse { error, broker }
    JoinGroupRequest { group, session_timeout, topics, consumer, strategy }
    JoinGroupResponse { error, generation, consumer, topics }
    HeartbeatRequest { group, generation, consumer }
    HeartbeatResponse { error }
    PartitionState { of, controller_epoch, leader, leader_epoch, isr, zk_version, replicas }
    PartitionResult { of, error }
    LeaderAndIsrRequest { controller, controller_epoch, partitions, leaders }
    LeaderAndIsrResponse { error, partitions }
    StopReplicaRequest { controller, controller_epoch, delete_partitions, partitions }
    StopReplicaResponse { error, partitions }
    UpdateMetadataRequest { controller, controller_epoch, partitions, brokers }
    UpdateMetadataResponse { error }
    ControlledShutdownRequest { broker }
    ControlledShutdownResponse { error, remaining }
}

/// Implements `Arbitrary` for enums with one variant for each API and version.
macro_rules! choices {
    ($($name:ident { $($variant:ident),* })*) => {
        $(impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
                let make = u.choose(&[$(|u: &mut Unstructured<'a>| u.arbitrary().map(Self::$variant)),*])?;
                make(u)
            }
        })*
    };
}

choices! {
    AnyRequest {
        Produce, Fetch, ListOffsets, Metadata, LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown,
        OffsetCommitV0, OffsetCommitV1, OffsetFetchV0, OffsetFetchV1, ConsumerMetadata, JoinGroup, Heartbeat
    }
    AnyResponse {
        Produce, Fetch, ListOffsets, Metadata, LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown,
        OffsetCommitV0, OffsetCommitV1, OffsetFetchV0, OffsetFetchV1, ConsumerMetadata, JoinGroup, Heartbeat
    }
}

impl<'a> Arbitrary<'a> for PartitionId {
    /// Usually a small number, so that duplicates occur.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.ratio(7, 8)? { u.int_in_range(0..=3) } else { u.arbitrary() }.map(Self)
    }
}

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let text: &str = u.arbitrary()?;
        let end = text.floor_char_boundary(MAX_TEXT);
        Ok(Self::from(text.get(..end).unwrap_or_default()))
    }
}

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for ByTopic<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let topics: Vec<(Text, Vec<(PartitionId, T)>)> = u.arbitrary()?;
        let items = topics.into_iter().map(|(topic, partitions)| TopicItems { topic, partitions });
        Ok(items.collect::<Vec<_>>().into())
    }
}

impl<'a> Arbitrary<'a> for Topics {
    /// An encoded empty list means all topics, so an empty list of named topics cannot be encoded.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let names: Vec<Text> = u.arbitrary()?;
        Ok(if names.is_empty() { Self::All } else { Self::Named(names) })
    }
}

impl<'a> Arbitrary<'a> for MetadataResponse {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for FetchedPartition {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (error, high_watermark) = (u.arbitrary()?, u.arbitrary()?);
        Ok(Self { error, high_watermark, messages: message_set(u, Origin::Fetched)? })
    }
}

impl<'a> Arbitrary<'a> for MessageSet {
    /// A set with the origin of a producer: valid messages or random bytes.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        message_set(u, Origin::Produced)
    }
}

fn message_set(u: &mut Unstructured<'_>, origin: Origin) -> Result<MessageSet> {
    if u.arbitrary()? {
        let bytes: &[u8] = u.arbitrary()?;
        return Ok(MessageSet::new(Bytes::copy_from_slice(bytes), origin));
    }
    let mut builder = MessageSet::builder();
    for part in u.arbitrary_iter()? {
        let (key, value): (Option<&[u8]>, Option<&[u8]>) = part?;
        if builder.push(key, value).is_err() {
            break;
        }
    }
    Ok(MessageSet::new(builder.build().bytes().clone(), origin))
}

impl<'a> Arbitrary<'a> for Cuts {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let lengths: Vec<u8> = u.arbitrary()?;
        Ok(Self(lengths.into_iter().map(usize::from).collect()))
    }
}
