//! Fetch (key 1): read messages from partitions.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Body, ByTopic, Encode, PartitionError, Request, RequestProblem,
    partition_error::Outcome,
    problem::{check_replica, check_topics, check_wait},
};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, Millis, Offset, PartitionId, ReplicaId, Text, TopicPartition},
    limits::Limits,
    message::{MessageSet, Origin},
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int32, int64, parse, sized_blob_or_null},
};

/// Reads messages from any number of partitions that the broker leads (`FetchRequest`, 0.8.2).
///
/// The broker holds the answer back until `min_bytes` are there or `max_wait` has passed, and everything behind it on the
/// connection waits too: give fetches a connection of their own. 0.8.0 and 0.8.1 hold back errors as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// [`ReplicaId::CONSUMER`], unless you debug.
    pub replica: ReplicaId,
    /// How long the broker may wait. 0 or less: it answers at once. At most [`MAX_WAIT`](super::MAX_WAIT).
    pub max_wait: Millis,
    /// Bytes, over all partitions, for which the broker waits. A hint: it may answer with fewer. 0.8.0 and 0.8.1 never find
    /// more than all `max_bytes` together.
    pub min_bytes: i32,
    /// What to read.
    pub topics: ByTopic<FetchPartition>,
}

/// What to read of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The offset of the first message wanted. The log's end is allowed, and answered with an empty set.
    pub offset: Offset,
    /// The most bytes of messages that may come. The last message is usually cut; if even the first is, ask again with
    /// the size that [`Tail::Cut`](crate::message::Tail::Cut) names.
    pub max_bytes: i32,
}

impl FetchRequest {
    /// A consumer's request without partitions yet.
    #[must_use]
    pub fn new(max_wait: Millis, min_bytes: i32) -> Self {
        Self { replica: ReplicaId::CONSUMER, max_wait, min_bytes, topics: ByTopic::default() }
    }

    /// With one more partition, read from `offset` on, at most `max_bytes` bytes of it.
    #[must_use]
    pub fn with(
        mut self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
        offset: Offset,
        max_bytes: i32,
    ) -> Self {
        self.topics.push(topic, partition, FetchPartition { offset, max_bytes });
        self
    }
}

impl FetchRequest {
    /// Refuses a minimum that all `max_bytes` together cannot reach. 0.8.0 and 0.8.1 count what they would send and wait the
    /// whole `max_wait`; 0.8.2 counts up to the high watermark. A request without partitions is answered at once.
    fn check_min_bytes(&self, profile: Profile, max_bytes: u64) -> Result<(), RequestProblem> {
        // A negative minimum is reached at once.
        let out_of_reach = u64::try_from(self.min_bytes).is_ok_and(|min_bytes| min_bytes > max_bytes);
        if profile < Profile::V0_8_2 && out_of_reach && self.max_wait.0 > 0 && !self.topics.is_empty() {
            return Err(RequestProblem::MinBytesOutOfReach { min_bytes: self.min_bytes, max_bytes });
        }
        Ok(())
    }
}

impl Encode for FetchRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.replica.0);
        to.int32(self.max_wait.0);
        to.int32(self.min_bytes);
        self.topics.encode(to, |to, wanted| {
            to.int64(wanted.offset.0);
            to.int32(wanted.max_bytes);
            Ok(())
        })
    }
}

impl Body for FetchRequest {
    const NAME: &'static str = "Fetch request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, replica) = int32("replica_id", i)?;
            let (i, max_wait) = int32("max_wait_ms", i)?;
            let (i, min_bytes) = int32("min_bytes", i)?;
            // Requests are read as leniently as a broker reads them, so that what passes here passes there.
            let (i, topics) = ByTopic::parse(Rules::Broker, 8 + 4, body, i, |i| {
                let (i, offset) = int64("fetch_offset", i)?;
                let (i, max_bytes) = int32("max_bytes", i)?;
                Ok((i, FetchPartition { offset, max_bytes }))
            })?;
            Ok((i, Self { replica, max_wait, min_bytes, topics }))
        })
    }
}

