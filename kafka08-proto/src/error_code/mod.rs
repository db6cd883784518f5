//! Error codes: the result that a broker reports for a request, a topic or a partition.

mod table;

use std::fmt;

use table::{Row, TABLE};

use crate::{fate::Fate, ids::Acks};

/// An error code of a response, as encoded.
///
/// The decoder accepts any code. Codes above 20 come from releases after 0.8. Constants exist only for those that later
/// releases send in responses to requests of 0.8. Sources: `ErrorMapping` of 0.8.2, `Errors` of 0.9 to 3.9.
// In the Java client of 0.8.2, code 13 is a network exception that the client creates itself. Brokers send code 13 for
// a stale leader epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// Whether a request may succeed if the client sends the same request again after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The request fails again, unless the request or the broker's settings are changed.
    No,
    /// The request may succeed, but the code does not show whether it will. Give up after a few attempts.
    Limited,
    /// The cause is temporary. Retry until a deadline that you choose.
    Yes,
}

/// The next step for the client after an error code. [`ErrorCode::retry`] returns whether to limit the retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NextStep {
    /// Continue. There is no error, or the error concerns only replicas.
    GoOn,
    /// Send the same request to the same broker again.
    Resend,
    /// Find the partition's leader with a Metadata request, and send the request to that broker.
    RefreshMetadata,
    /// Find the group's coordinator with a ConsumerMetadata request, and send the request to that broker.
    FindCoordinator,
    /// Wait until the missing condition is met, such as enough in-sync replicas. Then resend to the same broker.
    Wait,
    /// Give up. The same request fails again. [`ErrorCode::advice`] describes what to change.
    GiveUp,
}

impl ErrorCode {
    /// An exception without an error code of its own occurred in the broker.
    ///
    /// 0.8.0 and 0.8.1 send this code for an invalid topic name. Every release sends this code if it cannot decode the
    /// data, or if a fetch begins between the high watermark and the end of the log. The last case is temporary.
    pub const UNKNOWN: Self = Self(-1);
    /// No error.
    pub const NONE: Self = Self(0);
    /// Fetch: the offset is before the start or after the end of the log. ListOffsets returns both positions.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// Produce: a message has a wrong checksum, or a size below 14 bytes.
    pub const INVALID_MESSAGE: Self = Self(2);
    /// The broker does not host the partition (or no longer hosts it), or the partition does not exist. In OffsetFetch
    /// v0: the group has not committed an offset for the partition.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// The size of a fetch is invalid. Brokers of 0.8 almost never send this code.
    pub const INVALID_FETCH_SIZE: Self = Self(4);
    /// Metadata: the leader election of the partition is not complete, or this request has just created the topic. Send
    /// the request again after a pause.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// The broker hosts the partition but is not its leader.
    pub const NOT_LEADER_FOR_PARTITION: Self = Self(6);
    /// Produce with acks other than 0 and 1: the leader appended the messages, but the replicas did not acknowledge
    /// the messages in time.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// A broker is not available. Brokers of 0.8 use this code internally and do not send it.
    pub const BROKER_NOT_AVAILABLE: Self = Self(8);
    /// Metadata: a replica is not available. Ignore this code, because the partition's leader is valid.
    pub const REPLICA_NOT_AVAILABLE: Self = Self(9);
    /// Produce: a message is larger than the broker's `message.max.bytes`.
    pub const MESSAGE_SIZE_TOO_LARGE: Self = Self(10);
    /// Response to a controller: another controller was elected later.
    pub const STALE_CONTROLLER_EPOCH: Self = Self(11);
    /// OffsetCommit: the metadata is longer than `offset.metadata.max.bytes`. Since 0.8.1.
    pub const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    /// Response to a controller: the partition has a newer leader epoch. Since 0.8.1.
    pub const STALE_LEADER_EPOCH: Self = Self(13);
    /// The coordinator is still loading its offsets. Send the request to the same broker again. Since 0.8.2.
    pub const OFFSETS_LOAD_IN_PROGRESS: Self = Self(14);
    /// The group has no coordinator yet. The first ConsumerMetadata request in a cluster gets this code, because that
    /// request creates the topic that coordinators need. Since 0.8.2.
    pub const CONSUMER_COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// Another broker is the group's coordinator. Since 0.8.2.
    pub const NOT_COORDINATOR_FOR_CONSUMER: Self = Self(16);
    /// The topic's name is not allowed, or the topic is `__consumer_offsets`. Since 0.8.2.
    pub const INVALID_TOPIC: Self = Self(17);
    /// Produce: the message set is larger than a log segment. Since 0.8.2.
    pub const MESSAGE_SET_SIZE_TOO_LARGE: Self = Self(18);
    /// Produce: fewer than `min.insync.replicas` replicas are in sync. The broker appended nothing. Since 0.8.2.
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    /// Produce: the in-sync set became too small after the leader had appended the messages. If the client sends the
    /// messages again, the broker appends them twice. Since 0.8.2.
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: Self = Self(20);
    /// Produce: `acks` is not -1, 0 or 1. The broker appended nothing. Since 0.9.
    pub const INVALID_REQUIRED_ACKS: Self = Self(21);
    /// OffsetCommit v1: the generation is not the current one of the group. Members of the group use a later client.
    /// Since 0.9.
    pub const ILLEGAL_GENERATION: Self = Self(22);
    /// The group's name is empty. Coordinators of later releases reject an empty name. Since 0.9.
    pub const INVALID_GROUP_ID: Self = Self(24);
    /// OffsetCommit v1, Heartbeat: the group has members, but the consumer is not a member. Since 0.9.
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    /// OffsetCommit v1: the group is reassigning its partitions to its members. Since 0.9.
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    /// OffsetCommit v1: the offset and its metadata together exceed the maximum size of a message. Since 0.9.
    pub const INVALID_COMMIT_OFFSET_SIZE: Self = Self(28);
    /// The broker does not allow this client to use the topic. Since 0.9.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// The broker does not allow this client to use the group. Since 0.9.
    pub const GROUP_AUTHORIZATION_FAILED: Self = Self(30);
    /// The broker accepts this request only from other brokers. Since 0.9.
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    /// The broker no longer supports this version of the request. Since 0.10.
    ///
    /// A cluster without ZooKeeper rejects version 0 of OffsetCommit and OffsetFetch. If a broker is not allowed to
    /// convert messages, the broker rejects a fetch from a log of a later format.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// Metadata: the cluster has fewer brokers than the default replication factor for new topics. Since 0.10.1.
    pub const INVALID_REPLICATION_FACTOR: Self = Self(38);
    /// The broker parsed the request, but the content of the request is invalid. Since 0.10.1.
    pub const INVALID_REQUEST: Self = Self(42);
    /// The disk that holds the partition has failed. Since 1.0.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    /// Fetch: the log contains messages compressed with zstd. Brokers do not send these to clients of 0.8. Since 2.1.
    pub const UNSUPPORTED_COMPRESSION_TYPE: Self = Self(76);
    /// Produce: a message violates a rule of its topic. For example, each message of a compacted topic needs a key. The
    /// broker appended nothing. Since 2.4.
    pub const INVALID_RECORD: Self = Self(87);

