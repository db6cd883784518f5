//! What a consumer tells its user, and why a partition is not read.

use std::{fmt, time::Duration};

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset, PartitionId, Text, TopicPartition},
    message::MessageError,
};

use crate::{assignment::CommitId, error::Cause};

/// What a [`Consumer`](super::Consumer) tells its user. Each cause is told once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// The partitions of a topic are known that was assigned as such, or new ones have appeared. They are read from now on.
    Assigned {
        /// The topic.
        topic: Text,
        /// The partitions that are read because of this. Empty if each was assigned by name.
        partitions: Vec<PartitionId>,
    },
    /// The partitions of a topic that was assigned as such are not known for a time: it does not exist, or nobody can be asked. It
    /// goes on being looked up.
    Unlisted {
        /// The topic.
        topic: Text,
        /// Why its partitions are not known.
        cause: Cause,
        /// For how long.
        since: Duration,
    },
    /// The offset at which reading a partition starts is known.
    Started {
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        at: Offset,
    },
    /// A partition is read from another offset than it was to be read from. [`ConsumerEvent::Started`] follows.
    Reset {
        /// The partition.
        partition: TopicPartition,
        /// What was looked for in vain.
        why: ResetCause,
    },
    /// A partition has reached the end that was set. Nothing more of it is fetched.
    Ended {
        /// The partition.
        partition: TopicPartition,
        /// Where it ends.
        at: Offset,
        /// Where it was to end. Greater than `at` if the log has become shorter.
        expected: Offset,
    },
    /// A broker of a later release has messages that it cannot convert to the format of 0.8, or sends them in their own format.
    /// They are left out.
    Skipped {
        /// The partition.
        partition: TopicPartition,
        /// The first offset that is left out, or that of the set in which entries are.
        from: Offset,
        /// The offset to go on from.
        to: Offset,
    },
    /// A user has stopped at a message that cannot be read. The partition is read no further until somebody seeks.
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// What is wrong, and the offset that the entry has by itself, which no checksum covers.
        error: MessageError,
        /// What to seek to, to leave the entry out.
        behind: Offset,
    },
    /// Nothing has come of a partition for a time. Reading goes on by itself when the cause is gone.
    Stalled {
        /// The partition.
        partition: TopicPartition,
        /// What keeps it from being read.
        cause: FetchCause,
        /// For how long.
        since: Duration,
    },
    /// A partition is read no further until somebody seeks or assigns it again.
    Failed {
        /// The partition.
        partition: TopicPartition,
        /// What has no remedy but another offset or other settings.
        cause: FetchCause,
    },
    /// What has passed was to be committed by
    /// [`ConsumerConfig::with_interval_commit`](crate::config::ConsumerConfig::with_interval_commit), and was not stored, or perhaps
    /// not. It is tried again at the next interval. Successes are not told.
    NotCommitted {
        /// The partitions whose offset was not stored, with the reason.
        failed: Vec<(TopicPartition, CommitCause)>,
    },
    /// A commit is over.
    Committed {
        /// The commit.
        id: CommitId,
        /// The partitions whose offset was not stored, or perhaps not, with the reason.
        failed: Vec<(TopicPartition, CommitCause)>,
    },
}

/// Why a partition is read from another offset than it was to be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetCause {
    /// The log does not have the offset, or no longer.
    OutOfRange(Offset),
    /// The group has committed nothing.
    NothingCommitted {
        /// The group.
        group: Text,
    },
    /// All of the log is younger than the time that was asked for.
    NothingSoEarly,
}

/// Why a partition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchCause {
    /// The broker has answered with this code.
    Refused {
        /// The broker. `None` if it was looked for by the cluster.
        node: Option<NodeId>,
        /// The code, also if Kafka 0.8 does not know it.
        code: ErrorCode,
    },
    /// There is no offset to start from.
    Lost(ResetCause),
    /// The message at this offset is larger than a response can be. Raise the limit of a frame (`Limits::max_frame`), or seek
    /// past it.
    TooLarge {
        /// The offset of the message, or in front of it.
        offset: Offset,
        /// The size of its entry in bytes. `None` if it is not known.
        needed: Option<usize>,
        /// The most that can be asked for.
        cap: usize,
    },
    /// There was no answer, the answer cannot be used, or nobody could be asked.
    Attempt(Cause),
}

/// Why the offset of a partition was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitCause {
    /// The broker has answered with this code.
    Refused(ErrorCode),
    /// There was no answer, the answer cannot be used, or nobody could be asked. The offset may have been stored.
    Attempt(Cause),
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(offset) => write!(f, "the log does not have offset {offset}"),
            Self::NothingCommitted { group } => write!(f, "group {group} has committed nothing"),
            Self::NothingSoEarly => f.write_str("all of the log is younger than the time that was asked for"),
        }
    }
}

impl fmt::Display for FetchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { node: Some(node), code } => {
                write!(f, "broker {node} has answered with {code}: {}", code.advice())
            }
            Self::Refused { node: None, code } => {
                write!(f, "the broker has answered with {code}: {}", code.advice())
            }
            Self::Lost(why) => write!(f, "{why}: seek to another offset, or set a reset"),
            Self::TooLarge { offset, needed, cap } => {
                write!(f, "the message at offset {offset} ")?;
                match needed {
                    Some(needed) => write!(f, "has {needed} bytes")?,
                    None => f.write_str("does not fit")?,
                }
                write!(f, ", and a response can have {cap}: raise Limits::max_frame, or seek past it")
            }
            Self::Attempt(cause) => write_attempt(f, cause),
        }
    }
}

impl std::error::Error for FetchCause {}

/// A consumer asks nothing else that an old release does not know.
fn write_attempt(f: &mut fmt::Formatter<'_>, cause: &Cause) -> fmt::Result {
    write!(f, "{cause}")?;
    match cause {
        Cause::Release { .. } => f.write_str(
            "; Kafka keeps offsets itself since 0.8.2, and in ZooKeeper since 0.8.1 (OffsetStore::ZooKeeper)",
        ),
        _ => Ok(()),
    }
}

impl fmt::Display for CommitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the broker has answered with {code}: {}", code.advice()),
            Self::Attempt(cause) => write_attempt(f, cause),
        }
    }
}

impl std::error::Error for CommitCause {}
