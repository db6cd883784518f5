//! Produce (key 0): append messages to partitions.

use std::time::Duration;

use bytes::Bytes;

use super::{Body, ByTopic, InTopic, Request, RequestProblem, problem::check_name};
use crate::{
    error_code::ErrorCode,
    ids::{Acks, Api, ApiKey, Millis, Offset, PartitionId, Text, TopicPartition},
    limits::Limits,
    message::{MessageSet, Origin, Tail},
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Sign, int16, int32, int64, parse, sized_blob},
};

/// Appends messages to any number of partitions that the broker leads (`ProducerRequest`, 0.8.2).
///
/// It is no transaction: each partition succeeds or fails alone, and one that waits for its replicas delays the answer for
/// all. It creates no topics; Metadata does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    /// How many replicas must have the messages before the broker answers. 0.8.2 can never satisfy more than there are
    /// replicas: use [`Acks::ALL`].
    pub acks: Acks,
    /// How long the broker waits for replicas, with acks other than 0 and 1. When it is over the partition's code is
    /// [`ErrorCode::REQUEST_TIMED_OUT`] and the messages stay in the log.
    pub timeout: Millis,
    /// What to append where. One set per partition: of two the broker keeps one.
    pub topics: ByTopic<ProducePartition>,
}

/// Messages for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartition {
    /// Which partition.
    pub partition: PartitionId,
    /// The messages.
    pub messages: MessageSet,
}

impl InTopic for ProducePartition {
    fn partition(&self) -> PartitionId {
        self.partition
    }
}

impl ProduceRequest {
    /// A request without messages yet.
    #[must_use]
    pub fn new(acks: Acks, timeout: Millis) -> Self {
        Self { acks, timeout, topics: ByTopic::default() }
    }

    /// With messages for one more partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, messages: MessageSet) -> Self {
        self.topics.push(topic, ProducePartition { partition: partition.into(), messages });
        self
    }

    fn check_set(&self, at: TopicPartition, messages: &MessageSet, limits: &Limits) -> Result<(), RequestProblem> {
        if messages.is_empty() {
            return Err(RequestProblem::EmptyMessageSet(at));
        }
        // Offsets are the broker's to write, and checksums were computed or checked where the set came from.
        let set = MessageSet::new(messages.bytes().clone(), Origin::Produced);
        let mut entries = set.entries().without_crc();
        let mut from = 0;
        while let Some(entry) = entries.next() {
            if entry.is_err() {
                return Err(RequestProblem::CorruptMessageSet(at));
            }
            let size = entries.position() - from;
            match limits.max_message {
                Some(max) if size > max => return Err(RequestProblem::MessageTooLarge { to: at, entry: size, max }),
                _ => from = entries.position(),
            }
        }
        match entries.tail() {
            Some(Tail::Clean) => Ok(()),
            _ => Err(RequestProblem::CutMessageSet(at)),
        }
    }
}

impl Body for ProduceRequest {
    const NAME: &'static str = "Produce request";

    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.acks.0);
        to.int32(self.timeout.0);
        self.topics.encode(to, |to, partition| {
            to.int32(partition.partition.0);
            to.sized_blob("message_set", partition.messages.bytes())
        })
    }

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, acks) = int16("required_acks", i)?;
            let (i, timeout) = int32("timeout_ms", i)?;
            let (i, topics) = ByTopic::parse(Sign::AsTheBroker, 4 + 4, body, i, |i| {
                let (i, partition) = int32("partition", i)?;
                let (i, set) = sized_blob("message_set", body, i)?;
                Ok((i, ProducePartition { partition, messages: MessageSet::new(set, Origin::Produced) }))
            })?;
            Ok((i, Self { acks, timeout, topics }))
        })
    }
}

impl Request for ProduceRequest {
    type Response = ProduceResponse;
    const API: Api = Api::v0(ApiKey::PRODUCE);

    fn check(&self, _: Profile, limits: &Limits) -> Result<(), RequestProblem> {
        if self.timeout.0 < 0 {
            return Err(RequestProblem::NegativeTimeout(self.timeout));
        }
        if let Some(twice) = self.topics.duplicate() {
            return Err(RequestProblem::DuplicatePartition(twice));
        }
        self.topics.topics().iter().try_for_each(|group| {
            check_name(&group.topic)?;
            group.partitions.iter().try_for_each(|item| {
                let at = TopicPartition { topic: group.topic.clone(), partition: item.partition };
                self.check_set(at, &item.messages, limits)
            })
        })
    }

    fn expects_response(&self) -> bool {
        self.acks != Acks::NONE
    }

    fn changes_state(&self) -> bool {
        true
    }

    fn server_wait(&self) -> Duration {
        match self.acks {
            Acks::NONE | Acks::LEADER => Duration::ZERO,
            _ => self.timeout.to_duration(),
        }
    }
}

/// What became of each partition's messages (`ProducerResponse`, 0.8.2).
///
/// Entries come in an order of the broker's own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProduceResponse {
    /// One per partition asked for.
    pub topics: ByTopic<ProducedPartition>,
}

/// What became of one partition's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducedPartition {
    /// Which partition.
    pub partition: PartitionId,
    /// No error, or why the messages were not appended or not acknowledged.
    pub error: ErrorCode,
    /// The offset of the first message. 0.8.0 and 0.8.1 say the last plus one where acks is neither 0 nor 1;
    /// [`Offset::NONE`] together with no error means that the set was empty and nothing was written.
    pub offset: Offset,
}

impl InTopic for ProducedPartition {
    fn partition(&self) -> PartitionId {
        self.partition
    }
}

impl ProduceResponse {
    /// What became of one partition's messages; `None` if the broker did not say, in which case they may have been
    /// appended or not.
    #[must_use]
    pub fn find(&self, topic: &str, partition: impl Into<PartitionId>) -> Option<&ProducedPartition> {
        self.topics.find(topic, partition.into())
    }
}

impl Body for ProduceResponse {
    const NAME: &'static str = "Produce response";

    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, partition| {
            to.int32(partition.partition.0);
            to.int16(partition.error.0);
            to.int64(partition.offset.0);
            Ok(())
        })
    }

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = ByTopic::parse(Sign::Strict, 4 + 2 + 8, body, i, |i| {
                let (i, partition) = int32("partition", i)?;
                let (i, error) = int16("error_code", i)?;
                let (i, offset) = int64("offset", i)?;
                Ok((i, ProducedPartition { partition, error, offset }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
