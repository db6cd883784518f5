//! What a broker says about a request, a topic or a partition.

use std::fmt;

/// A broker's verdict, as the wire holds it.
///
/// Open: later brokers send codes that 0.8 does not know, and they are kept. Source: `ErrorMapping` of 0.8.2. The Java
/// client's enum calls 13 a network exception of its own; on the wire 13 is [`ErrorCode::STALE_LEADER_EPOCH`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// What a client may do about a code: one row per code.
struct Row {
    code: ErrorCode,
    name: &'static str,
    retriable: bool,
    stale: bool,
}

const fn row(code: ErrorCode, name: &'static str) -> Row {
    Row { code, name, retriable: false, stale: false }
}

const fn retriable(code: ErrorCode, name: &'static str) -> Row {
    Row { code, name, retriable: true, stale: false }
}

const fn stale(code: ErrorCode, name: &'static str) -> Row {
    Row { code, name, retriable: true, stale: true }
}

const TABLE: [Row; 22] = [
    retriable(ErrorCode::UNKNOWN, "Unknown"),
    row(ErrorCode::NONE, "NoError"),
    row(ErrorCode::OFFSET_OUT_OF_RANGE, "OffsetOutOfRange"),
    retriable(ErrorCode::INVALID_MESSAGE, "InvalidMessage"),
    stale(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "UnknownTopicOrPartition"),
    row(ErrorCode::INVALID_FETCH_SIZE, "InvalidFetchSize"),
    stale(ErrorCode::LEADER_NOT_AVAILABLE, "LeaderNotAvailable"),
    stale(ErrorCode::NOT_LEADER_FOR_PARTITION, "NotLeaderForPartition"),
    retriable(ErrorCode::REQUEST_TIMED_OUT, "RequestTimedOut"),
    row(ErrorCode::BROKER_NOT_AVAILABLE, "BrokerNotAvailable"),
    row(ErrorCode::REPLICA_NOT_AVAILABLE, "ReplicaNotAvailable"),
    row(ErrorCode::MESSAGE_SIZE_TOO_LARGE, "MessageSizeTooLarge"),
    row(ErrorCode::STALE_CONTROLLER_EPOCH, "StaleControllerEpoch"),
    row(ErrorCode::OFFSET_METADATA_TOO_LARGE, "OffsetMetadataTooLarge"),
    row(ErrorCode::STALE_LEADER_EPOCH, "StaleLeaderEpoch"),
    retriable(ErrorCode::OFFSETS_LOAD_IN_PROGRESS, "OffsetsLoadInProgress"),
    stale(ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE, "ConsumerCoordinatorNotAvailable"),
    stale(ErrorCode::NOT_COORDINATOR_FOR_CONSUMER, "NotCoordinatorForConsumer"),
    row(ErrorCode::INVALID_TOPIC, "InvalidTopic"),
    row(ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE, "MessageSetSizeTooLarge"),
    retriable(ErrorCode::NOT_ENOUGH_REPLICAS, "NotEnoughReplicas"),
    retriable(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, "NotEnoughReplicasAfterAppend"),
];

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

    /// Whether this is [`ErrorCode::NONE`].
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// `Ok` for no error, else the code as an error.
    ///
    /// # Errors
    /// The code itself; [`ErrorCode::is_retriable`] and [`ErrorCode::means_stale_metadata`] tell what to do next.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// The name that the broker's source gives to the code; `None` for one that 0.8 does not know.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// Whether asking again, after a pause, may succeed. A code that 0.8 does not know counts as
    /// [`ErrorCode::UNKNOWN`]: yes, a few times.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.row().is_none_or(|row| row.retriable)
    }

    /// Whether the caller's picture of the cluster is out of date: look up leaders (or, for the two codes of coordinators,
    /// the coordinator) before asking again.
    #[must_use]
    pub fn means_stale_metadata(self) -> bool {
        self.row().is_some_and(|row| row.stale)
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
            None => write!(f, "error code {}, unknown to Kafka 0.8", self.0),
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

    /// `protocol.md` section 3, column by column.
    #[test]
    fn every_code_of_0_8_has_its_name_and_its_advice() {
        let names: Vec<_> = (-1..=20).map(|code| ErrorCode(code).name().expect("known")).collect();
        assert_eq!((names[0], names[1], names[21]), ("Unknown", "NoError", "NotEnoughReplicasAfterAppend"));
        let retriable: Vec<_> = (-1..=20).filter(|&code| ErrorCode(code).is_retriable()).collect();
        assert_eq!(retriable, [-1, 2, 3, 5, 6, 7, 14, 15, 16, 19, 20]);
        let stale: Vec<_> = (-1..=20).filter(|&code| ErrorCode(code).means_stale_metadata()).collect();
        assert_eq!(stale, [3, 5, 6, 15, 16]);
    }

    #[test]
    fn a_code_of_a_later_release_is_kept_and_counts_as_unknown() {
        let code = ErrorCode(35);
        assert_eq!((code.name(), code.is_retriable(), code.means_stale_metadata()), (None, true, false));
        assert_eq!(code.to_string(), "error code 35, unknown to Kafka 0.8");
    }
}
