//! ListOffsets (key 2), called "Offsets" in 0.8: log offsets by time.

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
/// The answer has the granularity of log segments: a time gives the base offsets of segments last written at or before it,
/// and may give none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsRequest {
    /// [`ReplicaId::CONSUMER`], for which the latest offset is the high watermark. Others see the log's end.
    pub replica: ReplicaId,
    /// What to look up.
    pub topics: ByTopic<ListOffsetsPartition>,
}

/// What to look up in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    /// Before when.
    pub time: OffsetTime,
    /// The most offsets wanted. [`OffsetTime::EARLIEST`] gives one in any case; 0 gives none, below 0 is an error.
    pub max_offsets: i32,
}

impl ListOffsetsRequest {
    /// A consumer's request without partitions yet.
    #[must_use]
    pub fn new() -> Self {
        Self { replica: ReplicaId::CONSUMER, topics: ByTopic::default() }
    }

    /// Asks for the end of each partition's log: where the next message will be. For a consumer that is the high watermark.
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

    /// Asks for the first offset of each partition's log that is still there.
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

    /// With one more partition, of which one offset is wanted.
    #[must_use]
    pub fn with(mut self, topic: impl Into<Text>, partition: impl Into<PartitionId>, time: OffsetTime) -> Self {
        // One is enough: without a time in between, more offsets are bases of older segments.
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

/// Offsets of partitions (`OffsetResponse`, 0.8.2). Entries come in an order of the broker's own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListOffsetsResponse {
    /// One per partition asked for.
    pub topics: ByTopic<PartitionOffsets>,
}

/// Offsets of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// No error, or why there are none.
    pub error: ErrorCode,
    /// Offsets, descending. None at all, without an error, when every segment is younger than the time asked for.
    pub offsets: Vec<Offset>,
}

impl Outcome for PartitionOffsets {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl ListOffsetsResponse {
    /// The offsets of one partition, if it has no error.
    ///
    /// # Errors
    /// The broker gave a code, or left the partition out.
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