    /// Whether this is [`ErrorCode::NONE`].
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// Converts the code to a `Result`, which is `Ok` for [`ErrorCode::NONE`].
    ///
    /// # Errors
    /// Returns the code itself. See [`ErrorCode::next_step`] for the next step and [`ErrorCode::retry`] for retries.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// The code's name in the broker's source, or `None` if the code is not one of the constants.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// The recommended action, as a phrase to append to an error text. Example: "look up the leader, then try again".
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.row().map_or("a later release sends it: try a few times, then give up", |row| row.advice)
    }

    /// Whether a request may succeed if the client sends the same request again after a pause. A code without a
    /// constant is treated as [`ErrorCode::UNKNOWN`], so the result is [`Retry::Limited`].
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().map_or(Retry::Limited, |row| row.retry)
    }

    /// Whether [`ErrorCode::retry`] returns a value other than [`Retry::No`].
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.retry() != Retry::No
    }

    /// The next step after this code. A code without a constant is treated as [`ErrorCode::UNKNOWN`].
    ///
    /// If messages are sent again, the broker may append them twice. See [`ErrorCode::produce_fate`].
    #[must_use]
    pub fn next_step(self) -> NextStep {
        self.row().map_or(NextStep::Resend, |row| row.next)
    }

    /// Whether the messages for a partition may be in its log, if a Produce response has this code for the partition.
    /// Returns `None` for [`ErrorCode::NONE`], because then the messages are in the log.
    ///
    /// `acks` is the value in the request. With a value other than 1, a broker may append the messages, lose the
    /// partition while waiting for replicas, and respond with [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`] or
    /// [`ErrorCode::NOT_LEADER_FOR_PARTITION`]. If the response does not contain the partition, assume
    /// [`Fate::MaybeApplied`]. Sources: `Partition`, `KafkaApis` and `DelayedProduce` of 0.8.2.
    #[must_use]
    pub fn produce_fate(self, acks: Acks) -> Option<Fate> {
        #[cfg(kafka08_canary)]
        let acks = crate::canary::NotLeaderIsNotApplied.pick(Acks::LEADER, acks);
        Some(match self {
            Self::NONE => return None,
            // Brokers check all of these conditions before the append (`Partition` and `Log` of 0.8.2). Brokers check
            // the size again after recompression, which also happens before the append.
            Self::INVALID_MESSAGE
            | Self::MESSAGE_SIZE_TOO_LARGE
            | Self::INVALID_TOPIC
            | Self::MESSAGE_SET_SIZE_TOO_LARGE
            | Self::NOT_ENOUGH_REPLICAS
            | Self::INVALID_REQUIRED_ACKS
            | Self::TOPIC_AUTHORIZATION_FAILED
            | Self::INVALID_RECORD => Fate::NotApplied,
            // With acks = 1, only the append itself can fail with these codes. With other acks, `DelayedProduce` waits
            // for replicas after the append, and can fail with the same codes.
            Self::UNKNOWN_TOPIC_OR_PARTITION | Self::NOT_LEADER_FOR_PARTITION if acks == Acks::LEADER => {
                Fate::NotApplied
            }
            // A broker sends codes 7 and 20 after an append. For other codes it is not certain that a resend is safe.
            _ => Fate::MaybeApplied,
        })
    }

    fn row(self) -> Option<&'static Row> {
        // The codes have gaps, and errors are rare. A linear search of 37 rows is fast enough.
        TABLE.iter().find(|row| row.code == self)
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error code {}, which Kafka 0.8 does not know", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are the columns of the tables in `protocol.md`, sections 3 and 8.
    #[test]
    fn every_code_has_its_name_and_its_advice() {
        let later = [21, 22, 24, 25, 27, 28, 29, 30, 31, 35, 38, 42, 56, 76, 87];
        let known: Vec<_> = (-1..=20).chain(later).collect();
        let named: Vec<_> = (i16::MIN..=i16::MAX).filter(|&code| ErrorCode(code).name().is_some()).collect();
        assert_eq!(named, known);
        assert_eq!(ErrorCode(-1).name(), Some("Unknown"));
        assert_eq!(ErrorCode(20).name(), Some("NotEnoughReplicasAfterAppend"));
        assert_eq!(ErrorCode(76).name(), Some("UnsupportedCompressionType"));
        let with = |retry| known.iter().copied().filter(|&code| ErrorCode(code).retry() == retry).collect::<Vec<_>>();
        assert_eq!(with(Retry::Yes), [3, 5, 6, 7, 14, 15, 16, 19, 20, 56]);
        assert_eq!(with(Retry::Limited), [-1, 2, 27, 38]);
        let by = |next| known.iter().copied().filter(|&code| ErrorCode(code).next_step() == next).collect::<Vec<_>>();
        assert_eq!(by(NextStep::GoOn), [0, 9]);
        assert_eq!(by(NextStep::Resend), [-1, 2, 7, 20]);
        assert_eq!(by(NextStep::RefreshMetadata), [3, 5, 6, 56]);
        assert_eq!(by(NextStep::FindCoordinator), [15, 16]);
        assert_eq!(by(NextStep::Wait), [14, 19, 27, 38]);
        let given_up = by(NextStep::GiveUp);
        assert!(given_up.iter().all(|&code| ErrorCode(code).retry() == Retry::No), "{given_up:?}");
    }

    #[test]
    fn a_code_without_a_name_is_kept_and_asked_about_again_a_few_times_only() {
        let code = ErrorCode(99);
        assert_eq!((code.name(), code.retry(), code.next_step()), (None, Retry::Limited, NextStep::Resend));
        assert_eq!(code.to_string(), "error code 99, which Kafka 0.8 does not know");
    }

    /// The fates of `reliability.md` section 2.0, and of three later codes that brokers send before an append.
    #[test]
    fn the_fate_of_a_produce_is_told_for_every_code_and_all_acks() {
        let refused = [2, 10, 17, 18, 19, 21, 29, 87];
        for acks in [-2, -1, 0, 1, 2, i16::MAX].map(Acks) {
            for code in i16::MIN..=i16::MAX {
                let expected = if code == 0 {
                    None
                } else if refused.contains(&code) || acks == Acks(1) && (code == 3 || code == 6) {
                    Some(Fate::NotApplied)
                } else {
                    Some(Fate::MaybeApplied)
                };
                assert_eq!(ErrorCode(code).produce_fate(acks), expected, "{code} with acks {acks}");
            }
        }
    }
}
