//! ListOffsets (key 2), called "Offsets" in 0.8: looks up offsets of a log by time.

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, Request, RequestProblem,
    partition_error::Outcome,
    problem::{check_replica, check_topics},
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, Offset, OffsetTime, PartitionId, ReplicaId, Text},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, array, int16, int32, int64, parse},
};

/// Asks leaders for offsets before a time (`OffsetRequest`, 0.8.2).
///
/// The response has the granularity of log segments. For a time, it lists base offsets of segments that were last
/// written at or before that time, and the list may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsRequest {
    /// [`ReplicaId::CONSUMER`], for which the latest offset is the high watermark. For any other id, it is the end of
    /// the log.
    pub replica: ReplicaId,
    /// The partitions, and what to look up in each.
    pub topics: ByTopic<ListOffsetsPartition>,
}

/// What to look up in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    /// The time to look up.
    pub time: OffsetTime,
    /// The most offsets to return. [`OffsetTime::EARLIEST`] returns at most one. 0 returns none, and a negative number
    /// is an error.
    pub max_offsets: i32,
}

impl ListOffsetsRequest {
    /// Creates a consumer's request without partitions.
    #[must_use]
    pub fn new() -> Self {
        Self { replica: ReplicaId::CONSUMER, topics: ByTopic::default() }
    }

    /// Creates a request for the end of each partition's log, which is the offset of the next message. For a consumer,
    /// the end is the high watermark.
    ///
    /// ```
    /// use kafka08_proto::api::ListOffsetsRequest;
    ///
    /// let request = ListOffsetsRequest::latest([("access-log", 0), ("access-log", 1)]);
    /// assert_eq!(request.topics.len(), 2);
    /// ```
    #[must_use]
    pub fn latest<T, P>(partitions: impl IntoIterator<Item = (T, P)>) -> Self
    where
        T: Into<Text>,
        P: Into<PartitionId>,
    {
        Self::of(partitions, OffsetTime::LATEST)
    }

    /// Creates a request for the first offset that is still in each partition's log.
    #[must_use]
    pub fn earliest<T, P>(partitions: impl IntoIterator<Item = (T, P)>) -> Self
    where
        T: Into<Text>,
        P: Into<PartitionId>,
    {
        Self::of(partitions, OffsetTime::EARLIEST)
    }

    fn of<T, P>(partitions: impl IntoIterator<Item = (T, P)>, time: OffsetTime) -> Self
    where
        T: Into<Text>,
        P: Into<PartitionId>,
    {
        partitions.into_iter().fold(Self::new(), |request, (topic, partition)| request.with(topic, partition, time))
    }

    /// Adds a partition, and asks for one offset of it.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, time: OffsetTime) -> Self {
        // One offset is enough: further ones are the base offsets of older segments.
        self.topics.push(topic, partition, ListOffsetsPartition { time, max_offsets: 1 });
        self
    }
}

impl Default for ListOffsetsRequest {
    fn default() -> Self {
        Self::new()
    }
}

impl Encode for ListOffsetsRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.replica.0);
        self.topics.encode(to, |to, wanted| {
            to.int64(wanted.time.0);
            to.int32(wanted.max_offsets);
            Ok(())
        })
    }
}

impl Body for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsets request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, replica) = int32("replica_id", i)?;
            let (i, topics) = ByTopic::parse(Rules::Broker, 8 + 4, body, i, |i| {
                let (i, time) = int64("time", i)?;
                let (i, max_offsets) = int32("max_num_offsets", i)?;
                Ok((i, ListOffsetsPartition { time, max_offsets }))
            })?;
            Ok((i, Self { replica, topics }))
        })
    }
}

impl Request for ListOffsetsRequest {
    type Response = ListOffsetsResponse;
    const API: Api = Api::v0(ApiKey::LIST_OFFSETS);

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_replica(self.replica)?;
        check_topics(&self.topics)
    }
}

/// The offsets of partitions (`OffsetResponse`, 0.8.2). The broker chooses the order of the entries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListOffsetsResponse {
    /// One entry per partition of the request.
    pub topics: ByTopic<PartitionOffsets>,
}

/// The offsets of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// No error, or why there are no offsets.
    pub error: ErrorCode,
    /// The offsets, in descending order. The list is empty without an error if every segment is newer than the time.
    pub offsets: Vec<Offset>,
}

impl Outcome for PartitionOffsets {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl ListOffsetsResponse {
    /// The offsets of one partition, if there is no error.
    ///
    /// # Errors
    /// The broker sent an error code, or left the partition out.
    pub fn partition(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<&PartitionOffsets, PartitionError> {
        self.topics.success(ApiKey::LIST_OFFSETS, topic, partition)
    }
}

impl Encode for ListOffsetsResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, found| {
            to.int16(found.error.0);
            to.array("offsets", &found.offsets, |to, offset| {
                to.int64(offset.0);
                Ok(())
            })
        })
    }
}

impl Body for ListOffsetsResponse {
    const NAME: &'static str = "ListOffsets response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, topics) = ByTopic::parse(Rules::Strict, 2 + 4, body, i, |i| {
                let (i, error) = int16("error_code", i)?;
                let (i, offsets) = array("offsets", Rules::Strict, 8, i, |i| int64("offset", i))?;
                Ok((i, PartitionOffsets { error, offsets }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
