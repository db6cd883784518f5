//! Why a client's request has ended without a response.

use std::{fmt, time::Duration};

use super::CloseReason;
use crate::connection::Disconnect;

/// Why a request has ended without a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The deadline of the request has passed. The connection can be used again once the late response has arrived.
    TimedOut {
        /// The time from the call that sent the request until the deadline was handled. The time that the broker may wait is
        /// included.
        after: Duration,
    },
    /// The connection has ended.
    Closed(CloseReason),
}

impl RequestError {
    /// Whether the transport has failed, so that the system has reported an error.
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
