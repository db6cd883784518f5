//! What a broker says about a request, a topic or a partition.

mod table;

use std::fmt;

use table::{Row, TABLE};

use crate::{fate::Fate, ids::Acks};

/// A broker's verdict, as the wire holds it.
///
/// Open: any code is kept. Those above 20 come from releases after 0.8; the ones with a name are those that they send to
/// the requests of 0.8. Sources: `ErrorMapping` of 0.8.2, `Errors` of 0.9 to 3.9. The Java client's enum calls 13 a network
/// exception of its own; on the wire 13 is [`ErrorCode::STALE_LEADER_EPOCH`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// Whether asking again, after a pause, may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will not, unless the request or the broker's settings are changed.
    No,
    /// It may, but nothing says so: give up after a few attempts.
    Limited,
    /// What stands in the way passes by itself: ask until a deadline of your own.
    Yes,
}

/// What to do next about a code. How often to try is what [`ErrorCode::retry`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NextStep {
    /// Nothing: there is no error, or it concerns only replicas.
    GoOn,
    /// Send the same request to the same broker again.
    Resend,
    /// Ask Metadata for the partition's leader, and send the request there.
    RefreshMetadata,
    /// Ask ConsumerMetadata for the group's coordinator, and send the request there.
    FindCoordinator,
    /// Wait for what the broker needs, such as in-sync replicas, and send it the same request again.
    Wait,
    /// Stop: the same request fails again. [`ErrorCode::advice`] says what to change.
    GiveUp,
}

impl ErrorCode {
    /// An exception of the broker that has no code. 0.8.0 and 0.8.1 say it of a bad topic name, every release of data it
    /// cannot decode and of a fetch between the high watermark and the log's end; the last passes by itself.
    pub const UNKNOWN: Self = Self(-1);
    /// No error.
    pub const NONE: Self = Self(0);
    /// Fetch: the offset is beyond the log's end or before its start. Ask ListOffsets where to go on.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// Produce: a message's checksum is wrong, or its size is below 14.
    pub const INVALID_MESSAGE: Self = Self(2);
    /// The broker does not host the partition (any more), or it exists nowhere. From OffsetFetch v0: nothing committed.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// Practically never sent.
    pub const INVALID_FETCH_SIZE: Self = Self(4);
    /// Metadata: an election is going on, or the topic was created by this very request. Ask again after a while.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// The broker hosts the partition but does not lead it.
    pub const NOT_LEADER_FOR_PARTITION: Self = Self(6);
    /// Produce with acks other than 0 and 1: appended, but not acknowledged by the replicas in time.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// Not seen on the wire.
    pub const BROKER_NOT_AVAILABLE: Self = Self(8);
    /// Metadata: some replica is down. The partition is usable: ignore it.
    pub const REPLICA_NOT_AVAILABLE: Self = Self(9);
    /// Produce: a message is larger than the broker's `message.max.bytes`.
    pub const MESSAGE_SIZE_TOO_LARGE: Self = Self(10);
    /// To a controller: another one has taken over.
    pub const STALE_CONTROLLER_EPOCH: Self = Self(11);
    /// OffsetCommit: the metadata is longer than `offset.metadata.max.bytes`. Since 0.8.1.
    pub const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    /// To a controller: the partition has a newer leader epoch. Since 0.8.1.
    pub const STALE_LEADER_EPOCH: Self = Self(13);
    /// The coordinator still reads its offsets: ask the same broker again. Since 0.8.2.
    pub const OFFSETS_LOAD_IN_PROGRESS: Self = Self(14);
    /// No coordinator yet; the first question of a cluster's life creates the topic it needs. Since 0.8.2.
    pub const CONSUMER_COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// Another broker coordinates this group. Since 0.8.2.
    pub const NOT_COORDINATOR_FOR_CONSUMER: Self = Self(16);
    /// A topic name that is not allowed, or `__consumer_offsets`. Since 0.8.2.
    pub const INVALID_TOPIC: Self = Self(17);
    /// Produce: the set is larger than a log segment. Since 0.8.2.
    pub const MESSAGE_SET_SIZE_TOO_LARGE: Self = Self(18);
    /// Produce: fewer in-sync replicas than `min.insync.replicas`; nothing was appended. Since 0.8.2.
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    /// Produce: appended, then the in-sync set shrank; a resend duplicates. Since 0.8.2.
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: Self = Self(20);
    /// Produce: acks are none of -1, 0 and 1; nothing was appended. Since 0.9.
    pub const INVALID_REQUIRED_ACKS: Self = Self(21);
    /// OffsetCommit v1: the generation is not the group's. A group of later clients is alive under this name. Since 0.9.
    pub const ILLEGAL_GENERATION: Self = Self(22);
    /// The group's name is empty, which later coordinators do not take. Since 0.9.
    pub const INVALID_GROUP_ID: Self = Self(24);
    /// OffsetCommit v1, Heartbeat: the consumer is no member of the group, which has others. Since 0.9.
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    /// OffsetCommit v1: the group's members are being told their partitions anew. Since 0.9.
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    /// OffsetCommit v1: with its metadata the offset is larger than a message may be. Since 0.9.
    pub const INVALID_COMMIT_OFFSET_SIZE: Self = Self(28);
    /// The broker does not allow this client to use the topic. Since 0.9.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// The broker does not allow this client to use the group. Since 0.9.
    pub const GROUP_AUTHORIZATION_FAILED: Self = Self(30);
    /// The broker does not allow this client what only brokers do. Since 0.9.
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    /// The broker no longer serves this version of the request: offsets in ZooKeeper where there is no ZooKeeper, or a fetch
    /// that would have to convert messages and may not. Since 0.10.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// Metadata: the topic cannot be created with as many replicas as the broker's settings say. Since 0.10.1.
    pub const INVALID_REPLICATION_FACTOR: Self = Self(38);
    /// The broker could parse the request and takes it for nonsense. Since 0.10.1.
    pub const INVALID_REQUEST: Self = Self(42);
    /// The disk under the partition has failed. Since 1.0.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    /// Fetch: the log holds messages compressed with zstd, which no request of 0.8 can be sent. Since 2.1.
    pub const UNSUPPORTED_COMPRESSION_TYPE: Self = Self(76);
    /// Produce: a message breaks a rule of its topic, such as a key in a compacted one; nothing was appended. Since 2.4.
    pub const INVALID_RECORD: Self = Self(87);

