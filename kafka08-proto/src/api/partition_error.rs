//! The errors of one partition: a response reports no success for it, or metadata names no leader of it.

use std::fmt;

use super::ByTopic;
use crate::{
    error_code::{ErrorCode, Retry},
    ids::{ApiKey, NodeId, PartitionId, TopicPartition},
};

/// A response reports no success for a partition.
///
/// The error names the partition and says what to do next, so it can be passed on without further context.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionError {
    /// The partition.
    pub of: TopicPartition,
    /// The API of the request.
    pub api: ApiKey,
    /// What the response says of the partition.
    pub problem: PartitionProblem,
}

/// What a response says of a partition for which it reports no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionProblem {
    /// The broker sent this error code.
    Refused(ErrorCode),
    /// The broker left the partition out. What the request was to append or store may or may not have been appended or
    /// stored.
    Missing,
}

impl PartitionError {
    /// Whether the same request may succeed when it is sent again after a pause.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.problem {
            PartitionProblem::Refused(code) => code.retry(),
            PartitionProblem::Missing => Retry::Limited,
        }
    }
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, api, problem } = self;
        match problem {
            PartitionProblem::Refused(code) => write!(f, "{api} for {of} failed with {code}: {}", code.advice()),
            PartitionProblem::Missing => {
                write!(f, "the {api} response does not list {of}: if the request did, ")?;
                f.write_str(match *api {
                    ApiKey::PRODUCE => {
                        "the messages may have been appended or not; send them again if a duplicate does no harm"
                    }
                    // Version 1 sent to 0.8.1 is answered with an empty list.
                    ApiKey::OFFSET_COMMIT => {
                        "the offset was not stored, and the broker may be older than the profile says (the probe tells the \
                         release)"
                    }
                    ApiKey::OFFSET_FETCH => "look up the coordinator, because an offset may be committed all the same",
                    _ => "ask again",
                })
            }
        }
    }
}

impl std::error::Error for PartitionError {}

/// What a response says of one partition.
pub(super) trait Outcome {
    /// The error code of the partition.
    fn code(&self) -> ErrorCode;
}

impl Outcome for ErrorCode {
    fn code(&self) -> ErrorCode {
        *self
    }
}

impl<T> ByTopic<T> {
    /// The item of a partition in a response of `api`, if the item is there and its code is no error.
    pub(super) fn success(
        &self,
        api: ApiKey,
        topic: &str,
        partition: impl Into<PartitionId>,
    ) -> Result<&T, PartitionError>
    where
        T: Outcome,
    {
        let partition = partition.into();
        // A missing partition differs from a refused one: its fate is not known.
        let problem = match self.find(topic, partition) {
            Some(item) if item.code().is_ok() => return Ok(item),
            Some(item) => PartitionProblem::Refused(item.code()),
            None => PartitionProblem::Missing,
        };
        Err(PartitionError { of: TopicPartition::new(topic, partition), api, problem })
    }
}

/// Metadata names no broker to which a partition's requests can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaderError {
    /// The partition.
    pub of: TopicPartition,
    /// What the metadata says of the partition.
    pub problem: LeaderProblem,
}

/// What metadata says of a partition for which it names no leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaderProblem {
    /// The topic is not listed. Either the request did not name it, or the request asked for all topics and this topic
    /// does not exist (yet).
    TopicMissing,
    /// The broker sent this error code for the topic, and lists no partitions.
    TopicRefused(ErrorCode),
    /// The topic is listed, but has no such partition.
    NoSuchPartition,
    /// The partition has no leader. The broker's code says why.
    NoLeader(ErrorCode),
    /// The leader is a broker that is not listed.
    BrokerMissing(NodeId),
}

impl LeaderError {
    /// Whether metadata may name a leader when it is asked for again after a pause.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.problem {
            LeaderProblem::TopicRefused(code) => code.retry(),
            // This broker may not know yet of a topic that was just created. A topic that was never created stays
            // missing.
            LeaderProblem::TopicMissing | LeaderProblem::NoSuchPartition => Retry::Limited,
            LeaderProblem::NoLeader(_) | LeaderProblem::BrokerMissing(_) => Retry::Yes,
        }
    }
}

impl fmt::Display for LeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, problem } = self;
        write!(f, "no leader is known for {of}: ")?;
        match problem {
            LeaderProblem::TopicMissing => f.write_str("the metadata does not list the topic; ask for it by its name"),
            LeaderProblem::TopicRefused(code) => write!(f, "the topic has {code}; {}", code.advice()),
            LeaderProblem::NoSuchPartition => {
                f.write_str("the topic has no such partition; check the number, or ask for metadata again")
            }
            LeaderProblem::NoLeader(ErrorCode::NONE) => {
                f.write_str("the partition has no leader now; ask for metadata again after a pause")
            }
            LeaderProblem::NoLeader(code) => write!(f, "the partition has {code}; {}", code.advice()),
            LeaderProblem::BrokerMissing(node) => {
                write!(
                    f,
                    "the leader is broker {node}, which the metadata does not list; ask for metadata again after a pause"
                )
            }
        }
    }
}

impl std::error::Error for LeaderError {}
