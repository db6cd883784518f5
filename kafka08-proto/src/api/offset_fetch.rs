//! OffsetFetch (key 9): looks up how far a group has read.
//!
//! Both versions have the same layout. They read different stores, and their responses differ in how they say that
//! nothing is committed.

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, PartitionProblem, Request, RequestProblem,
    partition_error::Outcome,
    problem::{check_group, check_zookeeper_group},
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion, Offset, PartitionId, Text},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Parsed, Rules, int16, int64, nullable_text, parse, text},
};

/// Looks up a group's offsets in ZooKeeper (`OffsetFetchRequest`, since 0.8.1). Send it to any broker.
///
/// A request cannot ask for all partitions: an empty list is answered with an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequestV0 {
    /// The group. [`Request::check`] refuses an empty name. Null is decoded as an empty name.
    pub group: Text,
    /// The partitions to look up.
    pub topics: ByTopic<()>,
}

/// Looks up a group's offsets in Kafka (`OffsetFetchRequest`, since 0.8.2). Send it only to the group's coordinator.
///
/// Send it only to brokers of 0.8.2: 0.8.1 answers it from ZooKeeper, as version 0. A request cannot ask for all
/// partitions: an empty list is answered with an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequestV1 {
    /// The group. [`Request::check`] refuses an empty name. Null is decoded as an empty name.
    pub group: Text,
    /// The partitions to look up.
    pub topics: ByTopic<()>,
}

impl OffsetFetchRequestV0 {
    /// Creates a request of `group` without partitions.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: group.into(), topics: ByTopic::default() }
    }

    /// Adds a partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Self {
        self.topics.push(topic, partition, ());
        self
    }
}

impl OffsetFetchRequestV1 {
    /// Creates a request of `group` without partitions.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: group.into(), topics: ByTopic::default() }
    }

    /// Adds a partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Self {
        self.topics.push(topic, partition, ());
        self
    }
}

fn encode_request(to: &mut Encoder, group: &Text, topics: &ByTopic<()>) -> Result<(), EncodeError> {
    to.text("group", group)?;
    topics.encode(to, |_, ()| Ok(()))
}

fn parse_request<'a>(body: &Bytes, i: &'a [u8]) -> Parsed<'a, (Text, ByTopic<()>)> {
    let (i, group) = text("group", Rules::Broker, body, i)?;
    // Nothing follows the number of a partition, so an item takes no bytes.
    let (i, topics) = ByTopic::parse(Rules::Broker, 0, body, i, |i| Ok((i, ())))?;
    Ok((i, (group, topics)))
}

impl Encode for OffsetFetchRequestV0 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        encode_request(to, &self.group, &self.topics)
    }
}

impl Body for OffsetFetchRequestV0 {
    const NAME: &'static str = "OffsetFetch v0 request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let ((group, topics), taken) = parse(Self::NAME, body, |i| parse_request(body, i))?;
        Ok((Self { group, topics }, taken))
    }
}

impl Request for OffsetFetchRequestV0 {
    type Response = OffsetFetchResponseV0;
    const API: Api = Api::v0(ApiKey::OFFSET_FETCH);

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_zookeeper_group(&self.group)
    }
}

impl Encode for OffsetFetchRequestV1 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        encode_request(to, &self.group, &self.topics)
    }
}

impl Body for OffsetFetchRequestV1 {
    const NAME: &'static str = "OffsetFetch v1 request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let ((group, topics), taken) = parse(Self::NAME, body, |i| parse_request(body, i))?;
        Ok((Self { group, topics }, taken))
    }
}

impl Request for OffsetFetchRequestV1 {
    type Response = OffsetFetchResponseV1;
    const API: Api = Api { key: ApiKey::OFFSET_FETCH, version: ApiVersion(1) };

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_group(&self.group)
    }
}

/// A group's offsets in ZooKeeper (`OffsetFetchResponse`, since 0.8.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OffsetFetchResponseV0 {
    /// One entry per partition of the request. [`OffsetFetchResponseV0::committed`] interprets an entry.
    pub topics: ByTopic<CommittedOffset>,
}

