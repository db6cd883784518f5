//! Requests that are legal on the wire but should not be sent, and the checks that find them.

use std::fmt;

use super::ByTopic;
use crate::{
    ids::{Api, Millis, ReplicaId, Text, TopicPartition},
    message::Codec,
    profile::Profile,
};

/// A request was refused before anything was sent.
///
/// A broker that received the request could lose data, hang, or fail the other topics of the request. Correct the
/// request. `Prepared::raw` sends any request unchecked, for tests and mirrors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestProblem {
    /// The broker's release does not know the request. The broker would either close the connection, which loses every
    /// request on it, or read the request as something else.
    NotKnown {
        /// The key and version of the request.
        api: Api,
        /// The broker's release.
        profile: Profile,
    },
    /// The group has no name.
    NoGroup,
    /// The group's name has a slash. The group's offsets are kept in ZooKeeper, where the name is part of a path.
    GroupName(Text),
    /// A partition is in the request twice. The broker keeps the last entry and silently drops the other.
    DuplicatePartition(TopicPartition),
    /// A produced set, or a compressed set in it, has no message. The broker answers without an error and writes
    /// nothing.
    EmptyMessageSet(TopicPartition),
    /// A produced set, or a compressed set in it, ends in the middle of a message. The broker drops that message
    /// without an error.
    CutMessageSet(TopicPartition),
    /// A produced set, or a compressed set in it, has an entry that is not a valid message. A broker does not compare
    /// the checksums inside a compressed set, and consumers fail on a wrong one.
    CorruptMessageSet(TopicPartition),
    /// A produced set is compressed with a codec that the broker's release does not have.
    CodecNotKnown {
        /// The partition to which the messages would go.
        to: TopicPartition,
        /// The codec.
        codec: Codec,
        /// The broker's release.
        profile: Profile,
    },
    /// A compressed set was not inspected, because it expands to too many bytes or is nested too deeply. It is not
    /// known whether the broker would drop part of it.
    NotInspected {
        /// The partition to which the messages would go.
        to: TopicPartition,
        /// The value of `Limits::max_inflated`.
        max_inflated: usize,
    },
    /// A produced message is larger than the broker accepts.
    MessageTooLarge {
        /// The partition to which the messages would go.
        to: TopicPartition,
        /// The size of the message's entry, in bytes: 12 and the message.
        entry: usize,
        /// The value of `Limits::max_message`.
        max: usize,
    },
    /// No broker accepts the topic name. In a Metadata request, such a name fails every other topic too.
    TopicName {
        /// The name.
        topic: Text,
        /// The problem with the name.
        problem: NameProblem,
    },
    /// A Metadata request names no topics, which on the wire asks for all topics. Use `Topics::All` to ask for all.
    NoTopics,
    /// The timeout of a produce is negative. If acks is neither 0 nor 1, 0.8.0 and 0.8.1 wait for ever, and 0.8.2
    /// answers at once with [`ErrorCode::REQUEST_TIMED_OUT`](crate::error_code::ErrorCode::REQUEST_TIMED_OUT) and keeps
    /// the messages.
    NegativeTimeout(Millis),
    /// The broker could wait for longer than [`MAX_WAIT`] before it answers the request, and all requests behind it.
    WaitTooLong(Millis),
    /// The `min_bytes` of a fetch is more than all its `max_bytes` together. Brokers before 0.8.2 would wait for the
    /// whole `max_wait` each time.
    MinBytesOutOfReach {
        /// The number of bytes that the broker would wait for.
        min_bytes: i32,
        /// The number of bytes that the broker may send.
        max_bytes: u64,
    },
    /// The replica id is not that of a client. The leader would count this client as a replica. 0.8.0 also counts ids
    /// below -2 as replicas.
    BrokerReplicaId(ReplicaId),
    /// A `max_bytes` is negative, which every release answers with an error.
    NegativeMaxBytes(TopicPartition),
    /// The response to a fetch could be larger than the frame limit. Such a response would end the connection.
    FetchTooLarge {
        /// The length of the largest possible response, in bytes: every `max_bytes`, and the fields around the
        /// messages.
        total: u64,
        /// The value of `Limits::max_frame`.
        max: usize,
    },
    /// A problem of a request that is implemented outside of this crate, in words of that implementation.
    Other(String),
}

