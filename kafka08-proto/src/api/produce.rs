//! Produce (key 0): append messages to partitions.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, Request, RequestProblem,
    partition_error::Outcome,
    problem::{check_topics, check_wait},
    set_check::SetCheck,
    traits::produce_wait,
};
use crate::{
    error_code::ErrorCode,
    ids::{Acks, Api, ApiKey, Millis, Offset, PartitionId, Text, TopicPartition},
    limits::Limits,
    message::{MessageSet, Origin},
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int32, int64, parse, sized_blob},
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
    /// The messages for each partition. One set per partition: of two the broker keeps one.
    pub topics: ByTopic<MessageSet>,
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
        self.topics.push(topic, partition, messages);
        self
    }
}

impl Encode for ProduceRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.acks.0);
        to.int32(self.timeout.0);
        self.topics.encode(to, |to, messages| to.sized_blob("message_set", messages.bytes()))
    }
}

impl Body for ProduceRequest {
    const NAME: &'static str = "Produce request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, acks) = int16("required_acks", i)?;
            let (i, timeout) = int32("timeout_ms", i)?;
            let (i, topics) = ByTopic::parse(Rules::Broker, 4, body, i, |i| {
                // The offsets in it are the producer's and mean nothing; the broker overwrites them.
                let (i, set) = sized_blob("message_set", body, i)?;
                Ok((i, MessageSet::new(set, Origin::Produced)))
            })?;
            Ok((i, Self { acks, timeout, topics }))
        })
    }
}

impl Request for ProduceRequest {
    type Response = ProduceResponse;
    const API: Api = Api::v0(ApiKey::PRODUCE);

    /// Compressed sets are opened, up to [`Limits::max_inflated`] bytes of all together; one whose codec is not in this build
    /// is let pass.
    fn check(&self, profile: Profile, limits: &Limits) -> Result<(), RequestProblem> {
        // Before the sets, which cost more to look at.
        if self.timeout.0 < 0 {
            return Err(RequestProblem::NegativeTimeout(self.timeout));
        }
        check_wait(self.timeout)?;
        check_topics(&self.topics)?;
        // One budget for the sets of the whole request, so that many small bombs cost no more than a large one.
        let mut sets = SetCheck::new(profile, limits);
        self.topics.iter().try_for_each(|(topic, partition, messages)| {
            sets.check(TopicPartition { topic: topic.clone(), partition }, messages)
        })
    }

    fn expects_response(&self) -> bool {
        self.acks != Acks::NONE
    }

    fn changes_state(&self) -> bool {
        true
    }

    fn server_wait(&self) -> Duration {
        produce_wait(self.acks, self.timeout)
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
    /// No error, or why the messages were not appended or not acknowledged.
    pub error: ErrorCode,
    /// The offset of the first message. 0.8.0 and 0.8.1 say the last plus one where acks is neither 0 nor 1;
    /// [`Offset::NONE`] together with no error means that the set was empty and nothing was written.
    pub offset: Offset,
}

impl Outcome for ProducedPartition {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl ProduceResponse {
    /// What became of one partition's messages, if they were appended and acknowledged.
    ///
    /// # Errors
    /// The broker refused them, or left the partition out. [`ErrorCode::produce_fate`] tells whether they may have been
    /// appended all the same.
    pub fn partition(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<&ProducedPartition, PartitionError> {
        self.topics.success(ApiKey::PRODUCE, topic, partition)
    }
}

impl Encode for ProduceResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, produced| {
            to.int16(produced.error.0);
            to.int64(produced.offset.0);
            Ok(())
        })
    }
}

impl Body for ProduceResponse {
    const NAME: &'static str = "Produce response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = ByTopic::parse(Rules::Strict, 2 + 8, body, i, |i| {
                let (i, error) = int16("error_code", i)?;
                let (i, offset) = int64("offset", i)?;
                Ok((i, ProducedPartition { error, offset }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
