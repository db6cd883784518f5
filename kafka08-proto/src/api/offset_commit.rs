//! OffsetCommit (key 8): stores how far a group has read.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, Request, RequestProblem,
    problem::{check_group, check_topics, check_zookeeper_group},
    traits::COMMIT_WAIT,
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion, Generation, Offset, PartitionId, Text, Timestamp},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int32, int64, nullable_text, parse, text},
};

/// Stores a group's offsets in ZooKeeper (`OffsetCommitRequest`, since 0.8.1). Send it to any broker.
///
/// The broker discards the metadata, and validates neither the partition nor the offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestV0 {
    /// The group. [`Request::check`] refuses an empty name. Null is decoded as an empty name; a broker reads it as
    /// "null".
    pub group: Text,
    /// The offsets to store.
    pub topics: ByTopic<OffsetToCommitV0>,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommitV0 {
    /// The next offset to read.
    pub offset: Offset,
    /// Any string, or null. A broker discards it.
    pub metadata: Option<Text>,
}

/// Stores a group's offsets in Kafka (`OffsetCommitRequest`, since 0.8.2). Send it only to the group's coordinator.
///
/// Send it only to brokers of 0.8.2. 0.8.1 reads it as version 0, with the generation as the count of topics, then
/// answers with an empty list and stores nothing. So if the response does not list a partition, the partition's offset
/// was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestV1 {
    /// The group. [`Request::check`] refuses an empty name. Null is decoded as an empty name; a broker answers it with
    /// [`ErrorCode::UNKNOWN`].
    pub group: Text,
    /// The generation of the group. 0.8.2 ignores it; use [`Generation::NONE`].
    pub generation: Generation,
    /// The member of the group. 0.8.2 ignores it; use an empty string.
    pub consumer: Text,
    /// The offsets to store.
    pub topics: ByTopic<OffsetToCommitV1>,
}

/// How far a group has read a partition. The partition need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommitV1 {
    /// The next offset to read.
    pub offset: Offset,
    /// The time of the commit. Offsets older than a day (`offsets.retention.minutes`) are dropped. [`Timestamp::NOW`]
    /// stands for the broker's time.
    pub timestamp: Timestamp,
    /// Any string of up to 4096 UTF-16 units (`offset.metadata.max.bytes`), or null. An offset with a longer string is
    /// answered with [`ErrorCode::OFFSET_METADATA_TOO_LARGE`] and is not stored. By a bug of 0.8.2, the next
    /// OffsetFetch returns such an offset nevertheless.
    pub metadata: Option<Text>,
}

impl OffsetCommitRequestV0 {
    /// Creates a request of `group` without partitions.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: group.into(), topics: ByTopic::default() }
    }

    /// Adds the offset of a partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, offset: Offset) -> Self {
        self.topics.push(topic, partition, OffsetToCommitV0 { offset, metadata: Some(Text::default()) });
        self
    }
}

impl OffsetCommitRequestV1 {
    /// Creates a request of `group` without partitions.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self {
            group: group.into(),
            // These are the values of a consumer that is not a member of the group. 0.8.2 ignores both fields. Later
            // releases accept these values while the group has no members.
            generation: Generation::NONE,
            consumer: Text::default(),
            topics: ByTopic::default(),
        }
    }

    /// Adds the offset of a partition.
    #[must_use]
    pub fn with(
        mut self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
        offset: Offset,
        metadata: impl Into<Text>,
    ) -> Self {
        let item = OffsetToCommitV1 { offset, timestamp: Timestamp::NOW, metadata: Some(metadata.into()) };
        self.topics.push(topic, partition, item);
        self
    }
}

impl Encode for OffsetCommitRequestV0 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text("group", &self.group)?;
        self.topics.encode(to, |to, item| {
            to.int64(item.offset.0);
            to.nullable_text("metadata", item.metadata.as_ref())
        })
    }
}

impl Body for OffsetCommitRequestV0 {
    const NAME: &'static str = "OffsetCommit v0 request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = text("group", Rules::Broker, body, i)?;
            let (i, topics) = ByTopic::parse(Rules::Broker, 8 + 2, body, i, |i| {
                let (i, offset) = int64("offset", i)?;
                let (i, metadata) = nullable_text("metadata", Rules::Broker, body, i)?;
                Ok((i, OffsetToCommitV0 { offset, metadata }))
            })?;
            Ok((i, Self { group, topics }))
        })
    }
}

impl Encode for OffsetCommitRequestV1 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text("group", &self.group)?;
        to.int32(self.generation.0);
        to.text("consumer_id", &self.consumer)?;
        self.topics.encode(to, |to, item| {
            to.int64(item.offset.0);
            to.int64(item.timestamp.0);
            to.nullable_text("metadata", item.metadata.as_ref())
        })
    }
}

impl Body for OffsetCommitRequestV1 {
    const NAME: &'static str = "OffsetCommit v1 request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = text("group", Rules::Broker, body, i)?;
            let (i, generation) = int32("generation_id", i)?;
            let (i, consumer) = text("consumer_id", Rules::Broker, body, i)?;
            let (i, topics) = ByTopic::parse(Rules::Broker, 8 + 8 + 2, body, i, |i| {
                let (i, offset) = int64("offset", i)?;
                let (i, timestamp) = int64("timestamp", i)?;
                let (i, metadata) = nullable_text("metadata", Rules::Broker, body, i)?;
                Ok((i, OffsetToCommitV1 { offset, timestamp, metadata }))
            })?;
            Ok((i, Self { group, generation, consumer, topics }))
        })
    }
}

impl Request for OffsetCommitRequestV0 {
    type Response = OffsetCommitResponse;
    const API: Api = Api::v0(ApiKey::OFFSET_COMMIT);

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_zookeeper_group(&self.group)?;
        check_topics(&self.topics)
    }

    fn changes_state(&self) -> bool {
        true
    }
}

impl Request for OffsetCommitRequestV1 {
    type Response = OffsetCommitResponse;
    const API: Api = Api { key: ApiKey::OFFSET_COMMIT, version: ApiVersion(1) };

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_group(&self.group)?;
        check_topics(&self.topics)
    }

    fn changes_state(&self) -> bool {
        true
    }

    /// The coordinator waits for the replicas of its offsets topic, for at most `offsets.commit.timeout.ms`. The
    /// default is 5 s.
    fn server_wait(&self) -> Duration {
        COMMIT_WAIT
    }
}

/// The result for each partition (`OffsetCommitResponse`, 0.8.2), which is the same for both versions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OffsetCommitResponse {
    /// For each partition of the request: no error, or what went wrong. The offset of a missing partition was not stored.
    pub topics: ByTopic<ErrorCode>,
}

impl OffsetCommitResponse {
    /// Returns `Ok` if the offset of one partition was stored.
    ///
    /// # Errors
    /// The broker sent an error code, or left the partition out. With [`ErrorCode::UNKNOWN`],
    /// [`ErrorCode::REQUEST_TIMED_OUT`] or [`ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND`], the offset may have been stored;
    /// otherwise it was not. Committing it again is harmless.
    pub fn partition(&self, topic: &str, partition: impl Into<PartitionId>) -> Result<(), PartitionError> {
        self.topics.success(ApiKey::OFFSET_COMMIT, topic, partition).map(|_| ())
    }
}

impl Encode for OffsetCommitResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, error| {
            to.int16(error.0);
            Ok(())
        })
    }
}

impl Body for OffsetCommitResponse {
    const NAME: &'static str = "OffsetCommit response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = ByTopic::parse(Rules::Strict, 2, body, i, |i| int16("error_code", i))?;
            Ok((i, Self { topics }))
        })
    }
}