    /// Whether this is [`ErrorCode::NONE`].
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// `Ok` for no error, else the code as an error.
    ///
    /// # Errors
    /// The code itself; [`ErrorCode::next_step`] tells what to do about it, [`ErrorCode::retry`] how often.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// The name that the broker's source gives to the code; `None` for one that is not among the constants.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// What to do about the code, as half a sentence: "look up the leader, then try again".
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.row().map_or("a later release sends it: try a few times, then give up", |row| row.advice)
    }

    /// Whether asking again, after a pause, may succeed. A code that is not among the constants counts as
    /// [`ErrorCode::UNKNOWN`]: a few times.
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().map_or(Retry::Limited, |row| row.retry)
    }

    /// Whether asking again, after a pause, may succeed at all. How often to ask is what [`ErrorCode::retry`] says.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.retry() != Retry::No
    }

    /// What to do next. A code that is not among the constants counts as [`ErrorCode::UNKNOWN`].
    ///
    /// A produce that is sent again may be appended twice: see [`ErrorCode::produce_fate`].
    #[must_use]
    pub fn next_step(self) -> NextStep {
        self.row().map_or(NextStep::Resend, |row| row.next)
    }

    /// Whether the messages of a partition that was answered with this code may be in its log all the same; `None` for no
    /// error, where they are.
    ///
    /// `acks` are the request's. With other acks than 1, a broker that has appended and then loses the partition answers
    /// [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`] or [`ErrorCode::NOT_LEADER_FOR_PARTITION`] too. A partition that the answer
    /// lacks may have been applied. Sources: `Partition`, `KafkaApis` and `DelayedProduce` of 0.8.2.
    #[must_use]
    pub fn produce_fate(self, acks: Acks) -> Option<Fate> {
        Some(match self {
            Self::NONE => return None,
            // Said before anything is appended.
            Self::INVALID_MESSAGE
            | Self::MESSAGE_SIZE_TOO_LARGE
            | Self::INVALID_TOPIC
            | Self::MESSAGE_SET_SIZE_TOO_LARGE
            | Self::NOT_ENOUGH_REPLICAS
            | Self::INVALID_REQUIRED_ACKS
            | Self::TOPIC_AUTHORIZATION_FAILED
            | Self::INVALID_RECORD => Fate::NotApplied,
            // With acks = 1 nothing is waited for once the messages are appended.
            Self::UNKNOWN_TOPIC_OR_PARTITION | Self::NOT_LEADER_FOR_PARTITION if acks == Acks::LEADER => {
                Fate::NotApplied
            }
            _ => Fate::MaybeApplied,
        })
    }

    fn row(self) -> Option<&'static Row> {
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

    /// `protocol.md` sections 3 and 8, column by column.
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

    /// The fates of `reliability.md` section 2.0, and of three codes that later releases add before they append.
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