/// A group's offsets in Kafka (`OffsetFetchResponse`, since 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OffsetFetchResponseV1 {
    /// One entry per partition of the request. [`OffsetFetchResponseV1::committed`] interprets an entry.
    pub topics: ByTopic<CommittedOffset>,
}

/// How far a group has read a partition, as encoded. The response's `committed` interprets the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read, or [`Offset::NONE`].
    pub offset: Offset,
    /// The metadata that was committed with the offset. In version 0, it is always empty. In version 1, a null that was
    /// committed is returned as null, until the coordinator reads its log again; after that it is returned as empty.
    pub metadata: Option<Text>,
    /// No error, or why there is no offset.
    pub error: ErrorCode,
}

impl Outcome for CommittedOffset {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl OffsetFetchResponseV0 {
    /// What the group has committed for one partition, or `None` if it has committed nothing.
    ///
    /// A broker sends [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`] if nothing is committed, and also if the topic does not
    /// exist. Ask Metadata whether the topic exists. A broker does not validate the offsets that are committed, so the
    /// offset may be negative.
    ///
    /// # Errors
    /// The broker sent another error code, or left the partition out. A missing partition does not mean that nothing is
    /// committed.
    pub fn committed(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<Option<&CommittedOffset>, PartitionError> {
        // The node in ZooKeeper does not exist. The broker sends the same code for a topic that does not exist.
        const NOTHING: PartitionProblem = PartitionProblem::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        match self.topics.success(ApiKey::OFFSET_FETCH, topic, partition) {
            Err(PartitionError { problem: NOTHING, .. }) => Ok(None),
            found => found.map(Some),
        }
    }
}

impl OffsetFetchResponseV1 {
    /// What the group has committed for one partition, or `None` if it has committed nothing. A broker says by a
    /// negative offset without an error that nothing is committed.
    ///
    /// # Errors
    /// The broker sent an error code, or left the partition out. A missing partition does not mean that nothing is
    /// committed. [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`] means that the partition does not exist.
    pub fn committed(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<Option<&CommittedOffset>, PartitionError> {
        let found = self.topics.success(ApiKey::OFFSET_FETCH, topic, partition)?;
        // Offset -1 without an error means that nothing is committed.
        Ok(Some(found).filter(|found| found.offset.0 >= 0))
    }
}

fn encode_offsets(to: &mut Encoder, topics: &ByTopic<CommittedOffset>) -> Result<(), EncodeError> {
    topics.encode(to, |to, item| {
        to.int64(item.offset.0);
        to.nullable_text("metadata", item.metadata.as_ref())?;
        to.int16(item.error.0);
        Ok(())
    })
}

fn parse_offsets<'a>(body: &Bytes, i: &'a [u8]) -> Parsed<'a, ByTopic<CommittedOffset>> {
    ByTopic::parse(Rules::Strict, 8 + 2 + 2, body, i, |i| {
        let (i, offset) = int64("offset", i)?;
        let (i, metadata) = nullable_text("metadata", Rules::Strict, body, i)?;
        let (i, error) = int16("error_code", i)?;
        Ok((i, CommittedOffset { offset, metadata, error }))
    })
}

impl Encode for OffsetFetchResponseV0 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        encode_offsets(to, &self.topics)
    }
}

impl Body for OffsetFetchResponseV0 {
    const NAME: &'static str = "OffsetFetch v0 response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let (topics, taken) = parse(Self::NAME, body, |i| parse_offsets(body, i))?;
        Ok((Self { topics }, taken))
    }
}

impl Encode for OffsetFetchResponseV1 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        encode_offsets(to, &self.topics)
    }
}

impl Body for OffsetFetchResponseV1 {
    const NAME: &'static str = "OffsetFetch v1 response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let (topics, taken) = parse(Self::NAME, body, |i| parse_offsets(body, i))?;
        Ok((Self { topics }, taken))
    }
}
