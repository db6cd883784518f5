//! Numbers that mean different things have different types.

use std::{fmt, time::Duration};

use super::Text;

// None of these numbers has a `Default`, except where zero is harmless: 0 as acks means fire and forget, as a replica id it
// is a broker's, as an error code it means success.
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
    /// A partition of a topic. Sound ones are not negative.
    PartitionId(i32)
}
number! {
    /// A position in a partition's log: the number of a message, or where the next one will be.
    #[derive(Default)]
    Offset(i64)
}
number! {
    /// A time span in milliseconds, as the wire holds it: a peer may say something negative.
    Millis(i32)
}
number! {
    /// Who fetches. Clients are [`ReplicaId::CONSUMER`]; the id of a broker makes the leader believe that this replica has
    /// the data, and corrupts its in-sync set (0.8.0).
    ReplicaId(i32)
}
number! {
    /// How many replicas must have a produced message before the broker answers.
    Acks(i16)
}
number! {
    /// What ListOffsets looks for: a time in milliseconds since the epoch, or one of the two constants.
    OffsetTime(i64)
}

number! {
    /// Counts a group's memberships. Ignored by 0.8.
    Generation(i32)
}
number! {
    /// Counts elections: of a controller, or of a partition's leader.
    Epoch(i32)
}
number! {
    /// A time in milliseconds since the epoch, or [`Timestamp::NOW`].
    Timestamp(i64)
}

impl Generation {
    /// None: what a client of 0.8.2 sends.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// The time at which the broker receives it.
    pub const NOW: Self = Self(-1);
}

impl NodeId {
    /// No broker: a partition without a leader, a group without a coordinator.
    pub const NONE: Self = Self(-1);
}

impl Offset {
    /// "No offset" where a response has to fill the field.
    pub const NONE: Self = Self(-1);

    /// The offset after this one; it stays at the last one there is.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl ReplicaId {
    /// An ordinary consumer: asks leaders, and sees what is committed.
    pub const CONSUMER: Self = Self(-1);
    /// A debugging consumer: any broker that hosts a replica answers.
    pub const DEBUG: Self = Self(-2);

    /// Whether it is one of the two ids of clients. Any other may be taken for a follower's: 0.8.0 takes even ids below
    /// -2 for one.
    #[must_use]
    pub fn is_client(self) -> bool {
        matches!(self, Self::CONSUMER | Self::DEBUG)
    }
}

impl Acks {
    /// The broker sends no response at all. When such a produce fails, it closes the connection.
    pub const NONE: Self = Self(0);
    /// Answered when the leader has appended the messages.
    pub const LEADER: Self = Self(1);
    /// Answered when every in-sync replica has them.
    pub const ALL: Self = Self(-1);
}

impl OffsetTime {
    /// The log's end: the offset the next message will get (as far as it is committed).
    pub const LATEST: Self = Self(-1);
    /// The log's start.
    pub const EARLIEST: Self = Self(-2);
}

/// A duration longer than the wire's 2^31 - 1 ms (24.8 days). Use a shorter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationTooLong(pub Duration);

impl fmt::Display for DurationTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not fit the wire's 2^31 - 1 ms (24.8 days): use a shorter time", self.0)
    }
}

impl std::error::Error for DurationTooLong {}

impl TryFrom<Duration> for Millis {
    type Error = DurationTooLong;
    /// Rounds up to whole milliseconds, so that a short wait does not become none.
    fn try_from(span: Duration) -> Result<Self, DurationTooLong> {
        let millis = span.as_nanos().div_ceil(1_000_000);
        i32::try_from(millis).map(Self).map_err(|_| DurationTooLong(span))
    }
}

impl Millis {
    /// As a duration; what is negative counts as zero.
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
    /// `partition` of `topic`.
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
