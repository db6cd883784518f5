//! Requests that are legal on the wire and should not be sent.

use std::fmt;

use crate::{
    ids::{Api, Millis, ReplicaId, Text, TopicPartition},
    profile::Profile,
};

/// Why a request was refused before anything was sent.
///
/// A broker would take it, and lose data, hang, or spoil other topics. Mend the request; `Prepared::raw` still sends
/// anything, for those who test or mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestProblem {
    /// The release at the other end does not know this request: it would close the connection, and every request on it would
    /// be lost; or it would read it as something else.
    NotKnown {
        /// The request.
        api: Api,
        /// The release.
        profile: Profile,
    },
    /// The group has no name.
    NoGroup,
    /// A partition stands in the request twice: the broker keeps the last one and drops the other silently.
    DuplicatePartition(TopicPartition),
    /// A produce has no message for a partition: the broker answers without an error, and nothing was written.
    EmptyMessageSet(TopicPartition),
    /// A produced set ends in the middle of a message: the broker drops that message without an error.
    CutMessageSet(TopicPartition),
    /// A produced set holds an entry that is no message.
    CorruptMessageSet(TopicPartition),
    /// A produced message is larger than the broker takes.
    MessageTooLarge {
        /// Where it would go.
        to: TopicPartition,
        /// Its entry's size in bytes: 12 and the message.
        entry: usize,
        /// `Limits::max_message`.
        max: usize,
    },
    /// A topic name that no broker takes: in Metadata it spoils the answer for every other topic.
    TopicName {
        /// The name.
        topic: Text,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A Metadata request names no topics, which on the wire asks for all of them: say `Topics::All`.
    NoTopics,
    /// A produce timeout below zero: the broker would wait for its replicas for ever.
    NegativeTimeout(Millis),
    /// A replica id of a broker: the leader would count this client as a replica.
    BrokerReplicaId(ReplicaId),
    /// A negative `max_bytes`: every release answers it with an error.
    NegativeMaxBytes(TopicPartition),
    /// The answer to a fetch could be larger than the frame limit, which would end the connection.
    FetchTooLarge {
        /// The length of the largest answer in bytes: every `max_bytes`, and what stands around the messages.
        total: u64,
        /// `Limits::max_frame`.
        max: usize,
    },
}

/// What is wrong with a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameProblem {
    /// It is empty.
    Empty,
    /// It has more than 255 characters.
    TooLong,
    /// It is "." or "..", which name directories.
    Dots,
    /// A character other than `a-z A-Z 0-9 . _ -`.
    Character(char),
}

impl fmt::Display for RequestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKnown { api, profile } => {
                write!(f, "{profile} does not know {api}: use what it knows, or set the profile if the broker is newer")
            }
            Self::NoGroup => f.write_str("the group has no name, and offsets would be stored where nobody finds them"),
            Self::DuplicatePartition(tp) => {
                write!(
                    f,
                    "{tp} is in the request twice, and the broker would keep only one: merge them or send two requests"
                )
            }
            Self::EmptyMessageSet(tp) => {
                write!(f, "the message set for {tp} is empty, which a broker answers without an error: leave it out")
            }
            Self::CutMessageSet(tp) => {
                write!(
                    f,
                    "the message set for {tp} ends in the middle of a message, which the broker would drop silently"
                )
            }
            Self::CorruptMessageSet(tp) => write!(f, "the message set for {tp} holds an entry that is no message"),
            Self::MessageTooLarge { to, entry, max } => write!(
                f,
                "a message for {to} takes {entry} bytes and the broker takes {max} (message.max.bytes): split it, or raise \
                 both the broker's setting and Limits::max_message"
            ),
            Self::TopicName { topic, problem } => write!(f, "\"{topic}\" cannot be a topic's name: {problem}"),
            Self::NoTopics => f.write_str(
                "no topics are named, which on the wire asks for all of them: say Topics::All if that is meant",
            ),
            Self::NegativeTimeout(t) => {
                write!(f, "a produce timeout of {t} ms would make the broker wait for ever: use 0 or more")
            }
            Self::BrokerReplicaId(id) => write!(
                f,
                "replica id {id} is a broker's, and would make the leader count this client as a replica: use \
                 ReplicaId::CONSUMER"
            ),
            Self::NegativeMaxBytes(tp) => write!(f, "max_bytes for {tp} is negative, which no broker takes"),
            Self::FetchTooLarge { total, max } => write!(
                f,
                "the answer could hold {total} bytes, more than the frame limit of {max}: lower max_bytes, fetch fewer \
                 partitions at once, or raise Limits::max_frame"
            ),
        }
    }
}

impl std::error::Error for RequestProblem {}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => f.write_str("it has more than 255 characters"),
            Self::Dots => f.write_str("\".\" and \"..\" are directories"),
            Self::Character(c) => write!(f, "{c:?} is none of a-z A-Z 0-9 . _ -"),
        }
    }
}

/// Checks a topic name by the rules of 0.8.2 (`kafka.common.Topic`), which every later release keeps.
pub(super) fn check_name(topic: &Text) -> Result<(), RequestProblem> {
    const MAX: usize = 255;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let problem = match topic.as_str() {
        "" => NameProblem::Empty,
        "." | ".." => NameProblem::Dots,
        name => match name.chars().find(|&c| !allowed(c)) {
            Some(c) => NameProblem::Character(c),
            None if name.len() > MAX => NameProblem::TooLong,
            None => return Ok(()),
        },
    };
    Err(RequestProblem::TopicName { topic: topic.clone(), problem })
}

/// Refuses the replica ids of brokers.
pub(super) fn check_replica(id: ReplicaId) -> Result<(), RequestProblem> {
    if id.0 < 0 { Ok(()) } else { Err(RequestProblem::BrokerReplicaId(id)) }
}

/// Refuses a group that is null or empty.
pub(super) fn check_group(group: Option<&Text>) -> Result<(), RequestProblem> {
    match group {
        Some(group) if !group.is_empty() => Ok(()),
        _ => Err(RequestProblem::NoGroup),
    }
}
