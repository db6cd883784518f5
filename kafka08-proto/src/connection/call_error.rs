//! How a typed call can end without its response.

use std::{fmt, io, sync::Arc};

use super::{Closed, Fate, RedeemError, RequestError, SendError};
use crate::{ids::CorrelationId, wire::DecodeError};

/// Why a call through a driver brought no response.
///
/// [`CallError::fate`] says whether the broker may have acted on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// It was not sent.
    NotSent(SendError),
    /// It has no response to wait for (a produce with acks = 0): use `send_and_forget`. It was not sent.
    NoResponseExpected,
    /// It ended without an answer.
    Failed {
        /// Which request.
        id: CorrelationId,
        /// Why.
        error: RequestError,
        /// Whether the broker may have acted on it.
        fate: Fate,
        /// What the system said, if the transport failed.
        io: Option<Arc<io::Error>>,
    },
    /// It was answered with something that is no answer to it. The connection is still usable.
    Malformed {
        /// Which request.
        id: CorrelationId,
        /// What is wrong with the answer.
        error: DecodeError,
        /// Whether the broker may have acted on it.
        fate: Fate,
    },
    /// The connection ended before everything that was staged could be written.
    Closed(Closed),
    /// Its answer was taken already, or the request was forgotten or belongs to another client.
    NotOutstanding(CorrelationId),
}

impl CallError {
    /// Whether the broker may have acted on the request.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::NotSent(_) | Self::NoResponseExpected => Fate::NotApplied,
            Self::Failed { fate, .. } | Self::Malformed { fate, .. } => *fate,
            Self::Closed(_) | Self::NotOutstanding(_) => Fate::MaybeApplied,
        }
    }

    /// What a failure to redeem a response means to its call.
    #[must_use]
    pub fn from_redeem(id: CorrelationId, error: RedeemError) -> Self {
        match error {
            RedeemError::Malformed { error, fate } => Self::Malformed { id, error, fate },
            RedeemError::NotMine(_) => Self::NotOutstanding(id),
        }
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "{error}"),
            Self::NoResponseExpected => {
                f.write_str("a produce with acks = 0 is never answered: use send_and_forget, or other acks")
            }
            Self::Failed { id, error, fate, io } => {
                write!(f, "request {id:?} failed: {error}")?;
                if let Some(io) = io {
                    write!(f, " [{io}]")?;
                }
                write!(f, " ({fate})")
            }
            Self::Malformed { id, error, fate } => write!(f, "request {id:?}: {error} ({fate})"),
            Self::Closed(closed) => write!(f, "{closed}"),
            Self::NotOutstanding(id) => {
                write!(f, "request {id:?} is not outstanding here: its answer was taken, or another client sent it")
            }
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSent(error) => Some(error),
            Self::Failed { io: Some(io), .. } => Some(io.as_ref()),
            Self::Failed { error, .. } => Some(error),
            Self::Malformed { error, .. } => Some(error),
            Self::Closed(closed) => Some(closed),
            Self::NoResponseExpected | Self::NotOutstanding(_) => None,
        }
    }
}
