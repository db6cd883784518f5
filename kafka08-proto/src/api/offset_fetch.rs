//! OffsetFetch (key 9): look up how far a group has read.

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, Request, RequestProblem,
    partition_error::Outcome,
    problem::{check_group, check_zookeeper_group},
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion, Offset, PartitionId, Text},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int64, nullable_text, parse},
};

/// Looks a group's offsets up in ZooKeeper (since 0.8.1). Any broker may be asked.
pub type OffsetFetchRequestV0 = OffsetFetchRequest<0>;

/// Looks a group's offsets up in Kafka (since 0.8.2). Only the group's coordinator may be asked.
///
/// Send it to brokers of 0.8.2 only: 0.8.1 answers it from ZooKeeper.
pub type OffsetFetchRequestV1 = OffsetFetchRequest<1>;

/// Looks a group's offsets up (`OffsetFetchRequest`). Both versions have the same layout; the version says where to look.
///
/// There is no "all partitions": an empty list is answered with an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchRequest<const VERSION: i16> {
    /// The group. [`Request::check`] refuses null.
    pub group: Option<Text>,
    /// Which partitions.
    pub topics: ByTopic<()>,
}

impl<const VERSION: i16> OffsetFetchRequest<VERSION> {
    /// A request of `group` without partitions yet.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: Some(group.into()), topics: ByTopic::default() }
    }

    /// With one more partition.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Self {
        self.topics.push(topic, partition, ());
        self
    }
}

impl<const VERSION: i16> Encode for OffsetFetchRequest<VERSION> {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.nullable_text("group", self.group.as_ref())?;
        self.topics.encode(to, |_, ()| Ok(()))
    }
}

impl<const VERSION: i16> Body for OffsetFetchRequest<VERSION> {
    const NAME: &'static str = "OffsetFetch request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = nullable_text("group", Rules::Broker, body, i)?;
            let (i, topics) = ByTopic::parse(Rules::Broker, 0, body, i, |i| Ok((i, ())))?;
            Ok((i, Self { group, topics }))
        })
    }
}

impl<const VERSION: i16> Request for OffsetFetchRequest<VERSION> {
    type Response = OffsetFetchResponse;
    const API: Api = Api { key: ApiKey::OFFSET_FETCH, version: ApiVersion(VERSION) };

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        if VERSION == 0 { check_zookeeper_group(self.group.as_ref()) } else { check_group(self.group.as_ref()) }
    }
}

/// A group's offsets (`OffsetFetchResponse`, 0.8.2): the same for both versions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OffsetFetchResponse {
    /// One per partition asked for.
    pub topics: ByTopic<CommittedOffset>,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read, or [`Offset::NONE`].
    pub offset: Offset,
    /// What was committed along with it: from version 0 always empty; from version 1 null if null was committed, until the
    /// coordinator reads its log again and makes that empty too.
    pub metadata: Option<Text>,
    /// No error; or why there is no offset. [`CommittedOffset::committed`] reads both together.
    pub error: ErrorCode,
}

impl Outcome for CommittedOffset {
    fn code(&self) -> ErrorCode {
        self.error
    }

    fn is_success(&self) -> bool {
        self.committed().is_ok()
    }
}

impl CommittedOffset {
    /// The offset, or `None` if the group has committed none.
    ///
    /// "None" is [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`] from version 0 and no error from version 1, which says that code
    /// of partitions that do not exist. This takes both for "none": ask Metadata whether a partition exists.
    ///
    /// # Errors
    /// Any other code: see [`ErrorCode::is_retriable`].
    pub fn committed(&self) -> Result<Option<Offset>, ErrorCode> {
        match self.error {
            ErrorCode::NONE => Ok(Some(self.offset).filter(|offset| offset.0 >= 0)),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(None),
            error => Err(error),
        }
    }
}

impl OffsetFetchResponse {
    /// How far the group has read one partition. [`CommittedOffset::committed`] gives the offset, if there is one.
    ///
    /// # Errors
    /// The broker gave a code other than the one by which version 0 says that nothing is committed, or left the partition
    /// out, which does not say that nothing is.
    pub fn partition(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<&CommittedOffset, PartitionError> {
        self.topics.success(ApiKey::OFFSET_FETCH, topic, partition)
    }
}

impl Encode for OffsetFetchResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, item| {
            to.int64(item.offset.0);
            to.nullable_text("metadata", item.metadata.as_ref())?;
            to.int16(item.error.0);
            Ok(())
        })
    }
}

impl Body for OffsetFetchResponse {
    const NAME: &'static str = "OffsetFetch response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = ByTopic::parse(Rules::Strict, 8 + 2 + 2, body, i, |i| {
                let (i, offset) = int64("offset", i)?;
                let (i, metadata) = nullable_text("metadata", Rules::Strict, body, i)?;
                let (i, error) = int16("error_code", i)?;
                Ok((i, CommittedOffset { offset, metadata, error }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
