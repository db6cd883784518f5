//! Produce (key 0): appends messages to partitions.

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
/// The request is not a transaction: each partition succeeds or fails alone. A partition that waits for its replicas
/// delays the response for all. A Produce request does not create topics; a Metadata request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    /// How many replicas must have the messages before the broker answers. 0.8.2 can never satisfy more acks than there
    /// are replicas; use [`Acks::ALL`].
    pub acks: Acks,
    /// How long the broker waits for replicas, if acks is neither 0 nor 1. When the time is over, the code of a
    /// partition that still waits is [`ErrorCode::REQUEST_TIMED_OUT`], and its messages stay in the log.
    pub timeout: Millis,
    /// The messages for each partition, in one set. A broker keeps only one of two sets for the same partition.
    pub topics: ByTopic<MessageSet>,
}

impl ProduceRequest {
    /// Creates a request without messages.
    #[must_use]
    pub fn new(acks: Acks, timeout: Millis) -> Self {
        Self { acks, timeout, topics: ByTopic::default() }
    }

    /// Adds the messages for a partition.
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
                // The offsets in the set are the producer's and have no meaning. The broker overwrites them.
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

    /// Opens compressed sets, up to [`Limits::max_inflated`] bytes of all sets together. A set whose codec this build
    /// lacks passes without being opened.
    fn check(&self, profile: Profile, limits: &Limits) -> Result<(), RequestProblem> {
        // The sets are checked last, because they take the most time.
        if self.timeout.0 < 0 {
            return Err(RequestProblem::NegativeTimeout(self.timeout));
        }
        check_wait(self.timeout)?;
        check_topics(&self.topics)?;
        // The sets of the request share one budget, so that many small decompression bombs cost no more than one large
        // one.
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

/// The result for each partition (`ProducerResponse`, 0.8.2).
///
/// The broker chooses the order of the entries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProduceResponse {
    /// One entry per partition of the request.
    pub topics: ByTopic<ProducedPartition>,
}

/// The result for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducedPartition {
    /// No error, or why the messages were not appended or not acknowledged.
    pub error: ErrorCode,
    /// The offset of the first message. If acks is neither 0 nor 1, 0.8.0 and 0.8.1 send the offset of the last message
    /// plus one. [`Offset::NONE`] without an error means that the set was empty and nothing was written.
    pub offset: Offset,
}

impl Outcome for ProducedPartition {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl ProduceResponse {
    /// The result for one partition, if its messages were appended and acknowledged.
    ///
    /// # Errors
    /// The broker refused the messages, or left the partition out. [`ErrorCode::produce_fate`] tells whether the
    /// messages may have been appended nevertheless.
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
                #[cfg(kafka08_canary)]
                let offset: Offset =
                    crate::canary::ShiftsOffsets.pick(Offset(i64::saturating_add(offset, 1)), Offset(offset));
                Ok((i, ProducedPartition { error, offset }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
