//! Why a request of a client has ended without an answer.

use std::{fmt, time::Duration};

use super::CloseReason;
use crate::connection::Disconnect;

/// Why a request has ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// Its deadline has passed. The connection may still be sound: a late answer makes it so again.
    TimedOut {
        /// The time that it had, from the call that sent it. What the broker may rightly wait is included.
        after: Duration,
    },
    /// The connection has ended.
    Closed(CloseReason),
}

impl RequestError {
    /// Whether the system has said something about it.
    pub(crate) fn is_of_transport(&self) -> bool {
        matches!(self, Self::Closed(CloseReason::Disconnected { how: Disconnect::Error(_), .. }))
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { after } => write!(f, "it timed out after {after:?}"),
            Self::Closed(reason) => fmt::Display::fmt(reason, f),
        }
    }
}

impl std::error::Error for RequestError {}
