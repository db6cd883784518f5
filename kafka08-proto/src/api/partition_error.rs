//! Why a response has nothing for a partition, in words that name the partition.

use std::fmt;

use super::ByTopic;
use crate::{
    error_code::{ErrorCode, Retry},
    ids::{ApiKey, NodeId, PartitionId, TopicPartition},
};

/// A partition for which a response brings no success.
///
/// It names the partition and says what to do next, so that it can be passed on as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionError {
    /// The partition.
    pub of: TopicPartition,
    /// The API that was asked.
    pub api: ApiKey,
    /// What the response says.
    pub problem: PartitionProblem,
}

/// What a response says of a partition for which it brings no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionProblem {
    /// The broker gave this code.
    Refused(ErrorCode),
    /// The broker left the partition out. What was to be appended or stored may have been or not.
    Missing,
}

impl PartitionError {
    /// Whether asking again, after a pause, may succeed.
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
                    ApiKey::PRODUCE => "the messages may have been appended or not",
                    // Version 1 sent to 0.8.1 is answered with an empty list.
                    ApiKey::OFFSET_COMMIT => {
                        "the offset was not stored, and the broker may be older than the profile says"
                    }
                    ApiKey::OFFSET_FETCH => "look up the coordinator; it does not mean that nothing is committed",
                    _ => "ask again",
                })
            }
        }
    }
}

impl std::error::Error for PartitionError {}

/// What a response says of one partition.
pub(super) trait Outcome {
    /// No error, or why there is nothing for the partition.
    fn code(&self) -> ErrorCode;
}

impl Outcome for ErrorCode {
    fn code(&self) -> ErrorCode {
        *self
    }
}

impl<T> ByTopic<T> {
    /// The item of a partition in a response of `api`, if it is there and its code is no error.
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
        // A partition that is left out is told apart from a refused one: its fate is not known.
        let problem = match self.find(topic, partition) {
            Some(item) if item.code().is_ok() => return Ok(item),
            Some(item) => PartitionProblem::Refused(item.code()),
            None => PartitionProblem::Missing,
        };
        Err(PartitionError { of: TopicPartition::new(topic, partition), api, problem })
    }
}

/// Why metadata names no broker to send a partition's requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaderError {
    /// The partition.
    pub of: TopicPartition,
    /// What the metadata says.
    pub problem: LeaderProblem,
}

/// What metadata says of a partition for which it names no leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaderProblem {
    /// The topic is not listed: it was not asked for, or all were and it does not exist (yet).
    TopicMissing,
    /// The broker gave this code for the topic, and lists no partitions.
    TopicRefused(ErrorCode),
    /// The topic is listed and has no such partition.
    NoSuchPartition,
    /// The partition has no leader; the broker's code says why.
    NoLeader(ErrorCode),
    /// The leader is a broker that is not listed.
    BrokerMissing(NodeId),
}

impl LeaderError {
    /// Whether asking for metadata again, after a pause, may bring a leader.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.problem {
            LeaderProblem::TopicRefused(code) => code.retry(),
            // A topic that was just created may not have reached this broker yet; one that never existed stays missing.
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
            LeaderProblem::NoSuchPartition => f.write_str("the topic has no such partition"),
            LeaderProblem::NoLeader(ErrorCode::NONE) => {
                f.write_str("the partition has none now; ask for metadata again after a pause")
            }
            LeaderProblem::NoLeader(code) => write!(f, "the partition has {code}; {}", code.advice()),
            LeaderProblem::BrokerMissing(node) => {
                write!(f, "it is broker {node}, which the metadata does not list; ask for metadata again after a pause")
            }
        }
    }
}

impl std::error::Error for LeaderError {}