/// The longest time that a request may let the broker wait: 10 minutes. Brokers of 0.8.2 close a connection on which
/// nothing has arrived for this time (`connections.max.idle.ms`), even if a response is due.
pub const MAX_WAIT: Millis = Millis(600_000);

/// The problem with a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameProblem {
    /// The name is empty.
    Empty,
    /// The name has more than 255 characters.
    TooLong,
    /// The name is "." or "..", which are names of directories.
    Dots,
    /// The name has a character other than `a-z A-Z 0-9 . _ -`.
    Character(char),
}

impl fmt::Display for RequestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKnown { api, profile } => {
                write!(
                    f,
                    "{profile} does not know {api}: use a request that it knows, or set another profile if the broker \
                     is newer (a probe finds the release)"
                )
            }
            Self::NoGroup => {
                f.write_str("the group has no name, and nobody would find its offsets: give the group a name")
            }
            Self::GroupName(group) => write!(
                f,
                "the group \"{group}\" has a slash in its name, and its offsets would be stored in ZooKeeper where other tools do \
                 not find them: use another name"
            ),
            Self::DuplicatePartition(tp) => {
                write!(
                    f,
                    "{tp} is in the request twice, and the broker would keep only the last entry: merge the entries, \
                     or send two requests"
                )
            }
            Self::EmptyMessageSet(_)
            | Self::CutMessageSet(_)
            | Self::CorruptMessageSet(_)
            | Self::CodecNotKnown { .. }
            | Self::NotInspected { .. }
            | Self::MessageTooLarge { .. } => self.fmt_set(f),
            Self::TopicName { topic, problem } => write!(f, "the topic \"{topic}\" is refused: {problem}"),
            Self::NoTopics => f.write_str(
                "the request names no topics, which on the wire asks for all topics: use Topics::All if you mean that",
            ),
            Self::NegativeTimeout(_)
            | Self::WaitTooLong(_)
            | Self::MinBytesOutOfReach { .. }
            | Self::BrokerReplicaId(_)
            | Self::NegativeMaxBytes(_)
            | Self::FetchTooLarge { .. } => self.fmt_number(f),
            Self::Other(problem) => f.write_str(problem),
        }
    }
}

impl RequestProblem {
    /// Writes the problem with a message set.
    fn fmt_set(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, is empty, and a broker would answer without an \
                 error: leave the set out"
            ),
            Self::CutMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, ends in the middle of a message, which the \
                 broker would drop silently: send only complete entries"
            ),
            Self::CorruptMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, has an entry that is not a valid message: build \
                 the set again"
            ),
            Self::CodecNotKnown { to, codec, profile } => {
                write!(
                    f,
                    "the message set for {to} is compressed with {codec}, which {profile} cannot read: use gzip or \
                     snappy"
                )
            }
            Self::NotInspected { to, max_inflated } => write!(
                f,
                "a compressed set for {to} was not inspected, because it expands to more than {max_inflated} bytes or \
                 is nested too deeply: raise Limits::max_inflated, or send the request unchecked"
            ),
            Self::MessageTooLarge { to, entry, max } => write!(
                f,
                "a message for {to} takes {entry} bytes, and the broker accepts {max} (message.max.bytes): split it, \
                 or raise both the broker's setting and Limits::max_message"
            ),
            _ => Ok(()),
        }
    }

    /// Writes the problem with a number.
    fn fmt_number(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeTimeout(t) => {
                write!(
                    f,
                    "with a produce timeout of {t} ms, 0.8.0 and 0.8.1 wait for ever, and 0.8.2 answers \
                     RequestTimedOut at once although the messages are in its log: use 0 or more"
                )
            }
            Self::WaitTooLong(wait) => write!(
                f,
                "a wait of {wait} ms would delay all requests behind it, and brokers of 0.8.2 close a connection after \
                 {MAX_WAIT} ms without a request: let the broker wait no longer than that"
            ),
            Self::MinBytesOutOfReach { min_bytes, max_bytes } => write!(
                f,
                "min_bytes is {min_bytes}, more than the sum of all max_bytes, which is {max_bytes}, so the broker would always \
                 wait the whole max_wait: lower min_bytes or raise max_bytes"
            ),
            Self::BrokerReplicaId(id) => write!(
                f,
                "replica id {id} is not that of a client, and would make the leader count this client as a replica: use \
                 ReplicaId::CONSUMER"
            ),
            Self::NegativeMaxBytes(tp) => {
                write!(f, "max_bytes for {tp} is negative, which every broker answers with an error: use 0 or more")
            }
            Self::FetchTooLarge { total, max } => write!(
                f,
                "the response could have {total} bytes, more than the frame limit of {max}: lower max_bytes, fetch \
                 fewer partitions at once, or raise Limits::max_frame"
            ),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for RequestProblem {}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic name must not be empty"),
            Self::TooLong => f.write_str("a topic name has at most 255 characters"),
            Self::Dots => f.write_str("a topic name must not be \".\" or \"..\", which are directories"),
            Self::Character(c) => write!(f, "a topic name consists of a-z A-Z 0-9 . _ - and must not contain {c:?}"),
        }
    }
}

