//! Fetch (key 1): reads messages from partitions.

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
/// The broker answers when `min_bytes` bytes are there or `max_wait` has passed. Requests behind the fetch on the same
/// connection wait too, so give fetches a connection of their own. 0.8.0 and 0.8.1 delay errors as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// [`ReplicaId::CONSUMER`], except for debugging.
    pub replica: ReplicaId,
    /// How long the broker may wait, at most [`MAX_WAIT`](super::MAX_WAIT). With 0 or less, the broker answers at once.
    pub max_wait: Millis,
    /// The number of bytes, over all partitions, that the broker waits for. It is a hint: the broker may answer with
    /// fewer. 0.8.0 and 0.8.1 never find more than all `max_bytes` together.
    pub min_bytes: i32,
    /// The partitions, and what to read of each.
    pub topics: ByTopic<FetchPartition>,
}

/// What to read of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The offset of the first message to read. The end of the log is allowed, and is answered with an empty set.
    pub offset: Offset,
    /// The most bytes of messages to return. The last message is usually cut. If even the first one is cut, fetch again
    /// with the size that [`Tail::Cut`](crate::message::Tail::Cut) names.
    pub max_bytes: i32,
}

impl FetchRequest {
    /// Creates a consumer's request without partitions.
    #[must_use]
    pub fn new(max_wait: Millis, min_bytes: i32) -> Self {
        Self { replica: ReplicaId::CONSUMER, max_wait, min_bytes, topics: ByTopic::default() }
    }

    /// Adds a partition. At most `max_bytes` bytes of it are read, from `offset` on.
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
    /// Refuses `min_bytes` that all `max_bytes` together cannot reach. 0.8.0 and 0.8.1 count what they would send, and
    /// wait for the whole `max_wait`. 0.8.2 counts up to the high watermark. A request without partitions is answered
    /// at once, so it is not refused.
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
            // A request is read as leniently as a broker reads it, so that both accept the same requests.
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

    /// A partition that is listed twice is refused too, because the broker would answer only one of the two.
    fn check(&self, profile: Profile, limits: &Limits) -> Result<(), RequestProblem> {
        check_replica(self.replica)?;
        check_wait(self.max_wait)?;
        check_topics(&self.topics)?;
        // The exact length of the largest response that a broker may send. A response above the frame limit would end
        // the connection and every request on it. A response begins with the correlation id and the number of topics.
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

    /// A fetch with the id of a replica reports the replica's position, and may change the partition's in-sync set.
    fn changes_state(&self) -> bool {
        !self.replica.is_client()
    }

    fn server_wait(&self) -> Duration {
        self.max_wait.to_duration()
    }
}

/// The messages of partitions (`FetchResponse`, 0.8.2). The broker chooses the order of the entries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FetchResponse {
    /// One entry per partition of the request.
    pub topics: ByTopic<FetchedPartition>,
}

/// The number of bytes between a partition's number and its messages.
const FETCHED: usize = 2 + 8 + 4;

/// The messages of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// No error, or why there are no messages. After a change of leader, [`ErrorCode::UNKNOWN`] is temporary.
    pub error: ErrorCode,
    /// The offset of the first message that consumers cannot see yet, or [`Offset::NONE`] with an error.
    pub high_watermark: Offset,
    /// A slice of the log, which may end in the middle of an entry. It begins before the requested offset if that
    /// offset is inside a compressed entry. Brokers of later releases may send null if there are no messages; null is
    /// read as an empty set.
    pub messages: MessageSet,
}

impl Outcome for FetchedPartition {
    fn code(&self) -> ErrorCode {
        self.error
    }
}

impl FetchResponse {
    /// The messages of one partition, if there is no error.
    ///
    /// # Errors
    /// The broker sent an error code, or left the partition out.
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
            // Responses are read strictly. One that no broker could have sent shows that the stream cannot be trusted.
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
