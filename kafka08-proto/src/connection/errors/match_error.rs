//! A response that is not the one that is due.

use std::fmt;

use crate::ids::CorrelationId;

/// A response whose correlation id is not that of the request that is to be answered next. A 0.8 broker answers in order, so
/// nothing behind this response can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchError {
    /// No request with this id waits for a response. It was never sent, was answered already, or has no response.
    Unknown {
        /// The id of the response.
        got: CorrelationId,
        /// The id of the request that is to be answered next.
        expected: CorrelationId,
    },
    /// The request waits for a response, but another request is to be answered first.
    OutOfOrder {
        /// The id of the response.
        got: CorrelationId,
        /// The id of the request that is to be answered next.
        expected: CorrelationId,
    },
    /// No request waits for a response.
    Unsolicited {
        /// The id of the response.
        got: CorrelationId,
    },
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { got, expected } => {
                write!(
                    f,
                    "the response to request {expected:?} was due, but a response to request {got:?} came, which waits for none"
                )
            }
            Self::OutOfOrder { got, expected } => {
                write!(
                    f,
                    "the response to request {expected:?} was due, but the response to request {got:?} came first"
                )
            }
            Self::Unsolicited { got } => {
                write!(f, "a response to request {got:?} came, but no request waits for a response")
            }
        }
    }
}

impl std::error::Error for MatchError {}
