//! Writes answers. Names may be null, and message sets are lists of slices of a log.
//!
//! The types have the fields of the wire in their order, and nothing decides here: an answer may be wrong if a rule made it
//! so. Large message sets are shared with the log instead of copied into the frame.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka08_proto::{
    api::{AnyResponse, Encode},
    error_code::ErrorCode,
    ids::{CorrelationId, NodeId, Offset, PartitionId, Text},
    wire::{EncodeError, Encoder},
};

use super::{Name, Place};

/// The items of one topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group<T> {
    pub(crate) topic: Name,
    pub(crate) items: Vec<(PartitionId, T)>,
}

/// Items of partitions, grouped by topic, in the order in which they are written.
pub(crate) type Groups<T> = Vec<Group<T>>;

/// Groups the items of partitions by topic. Those of one topic must be neighbours.
pub(crate) fn group<T>(items: impl IntoIterator<Item = (Place, T)>) -> Groups<T> {
    let mut groups: Groups<T> = Vec::new();
    for (Place { topic, partition }, item) in items {
        match groups.last_mut().filter(|last| last.topic == topic) {
            Some(group) => group.items.push((partition, item)),
            None => groups.push(Group { topic, items: vec![(partition, item)] }),
        }
    }
    groups
}

/// The whole frame of an answer: length, correlation id, body.
pub(crate) fn frame(correlation_id: CorrelationId, body: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(body.len().saturating_add(8));
    // A body that does not fit was refused by the encoder.
    frame.put_i32(i32::try_from(body.len().saturating_add(4)).unwrap_or(i32::MAX));
    frame.put_i32(correlation_id.0);
    frame.put_slice(body);
    frame.freeze()
}

/// What became of a produced set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Produced {
    pub(crate) error: ErrorCode,
    pub(crate) offset: Offset,
}

/// What was read from a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: Offset,
    /// The slices of the message set, in order. The last may end anywhere in an entry.
    pub(crate) set: Vec<Bytes>,
}

/// The offsets that were found for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) error: ErrorCode,
    pub(crate) offsets: Vec<Offset>,
}

/// A committed offset, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: Offset,
    pub(crate) metadata: Name,
    pub(crate) error: ErrorCode,
}

/// A broker's address as metadata tells it. A hostile answer may have any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerView {
    pub(crate) node: NodeId,
    pub(crate) host: Text,
    pub(crate) port: i32,
}

/// A partition as metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionView {
    pub(crate) error: ErrorCode,
    pub(crate) partition: PartitionId,
    pub(crate) leader: NodeId,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) isr: Vec<NodeId>,
}

/// A topic as metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicView {
    pub(crate) error: ErrorCode,
    pub(crate) topic: Name,
    pub(crate) partitions: Vec<PartitionView>,
}

/// The answer to Metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataAnswer {
    pub(crate) brokers: Vec<BrokerView>,
    pub(crate) topics: Vec<TopicView>,
}

/// The answer to ConsumerMetadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoordinatorAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) coordinator: BrokerView,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Produce(Groups<Produced>),
    Fetch(Groups<Fetched>),
    ListOffsets(Groups<Listed>),
    Metadata(MetadataAnswer),
    OffsetCommit(Groups<ErrorCode>),
    OffsetFetch(Groups<CommittedOffset>),
    ConsumerMetadata(CoordinatorAnswer),
    /// An answer without names or message sets of a log.
    Other(AnyResponse),
}

impl Encode for Answer {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        match self {
            Self::Produce(groups) => write_groups(to, groups, |to, item| {
                to.int16(item.error.0);
                to.int64(item.offset.0);
                Ok(())
            }),
            Self::Fetch(groups) => write_groups(to, groups, write_fetched),
            Self::ListOffsets(groups) => write_groups(to, groups, |to, item| {
                to.int16(item.error.0);
                to.array("offsets", &item.offsets, |to, offset| {
                    to.int64(offset.0);
                    Ok(())
                })
            }),
            Self::Metadata(answer) => {
                to.array("brokers", &answer.brokers, write_broker)?;
                to.array("topics", &answer.topics, write_topic)
            }
            Self::OffsetCommit(groups) => write_groups(to, groups, |to, error| {
                to.int16(error.0);
                Ok(())
            }),
            Self::OffsetFetch(groups) => write_groups(to, groups, |to, item| {
                to.int64(item.offset.0);
                to.nullable_text("metadata", item.metadata.as_ref())?;
                to.int16(item.error.0);
                Ok(())
            }),
            Self::ConsumerMetadata(answer) => {
                to.int16(answer.error.0);
                write_broker(to, &answer.coordinator)
            }
            Self::Other(response) => response.encode(to),
        }
    }
}

fn write_groups<T>(
    to: &mut Encoder,
    groups: &[Group<T>],
    mut item: impl FnMut(&mut Encoder, &T) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    to.array("topics", groups, |to, group| {
        to.nullable_text("topic", group.topic.as_ref())?;
        to.array("partitions", &group.items, |to, (partition, value)| {
            to.int32(partition.0);
            item(to, value)
        })
    })
}

fn write_fetched(to: &mut Encoder, item: &Fetched) -> Result<(), EncodeError> {
    to.int16(item.error.0);
    to.int64(item.high_watermark.0);
    let len: usize = item.set.iter().map(Bytes::len).sum();
    // The size of the set counts bytes, not messages, and is known before its pieces are written.
    let size = i32::try_from(len).map_err(|_| EncodeError::new("message_set", len, 0x7fff_ffff))?;
    to.int32(size);
    item.set.iter().for_each(|piece| to.blob(piece));
    Ok(())
}

fn write_broker(to: &mut Encoder, broker: &BrokerView) -> Result<(), EncodeError> {
    to.int32(broker.node.0);
    to.text("host", &broker.host)?;
    to.int32(broker.port);
    Ok(())
}

fn write_topic(to: &mut Encoder, topic: &TopicView) -> Result<(), EncodeError> {
    to.int16(topic.error.0);
    to.nullable_text("topic", topic.topic.as_ref())?;
    to.array("partitions", &topic.partitions, |to, view| {
        to.int16(view.error.0);
        to.int32(view.partition.0);
        to.int32(view.leader.0);
        write_nodes(to, "replicas", &view.replicas)?;
        write_nodes(to, "isr", &view.isr)
    })
}

fn write_nodes(to: &mut Encoder, field: &'static str, nodes: &[NodeId]) -> Result<(), EncodeError> {
    to.array(field, nodes, |to, node| {
        to.int32(node.0);
        Ok(())
    })
}
