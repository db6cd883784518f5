//! Why records were not delivered.

use std::{fmt, sync::Arc, time::Duration};

use kafka08_proto::{
    error_code::ErrorCode,
    fate::Fate,
    ids::{NodeId, TopicPartition},
    message::MissingFeature,
};

use crate::error::Cause;

/// Why records were not delivered, and what is known of them.
///
/// If [`ProduceError::fate`] is [`Fate::NotApplied`], no broker has stored the records, and none will: they can be sent
/// again without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProduceError {
    /// Where the records were to be stored.
    pub to: TopicPartition,
    /// Why the last attempt has failed, or why there are no more.
    pub cause: ProduceCause,
    /// How many times the records were sent.
    pub attempts: u32,
    /// Whether a broker may have stored the records: the worst of all attempts.
    pub fate: Fate,
}

/// Why an attempt to deliver records has failed, or why there are no more attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProduceCause {
    /// The broker has answered with this code.
    Refused {
        /// The broker.
        node: NodeId,
        /// The code, also if Kafka 0.8 does not know it.
        code: ErrorCode,
    },
    /// There was no answer, the answer cannot be used, or no request could be sent.
    Attempt(Cause),
    /// The delivery timeout of the batch has passed.
    Expired {
        /// The delivery timeout.
        after: Duration,
        /// What has kept the batch from being delivered. `None` if it has waited for the batches before it, or for its
        /// first answer.
        last: Option<Arc<Self>>,
    },
    /// The producer was closed, and the time for closing it has passed.
    Aborted,
    /// The batch cannot be compressed.
    Codec(MissingFeature),
}

impl ProduceCause {
    /// What to do, as a phrase that can follow a colon.
    fn advice(&self) -> &'static str {
        match self {
            Self::Refused { code: ErrorCode::MESSAGE_SIZE_TOO_LARGE, .. } => {
                "make the record smaller, or raise message.max.bytes of the brokers and replica.fetch.max.bytes with it"
            }
            Self::Refused { code, .. } => code.advice(),
            Self::Attempt(_) => {
                "look into the log of the broker, and send the records again if they may be stored twice"
            }
            Self::Expired { .. } => "remove the cause, or set a longer delivery timeout",
            Self::Aborted => "allow more time when closing, or flush before",
            Self::Codec(_) => "enable the feature of that name, or use another codec",
        }
    }
}

impl fmt::Display for ProduceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { node, code } => write!(f, "broker {node} has answered with {code}"),
            Self::Attempt(cause) => write!(f, "{cause}"),
            Self::Expired { after, last: None } => write!(f, "the delivery timeout of {after:?} has passed"),
            Self::Expired { after, last: Some(last) } => {
                write!(f, "the delivery timeout of {after:?} has passed; before that, {last}")
            }
            Self::Aborted => f.write_str("the producer was closed before they were delivered"),
            Self::Codec(missing) => write!(f, "this build cannot compress with {}", missing.0),
        }
    }
}

impl fmt::Display for ProduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, cause, attempts, fate } = self;
        let times = if *attempts == 1 { "attempt" } else { "attempts" };
        let stored = match fate {
            Fate::NotApplied => "no broker has stored them",
            Fate::MaybeApplied => "a broker may have stored them",
        };
        write!(f, "records for {to} were not delivered: {cause} ({attempts} {times}, {stored}): {}", cause.advice())
    }
}

impl std::error::Error for ProduceError {}
