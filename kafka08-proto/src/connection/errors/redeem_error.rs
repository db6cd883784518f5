//! Why a response could not be redeemed.

use std::fmt;

use super::PROBE_IT;
use crate::{connection::ResponseFrame, fate::Fate, wire::DecodeError};

/// Why a response could not be redeemed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RedeemError {
    /// The response, which answers another request.
    NotMine(ResponseFrame),
    /// The response answers the request, but its body is malformed. The connection can still be used.
    Malformed {
        /// What is wrong with the body.
        error: DecodeError,
        /// Whether the broker may have acted on the request.
        fate: Fate,
    },
}

impl fmt::Display for RedeemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMine(frame) => {
                write!(
                    f,
                    "the response answers request {:?} of connection {}, not this one: give it to that request's ticket",
                    frame.id, frame.connection
                )
            }
            Self::Malformed { error, fate } => write!(f, "{error}; {PROBE_IT} ({fate})"),
        }
    }
}

impl std::error::Error for RedeemError {}
