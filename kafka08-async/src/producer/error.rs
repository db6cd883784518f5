//! How sending and flushing fail.

use std::{fmt, sync::Arc, time::Duration};

use kafka08_client::{accumulator::AppendError, error::Unreachable};
use kafka08_proto::{error_code::ErrorCode, message::MessageSet};

use crate::sharing::in_millis;

/// Why a record was not appended. It was not sent, and will not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The record was refused.
    Refused(AppendError),
    /// The topic's partitions are still not known.
    NoTopic {
        /// The topic.
        topic: String,
        /// How long the call has waited.
        waited: Duration,
        /// What brokers have said of the topic last. `None` if they have said nothing.
        problem: Option<ErrorCode>,
        /// What happened at each address, if no broker can be reached.
        unreachable: Option<Arc<Unreachable>>,
    },
    /// The producer's task is gone: its runtime was shut down, or it has panicked.
    Ended,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "{error}"),
            Self::NoTopic { topic, waited, problem, unreachable } => {
                write!(f, "no broker has listed the partitions of {topic:?} within {:?}: ", in_millis(*waited))?;
                match (problem, unreachable) {
                    (_, Some(unreachable)) => write!(f, "{unreachable}"),
                    (Some(code), None) => write!(f, "the last answer was {code}: {}", code.advice()),
                    (None, None) => f.write_str("no answer has named it: look whether the brokers answer"),
                }
            }
            Self::Ended => f.write_str(
                "the producer's task has ended: its runtime was shut down, or the task has panicked; connect another producer",
            ),
        }
    }
}

impl std::error::Error for SendError {}

impl From<AppendError> for SendError {
    fn from(error: AppendError) -> Self {
        Self::Refused(error)
    }
}

/// Why a set was not appended, and the set.
#[derive(Clone)]
#[non_exhaustive]
pub struct SendSetError {
    /// The set.
    pub set: MessageSet,
    /// Why the set was not taken.
    pub error: SendError,
}

impl fmt::Debug for SendSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads are never told.
        f.debug_struct("SendSetError").field("error", &self.error).field("bytes", &self.set.len()).finish()
    }
}

impl fmt::Display for SendSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl std::error::Error for SendSetError {}

/// What was not delivered since the last flush. The deliveries of these records tell the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// Records that have failed.
    pub failed: u64,
    /// With acks 0: records that were written, and of which it is not known whether a broker has stored them.
    pub unconfirmed: u64,
    /// Whether the producer's task is gone, so that there may be more.
    pub is_cut: bool,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, unconfirmed, is_cut } = self;
        write!(f, "{failed} records were not delivered")?;
        if *unconfirmed > 0 {
            write!(f, ", and {unconfirmed} that were written with acks 0 are not confirmed")?;
        }
        if *is_cut {
            f.write_str(
                "; the producer's task has ended before it could tell all, because it was dropped or has panicked",
            )?;
        }
        f.write_str(": wait for the deliveries to learn the reasons")
    }
}

impl std::error::Error for Undelivered {}
