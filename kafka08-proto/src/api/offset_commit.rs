//! OffsetCommit (key 8): store how far a group has read.

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

/// Stores a group's offsets in ZooKeeper (`OffsetCommitRequest`, since 0.8.1). Any broker may be asked.
///
/// The metadata is discarded, and neither partition nor offset is validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestV0 {
    /// The group. [`Request::check`] refuses an empty one. Null is decoded as empty; a broker reads it as "null".
    pub group: Text,
    /// What to store.
    pub topics: ByTopic<OffsetToCommitV0>,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommitV0 {
    /// The next offset to read.
    pub offset: Offset,
    /// Anything. A broker drops it here.
    pub metadata: Option<Text>,
}

/// Stores a group's offsets in Kafka (`OffsetCommitRequest`, since 0.8.2). Only the group's coordinator may be asked.
///
/// Send it to brokers of 0.8.2 only: 0.8.1 reads it as version 0 with the generation as the count of topics, answers an
/// empty list and stores nothing. So a partition that the answer lacks has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitRequestV1 {
    /// The group. [`Request::check`] refuses an empty one. Null is decoded as empty; a broker answers it with
    /// [`ErrorCode::UNKNOWN`].
    pub group: Text,
    /// Ignored by 0.8.2: [`Generation::NONE`].
    pub generation: Generation,
    /// Ignored by 0.8.2: empty.
    pub consumer: Text,
    /// What to store.
    pub topics: ByTopic<OffsetToCommitV1>,
}

/// How far a group has read a partition, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommitV1 {
    /// The next offset to read.
    pub offset: Offset,
    /// When: offsets older than a day (`offsets.retention.minutes`) are dropped. [`Timestamp::NOW`]: the broker's time.
    pub timestamp: Timestamp,
    /// Anything of up to 4096 UTF-16 units (`offset.metadata.max.bytes`). One that is longer is answered with
    /// [`ErrorCode::OFFSET_METADATA_TOO_LARGE`], is not stored, and yet shows in the next OffsetFetch: a bug of 0.8.2.
    pub metadata: Option<Text>,
}

impl OffsetCommitRequestV0 {
    /// A request of `group` without partitions yet.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: group.into(), topics: ByTopic::default() }
    }

    /// With one more partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, offset: Offset) -> Self {
        self.topics.push(topic, partition, OffsetToCommitV0 { offset, metadata: Some(Text::default()) });
        self
    }
}

impl OffsetCommitRequestV1 {
    /// A request of `group` without partitions yet.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self {
            group: group.into(),
            // What a consumer without a group's membership says. 0.8.2 looks at neither field; later releases accept it while the
            // group has no members.
            generation: Generation::NONE,
            consumer: Text::default(),
            topics: ByTopic::default(),
        }
    }

    /// With one more partition.
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

    /// The coordinator waits for the replicas of its own topic, as long as its `offsets.commit.timeout.ms` says: 5 s by
    /// default.
    fn server_wait(&self) -> Duration {
        COMMIT_WAIT
    }
}

/// What became of each offset (`OffsetCommitResponse`, 0.8.2): the same for both versions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OffsetCommitResponse {
    /// No error, or why the offset was not stored, for each partition asked for. One that is missing was not stored.
    pub topics: ByTopic<ErrorCode>,
}

impl OffsetCommitResponse {
    /// Whether one partition's offset was stored.
    ///
    /// # Errors
    /// The broker gave a code, or left the partition out: the offset was not stored.
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