impl Request for FetchRequest {
    type Response = FetchResponse;
    const API: Api = Api::v0(ApiKey::FETCH);

    /// A partition that stands twice is refused too: the broker would answer one of the two.
    fn check(&self, profile: Profile, limits: &Limits) -> Result<(), RequestProblem> {
        check_replica(self.replica)?;
        check_wait(self.max_wait)?;
        check_topics(&self.topics)?;
        // The largest answer that a broker may send, counted to the byte: an answer above the frame limit would end the connection
        // and every request on it.
        // The correlation id and the number of topics.
        let mut around: u64 = 4 + 4;
        let mut messages: u64 = 0;
        for group in self.topics.topics() {
            around += 2 + group.topic.len() as u64 + 4;
            for (partition, item) in &group.partitions {
                let Ok(max_bytes) = u64::try_from(item.max_bytes) else {
                    let at = TopicPartition { topic: group.topic.clone(), partition: *partition };
                    return Err(RequestProblem::NegativeMaxBytes(at));
                };
                around += (4 + FETCHED) as u64;
                // A caller may ask for 2^31 - 1 bytes of each of many partitions.
                messages = messages.saturating_add(max_bytes);
            }
        }
        let total = around.saturating_add(messages);
        if total > limits.max_frame as u64 {
            return Err(RequestProblem::FetchTooLarge { total, max: limits.max_frame });
        }
        self.check_min_bytes(profile, messages)
    }

    /// A fetch under the id of a replica reports a position, and may change the partition's in-sync set.
    fn changes_state(&self) -> bool {
        !self.replica.is_client()
    }

    fn server_wait(&self) -> Duration {
        self.max_wait.to_duration()
    }
}

/// Messages of partitions (`FetchResponse`, 0.8.2). Entries come in an order of the broker's own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FetchResponse {
    /// One per partition asked for.
    pub topics: ByTopic<FetchedPartition>,
}

/// What stands on the wire between a partition's number and its messages, in bytes.
const FETCHED: usize = 2 + 8 + 4;

/// Messages of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// No error, or why there are no messages. [`ErrorCode::UNKNOWN`] passes by itself, after a change of leader.
    pub error: ErrorCode,
    /// The offset of the first message that consumers cannot see yet; [`Offset::NONE`] with an error.
    pub high_watermark: Offset,
    /// A slice of the log, cut anywhere. It may begin before the offset asked for, inside a compressed entry. Brokers of
    /// later releases may send null where they have none, which is read as an empty set.
    pub messages: MessageSet,
}

impl Outcome for FetchedPartition {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl FetchResponse {
    /// What came of one partition, if that is no error.
    ///
    /// # Errors
    /// The broker gave a code, or left the partition out.
    pub fn partition(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<&FetchedPartition, PartitionError> {
        self.topics.success(ApiKey::FETCH, topic, partition)
    }
}

impl Encode for FetchResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.topics.encode(to, |to, fetched| {
            to.int16(fetched.error.0);
            to.int64(fetched.high_watermark.0);
            to.sized_blob("message_set", fetched.messages.bytes())
        })
    }
}

impl Body for FetchResponse {
    const NAME: &'static str = "Fetch response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            // Answers are read strictly: one that a broker could not have sent shows that the stream has lost its meaning.
            let (i, topics) = ByTopic::parse(Rules::Strict, FETCHED, body, i, |i| {
                let (i, error) = int16("error_code", i)?;
                let (i, high_watermark) = int64("high_watermark", i)?;
                let (i, set) = sized_blob_or_null("message_set", body, i)?;
                let messages = MessageSet::new(set, Origin::Fetched);
                Ok((i, FetchedPartition { error, high_watermark, messages }))
            })?;
            Ok((i, Self { topics }))
        })
    }
}
