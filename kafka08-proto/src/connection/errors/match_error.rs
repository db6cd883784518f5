//! A response that answers something else than what is due.

use std::fmt;

use crate::ids::CorrelationId;

/// A response whose correlation id is not that of the request first in line. A 0.8 broker answers in order, so the stream
/// has lost its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchError {
    /// No such request is waiting: it was never sent, was answered already, or wants no answer.
    Unknown {
        /// The id that came.
        got: CorrelationId,
        /// The id that was due.
        expected: CorrelationId,
    },
    /// The request is waiting, but another one is due first.
    OutOfOrder {
        /// The id that came.
        got: CorrelationId,
        /// The id that was due.
        expected: CorrelationId,
    },
    /// No request is waiting at all.
    Unsolicited {
        /// The id that came.
        got: CorrelationId,
    },
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { got, expected } => {
                write!(f, "a response to request {got:?}, which is not waiting, came where {expected:?} was due")
            }
            Self::OutOfOrder { got, expected } => {
                write!(f, "a response to request {got:?} came before that to {expected:?}")
            }
            Self::Unsolicited { got } => write!(f, "a response to request {got:?} came, and none was due"),
        }
    }
}

impl std::error::Error for MatchError {}
