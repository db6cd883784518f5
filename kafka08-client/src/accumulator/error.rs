//! Why a record was not appended.

use std::fmt;

use kafka08_proto::{api::NameProblem, message::SetProblem};

/// Why a record or a message set was not appended. Nothing was changed, apart from what `wake` announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room. Append again after [`ProducerEvent::Room`](crate::producer::ProducerEvent::Room).
    ///
    /// All open batches are ready to be sent now, so that room comes soon.
    Full {
        /// The room of partitions that cannot be sent to at the moment is used up: they have no leader, or wait for a
        /// retry, or their broker does not answer. Other partitions still take records.
        stuck: bool,
        /// Wake the producer's machine.
        wake: bool,
    },
    /// It is not known yet which partitions the topic has. Append again after
    /// [`ProducerEvent::Topic`](crate::producer::ProducerEvent::Topic). A topic that nobody appends to again after
    /// such an event is asked for no longer.
    UnknownTopic {
        /// Wake the producer's machine, which asks for the topic.
        wake: bool,
    },
    /// No broker accepts the name of the topic. Use another name.
    Topic(NameProblem),
    /// The topic does not have the partition, or the custom partitioner has chosen such a partition.
    NoSuchPartition,
    /// The partitioner hashes strings, and the key is not UTF-8. Set the partition, or use another partitioner.
    KeyNotUtf8,
    /// The record is larger than what can be sent at all. Split it, or raise the limits.
    TooLarge {
        /// The size of the record's entry in bytes: key, value, and 26 bytes.
        entry: usize,
        /// The size in bytes of the largest entry that is accepted: the least of the buffer, the maximum size of a
        /// request, and `Limits::max_message`.
        max: usize,
    },
    /// A broker would refuse the message set, or would lose a part of it.
    Set(SetProblem),
    /// The accumulator was closed. Nothing is appended any more.
    Closed,
}

impl AppendError {
    /// Whether the producer's machine must be woken.
    #[must_use]
    pub fn wake(&self) -> bool {
        match self {
            Self::Full { wake, .. } | Self::UnknownTopic { wake } => *wake,
            _ => false,
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { stuck: false, .. } => {
                f.write_str("the producer's buffer is full: wait until batches have ended, or set a larger buffer")
            }
            Self::Full { stuck: true, .. } => f.write_str(
                "the part of the producer's buffer for partitions that cannot be sent to is full: wait until the partition has a leader that answers, or set a larger buffer",
            ),
            Self::UnknownTopic { .. } => {
                f.write_str("the topic's partitions are not known yet: wait until a broker has listed them")
            }
            Self::Topic(problem) => write!(f, "the topic's name is not valid: {problem}"),
            Self::NoSuchPartition => {
                f.write_str("the topic does not have this partition: use one that metadata lists")
            }
            Self::KeyNotUtf8 => f.write_str(
                "the partitioner hashes strings and the key is not UTF-8: set the partition, or use another partitioner",
            ),
            Self::TooLarge { entry, max } => write!(
                f,
                "the record takes {entry} bytes, and at most {max} can be sent: split it, or raise the producer's limits and the broker's message.max.bytes"
            ),
            Self::Set(problem) => write!(f, "{problem}"),
            Self::Closed => f.write_str("the producer was closed"),
        }
    }
}

impl std::error::Error for AppendError {}
