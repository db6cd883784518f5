//! Requests that are legal on the wire and should not be sent.

use std::fmt;

use super::ByTopic;
use crate::{
    ids::{Api, Millis, ReplicaId, Text, TopicPartition},
    message::Codec,
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
    /// A slash in the name of a group whose offsets are kept in ZooKeeper, where the name is part of a path.
    GroupName(Text),
    /// A partition stands in the request twice: the broker keeps the last one and drops the other silently.
    DuplicatePartition(TopicPartition),
    /// A produce, or a compressed set in it, has no message for a partition: the broker answers without an error, and
    /// nothing was written.
    EmptyMessageSet(TopicPartition),
    /// A produced set, or a compressed set in it, ends in the middle of a message: the broker drops that message without an
    /// error.
    CutMessageSet(TopicPartition),
    /// A produced set, or a compressed set in it, holds an entry that is not a valid message. A broker does not look at the checksums
    /// inside a compressed set, and consumers fail on them.
    CorruptMessageSet(TopicPartition),
    /// A produced set is compressed by a codec that the broker's release does not have.
    CodecNotKnown {
        /// Where it would go.
        to: TopicPartition,
        /// The codec.
        codec: Codec,
        /// The release.
        profile: Profile,
    },
    /// A compressed set was not looked into: it becomes too large, or holds compressed sets too deep. Whether the broker
    /// would drop something of it is not known.
    NotInspected {
        /// Where it would go.
        to: TopicPartition,
        /// `Limits::max_inflated`.
        max_inflated: usize,
    },
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
    /// A produce timeout below zero. Where replicas are waited for, 0.8.0 and 0.8.1 wait for ever, and 0.8.2 answers at once
    /// with [`ErrorCode::REQUEST_TIMED_OUT`](crate::error_code::ErrorCode::REQUEST_TIMED_OUT) and keeps the messages.
    NegativeTimeout(Millis),
    /// The broker could hold the answer back for longer than [`MAX_WAIT`], and all that is sent behind it.
    WaitTooLong(Millis),
    /// The `min_bytes` of a fetch are more than all its `max_bytes`: brokers before 0.8.2 would wait the whole `max_wait`
    /// each time.
    MinBytesOutOfReach {
        /// What the broker would wait for.
        min_bytes: i32,
        /// All that it may send.
        max_bytes: u64,
    },
    /// A replica id that is no client's: the leader would count this client as a replica. 0.8.0 does so below -2, too.
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
    /// The problem of a request that is implemented outside this crate, in its own words.
    Other(String),
}

