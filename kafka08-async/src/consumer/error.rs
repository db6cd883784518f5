//! How assigning, reading and committing fail.

use std::{fmt, time::Duration};

use kafka08_client::{
    consumer::{CommitCause, FetchCause},
    error::Cause,
};
use kafka08_proto::{
    api::NameProblem,
    ids::{Offset, TopicPartition},
    message::MessageError,
};

use crate::sharing::in_millis;

/// Why something was not assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignError {
    /// No broker accepts the name of the topic.
    Name {
        /// The topic.
        topic: String,
        /// What is wrong.
        problem: NameProblem,
    },
    /// The topic's partitions are still not known. It is not assigned.
    NoTopic {
        /// The topic.
        topic: String,
        /// How long the call has waited.
        waited: Duration,
        /// Why they are not known.
        cause: Box<Cause>,
    },
    /// Somebody else has assigned or unassigned the topic before its partitions were known. What they have said counts.
    Replaced {
        /// The topic.
        topic: String,
    },
    /// The consumer was closed, or its task is gone.
    Closed,
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { topic, problem } => write!(f, "{topic:?} cannot be a topic: {problem}"),
            Self::NoTopic { topic, waited, cause } => {
                write!(f, "no broker has listed the partitions of {topic:?} within {:?}: {cause}", in_millis(*waited))
            }
            Self::Replaced { topic } => {
                write!(f, "{topic:?} was assigned or unassigned by another caller, which counts: assign it once")
            }
            Self::Closed => f.write_str("the consumer is closed: connect another one"),
        }
    }
}

impl std::error::Error for AssignError {}

/// Why nothing more comes of a partition, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumeError {
    /// A partition is read no further, until it is assigned again or somebody seeks. The others go on.
    Failed {
        /// The partition.
        partition: TopicPartition,
        /// What has no remedy but another offset or other settings.
        cause: Box<FetchCause>,
    },
    /// A message cannot be read. [`MessageStream`](super::MessageStream) tells this, and goes on as
    /// [`ConsumerConfig::with_corrupt`](kafka08_client::config::ConsumerConfig::with_corrupt) says.
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// What is wrong, and the offset that the entry has by itself, which no checksum covers.
        error: MessageError,
        /// What to seek to, to leave the entry out.
        behind: Offset,
    },
    /// The consumer's task is gone: its runtime was shut down, or it has panicked.
    Ended,
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { partition, cause } => write!(f, "{partition} is read no further: {cause}"),
            Self::Corrupt { partition, error, behind } => {
                write!(f, "a message of {partition} cannot be read: {error}; seek to {behind} to leave it out")
            }
            Self::Ended => f.write_str(
                "the consumer's task has ended: its runtime was shut down, or the task has panicked; connect another consumer",
            ),
        }
    }
}

impl std::error::Error for ConsumeError {}

/// Why offsets were not committed, or perhaps not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitError {
    /// The partitions whose offset was not stored, or perhaps not, with the reason. The others were committed.
    pub failed: Vec<(TopicPartition, CommitCause)>,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the offsets of {} partitions were not committed", self.failed.len())?;
        for (n, (partition, cause)) in self.failed.iter().take(3).enumerate() {
            write!(f, "{} {partition}: {cause}", if n == 0 { ":" } else { ";" })?;
        }
        if self.failed.len() > 3 {
            f.write_str("; and so on")?;
        }
        Ok(())
    }
}

impl std::error::Error for CommitError {}