impl std::error::Error for NameProblem {}

/// Checks a topic name by the rules of 0.8.2 (`kafka.common.Topic`), which every later release keeps. A name has 1 to
/// 255 of the characters `a-z A-Z 0-9 . _ -`, and is neither `.` nor `..`.
///
/// Produce, Fetch, ListOffsets, Metadata and OffsetCommit requests are checked for this before they are sent. Use this
/// function where a name enters the program, for example from a configuration.
///
/// ```
/// use kafka08_proto::api::{NameProblem, check_topic_name};
///
/// assert_eq!(check_topic_name("access-log"), Ok(()));
/// assert_eq!(check_topic_name("access log"), Err(NameProblem::Character(' ')));
/// ```
///
/// # Errors
/// Returns the first problem that was found.
pub fn check_topic_name(name: &str) -> Result<(), NameProblem> {
    match name {
        // The problem is looked for only if the name is not valid, because nearly every name is.
        _ if is_sound(name.as_bytes()) => Ok(()),
        "" => Err(NameProblem::Empty),
        "." | ".." => Err(NameProblem::Dots),
        _ => match name.chars().find(|&c| !u8::try_from(c).is_ok_and(is_allowed)) {
            Some(c) => Err(NameProblem::Character(c)),
            None => Err(NameProblem::TooLong),
        },
    }
}

/// Checks the topic name of a request by [`check_topic_name`].
pub(super) fn check_name(topic: &Text) -> Result<(), RequestProblem> {
    // Nearly every name is valid, and checking bytes is faster than checking characters.
    if is_sound(topic.as_bytes()) {
        return Ok(());
    }
    check_topic_name(topic).map_err(|problem| RequestProblem::TopicName { topic: topic.clone(), problem })
}

fn is_sound(name: &[u8]) -> bool {
    const MAX: usize = 255;
    (1..=MAX).contains(&name.len()) && name.iter().all(|&byte| is_allowed(byte)) && !matches!(name, b"." | b"..")
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Refuses a partition that is in the request twice, because the broker would drop one entry, and a topic name that is
/// not valid.
pub(super) fn check_topics<T>(topics: &ByTopic<T>) -> Result<(), RequestProblem> {
    // A broker reads the request into a map, where a later entry silently replaces an earlier one.
    if let Some(twice) = topics.duplicate() {
        return Err(RequestProblem::DuplicatePartition(twice));
    }
    topics.topics().iter().try_for_each(|group| check_name(&group.topic))
}

/// Refuses a wait that is longer than a broker keeps a silent connection.
pub(super) fn check_wait(wait: Millis) -> Result<(), RequestProblem> {
    // Brokers of 0.8.2 close a connection that was silent for ten minutes, even if a response is due.
    if wait > MAX_WAIT { Err(RequestProblem::WaitTooLong(wait)) } else { Ok(()) }
}

/// Refuses the replica ids of brokers, and ids that some release takes for the id of a broker.
pub(super) fn check_replica(id: ReplicaId) -> Result<(), RequestProblem> {
    if id.is_client() { Ok(()) } else { Err(RequestProblem::BrokerReplicaId(id)) }
}

/// Refuses a group without a name.
pub(super) fn check_group(group: &Text) -> Result<(), RequestProblem> {
    if group.is_empty() { Err(RequestProblem::NoGroup) } else { Ok(()) }
}

/// Refuses a group without a name, and a name that no node in ZooKeeper can have.
pub(super) fn check_zookeeper_group(group: &Text) -> Result<(), RequestProblem> {
    check_group(group)?;
    // The group is part of a path in ZooKeeper: /consumers/GROUP/offsets.
    if group.contains('/') { Err(RequestProblem::GroupName(group.clone())) } else { Ok(()) }
}