/// The longest that a request may have its broker wait: 10 minutes. Brokers of 0.8.2 close a connection on which nothing has
/// arrived for so long (`connections.max.idle.ms`), even while they owe an answer.
pub const MAX_WAIT: Millis = Millis(600_000);

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
                write!(
                    f,
                    "{profile} does not know {api}: use what it knows, or set the profile if the broker is newer (a probe \
                     tells)"
                )
            }
            Self::NoGroup => {
                f.write_str("the group has no name, and offsets would be stored where nobody finds them: name it")
            }
            Self::GroupName(group) => write!(
                f,
                "\"{group}\" has a slash, and would be a path in ZooKeeper that other tools do not find: use another name"
            ),
            Self::DuplicatePartition(tp) => {
                write!(
                    f,
                    "{tp} is in the request twice, and the broker would keep only one: merge them or send two requests"
                )
            }
            Self::EmptyMessageSet(_)
            | Self::CutMessageSet(_)
            | Self::CorruptMessageSet(_)
            | Self::CodecNotKnown { .. }
            | Self::NotInspected { .. }
            | Self::MessageTooLarge { .. } => self.fmt_set(f),
            Self::TopicName { topic, problem } => write!(f, "\"{topic}\" cannot be a topic's name: {problem}"),
            Self::NoTopics => f.write_str(
                "no topics are named, which on the wire asks for all of them: say Topics::All if that is meant",
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
    /// What is wrong with a message set.
    fn fmt_set(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, is empty, which a broker answers without an error: \
                 leave it out"
            ),
            Self::CutMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, ends in the middle of a message, which the broker would \
                 drop silently: send whole entries only"
            ),
            Self::CorruptMessageSet(tp) => write!(
                f,
                "the message set for {tp}, or a compressed set in it, holds an entry that is not a valid message: build \
                 it anew"
            ),
            Self::CodecNotKnown { to, codec, profile } => {
                write!(
                    f,
                    "the message set for {to} is compressed by {codec}, which {profile} cannot read: use gzip or snappy"
                )
            }
            Self::NotInspected { to, max_inflated } => write!(
                f,
                "a compressed set for {to} was not looked into, because it becomes more than {max_inflated} bytes or is nested \
                 too deep: raise Limits::max_inflated, or send it unchecked"
            ),
            Self::MessageTooLarge { to, entry, max } => write!(
                f,
                "a message for {to} takes {entry} bytes and the broker takes {max} (message.max.bytes): split it, or raise \
                 both the broker's setting and Limits::max_message"
            ),
            _ => Ok(()),
        }
    }

    /// What is wrong with a number.
    fn fmt_number(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeTimeout(t) => {
                write!(
                    f,
                    "a produce timeout of {t} ms makes 0.8.0 and 0.8.1 wait for ever, and 0.8.2 answer RequestTimedOut at once \
                     though the messages are in its log: use 0 or more"
                )
            }
            Self::WaitTooLong(wait) => write!(
                f,
                "a wait of {wait} ms would hold up all that is sent behind it, and brokers of 0.8.2 close a connection after \
                 {MAX_WAIT} ms without a request: wait no longer than that"
            ),
            Self::MinBytesOutOfReach { min_bytes, max_bytes } => write!(
                f,
                "min_bytes of {min_bytes} are more than all max_bytes, which are {max_bytes}, so that the broker would always \
                 wait the whole max_wait: lower min_bytes or raise max_bytes"
            ),
            Self::BrokerReplicaId(id) => write!(
                f,
                "replica id {id} is no client's, and would make the leader count this client as a replica: use \
                 ReplicaId::CONSUMER"
            ),
            Self::NegativeMaxBytes(tp) => {
                write!(f, "max_bytes for {tp} is negative, which every broker answers with an error: use 0 or more")
            }
            Self::FetchTooLarge { total, max } => write!(
                f,
                "the answer could hold {total} bytes, more than the frame limit of {max}: lower max_bytes, fetch fewer \
                 partitions at once, or raise Limits::max_frame"
            ),
            _ => Ok(()),
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

impl std::error::Error for NameProblem {}

/// Checks a topic's name by the rules of 0.8.2 (`kafka.common.Topic`), which every later release keeps: 1 to 255 of
/// `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`.
///
/// Each request checks the names in it before it is sent. Use this where a name comes in, as from a configuration.
///
/// ```
/// use kafka08_proto::api::{NameProblem, check_topic_name};
///
/// assert_eq!(check_topic_name("access-log"), Ok(()));
/// assert_eq!(check_topic_name("access log"), Err(NameProblem::Character(' ')));
/// ```
///
/// # Errors
/// The first of the rules that it breaks.
pub fn check_topic_name(name: &str) -> Result<(), NameProblem> {
    match name {
        // Why a name is wrong is looked for only if it is.
        _ if is_sound(name.as_bytes()) => Ok(()),
        "" => Err(NameProblem::Empty),
        "." | ".." => Err(NameProblem::Dots),
        _ => match name.chars().find(|&c| !u8::try_from(c).is_ok_and(is_allowed)) {
            Some(c) => Err(NameProblem::Character(c)),
            None => Err(NameProblem::TooLong),
        },
    }
}

/// [`check_topic_name`] of a request's topic.
pub(super) fn check_name(topic: &Text) -> Result<(), RequestProblem> {
    // Nearly every name is sound, and bytes are looked at faster than characters.
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

/// Refuses partitions that stand twice, of which the broker would drop one, and names that are no topic's.
pub(super) fn check_topics<T>(topics: &ByTopic<T>) -> Result<(), RequestProblem> {
    // A broker reads the request into a map, where the later one replaces the earlier without a word.
    if let Some(twice) = topics.duplicate() {
        return Err(RequestProblem::DuplicatePartition(twice));
    }
    topics.topics().iter().try_for_each(|group| check_name(&group.topic))
}

/// Refuses what holds up a connection for longer than a broker keeps it.
pub(super) fn check_wait(wait: Millis) -> Result<(), RequestProblem> {
    // Brokers of 0.8.2 close connections that were silent for ten minutes, also while they owe an answer.
    if wait > MAX_WAIT { Err(RequestProblem::WaitTooLong(wait)) } else { Ok(()) }
}

/// Refuses the replica ids of brokers, and those that some release takes for a broker's.
pub(super) fn check_replica(id: ReplicaId) -> Result<(), RequestProblem> {
    if id.is_client() { Ok(()) } else { Err(RequestProblem::BrokerReplicaId(id)) }
}

/// Refuses a group without a name.
pub(super) fn check_group(group: &Text) -> Result<(), RequestProblem> {
    if group.is_empty() { Err(RequestProblem::NoGroup) } else { Ok(()) }
}

/// Refuses a group without a name, or whose name is none of a node in ZooKeeper.
pub(super) fn check_zookeeper_group(group: &Text) -> Result<(), RequestProblem> {
    check_group(group)?;
    // The group is part of a path in ZooKeeper: /consumers/GROUP/offsets.
    if group.contains('/') { Err(RequestProblem::GroupName(group.clone())) } else { Ok(()) }
}
