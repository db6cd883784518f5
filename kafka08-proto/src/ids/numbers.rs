//! The numbers of the protocol. Numbers with different meanings have different types.

use std::{fmt, time::Duration};

use super::Text;

// A type implements `Default` only if 0 is a safe value. With acks = 0 the broker sends no response, and replica id 0
// is the id of a broker.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$inner> for $name {
            fn from(number: $inner) -> Self {
                Self(number)
            }
        }
    };
}

number! {
    /// A broker's id in its cluster.
    NodeId(i32)
}
number! {
    /// The number of a partition of a topic. Valid numbers are zero or positive.
    PartitionId(i32)
}
number! {
    /// A position in a partition's log: the number of a message, or the number of the next message to be appended.
    #[derive(Default)]
    Offset(i64)
}
number! {
    /// A duration in milliseconds, as encoded. A peer can send a negative number.
    Millis(i32)
}
number! {
    /// The sender of a fetch. Clients send [`ReplicaId::CONSUMER`].
    ///
    /// If a client sends a broker's id, the leader treats the client as the replica of that broker. A leader of 0.8.0
    /// may then add the id to the in-sync set.
    ReplicaId(i32)
}
number! {
    /// The number of replicas that must store a produced message before the broker answers, or one of the constants.
    Acks(i16)
}
number! {
    /// The time that ListOffsets searches for, in milliseconds since the Unix epoch, or one of the two constants.
    OffsetTime(i64)
}

number! {
    /// The generation number of a consumer group. Each rebalance increases it. Brokers of 0.8 ignore this number.
    Generation(i32)
}
number! {
    /// The number of an election of the controller or of a partition's leader. A later election has a higher number.
    Epoch(i32)
}
number! {
    /// A time in milliseconds since the Unix epoch, or [`Timestamp::NOW`].
    Timestamp(i64)
}

impl Generation {
    /// No generation. Clients of 0.8.2 send this number.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// The time at which the broker receives the request.
    pub const NOW: Self = Self(-1);
}

impl NodeId {
    /// No broker: the partition has no leader, or the group has no coordinator.
    pub const NONE: Self = Self(-1);
}

impl Offset {
    /// No offset. Responses use this number if a field of the layout has no value.
    pub const NONE: Self = Self(-1);

    /// The next offset. For the highest offset, `i64::MAX`, this is `i64::MAX` itself.
    #[must_use]
    pub fn next(self) -> Self {
        // A peer can send `i64::MAX`. If the addition wrapped, a reader would continue at the lowest negative offset.
        Self(self.0.saturating_add(1))
    }
}

impl ReplicaId {
    /// An ordinary consumer. Only the partition's leader answers this fetch, with messages below the high watermark.
    pub const CONSUMER: Self = Self(-1);
    /// A debugging consumer. Any broker that hosts a replica answers this fetch.
    pub const DEBUG: Self = Self(-2);

    /// Whether this is one of the two ids for clients. A broker may treat the sender of any other id as a follower.
    /// 0.8.0 does so even for ids below -2.
    #[must_use]
    pub fn is_client(self) -> bool {
        matches!(self, Self::CONSUMER | Self::DEBUG)
    }
}

impl Acks {
    /// The broker sends no response. If the produce fails, the broker closes the connection.
    pub const NONE: Self = Self(0);
    /// The broker answers when the leader has appended the messages.
    pub const LEADER: Self = Self(1);
    /// The broker answers when every in-sync replica has the messages.
    pub const ALL: Self = Self(-1);
}

impl OffsetTime {
    /// The end of the log. A consumer gets the high watermark.
    pub const LATEST: Self = Self(-1);
    /// The start of the log.
    pub const EARLIEST: Self = Self(-2);
}

/// The duration is longer than the maximum of the encoding, 2^31 - 1 ms (24.8 days). Use a shorter duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationTooLong(pub Duration);

impl fmt::Display for DurationTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is longer than 2^31 - 1 ms (24.8 days), which is the maximum: use a shorter time", self.0)
    }
}

impl std::error::Error for DurationTooLong {}

impl TryFrom<Duration> for Millis {
    type Error = DurationTooLong;
    /// Rounds up to whole milliseconds, so that a wait of less than one millisecond does not become zero.
    fn try_from(span: Duration) -> Result<Self, DurationTooLong> {
        let millis = span.as_nanos().div_ceil(1_000_000);
        i32::try_from(millis).map(Self).map_err(|_| DurationTooLong(span))
    }
}

impl Millis {
    /// Converts to a duration. A negative number becomes zero.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

/// One partition of one topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Text,
    /// The partition's number.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// Creates a value from the topic's name and the partition's number.
    pub fn new(topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Self {
        Self { topic: topic.into(), partition: partition.into() }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_becomes_whole_milliseconds_or_is_refused() {
        assert_eq!(Millis::try_from(Duration::from_micros(1)), Ok(Millis(1)));
        assert_eq!(Millis::try_from(Duration::from_millis(2_147_483_647)), Ok(Millis(i32::MAX)));
        let a_month = Duration::from_secs(30 * 24 * 3600);
        assert_eq!(Millis::try_from(a_month), Err(DurationTooLong(a_month)));
        assert_eq!(Millis(-1).to_duration(), Duration::ZERO);
    }
}
