//! Why a request was not taken.

use std::fmt;

use crate::{connection::PrepareError, wire::EncodeError};

/// Why a request was not taken. Nothing of it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Too many requests are unanswered, or too many bytes unwritten, or the request first in line has timed out and its
    /// answer may still come. Pump bytes, take events, and try again.
    Busy,
    /// The connection has ended: connect again.
    Closed,
    /// The request was refused or cannot be encoded. Mend it.
    Prepare(PrepareError),
    /// The frame is larger than a broker takes: `socket.request.max.bytes`. Send less at once.
    TooLarge {
        /// The frame's length in bytes.
        len: usize,
        /// `Limits::max_request`.
        max: usize,
    },
    /// The configured client id does not fit the wire.
    ClientId(EncodeError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the connection is busy: take answers, then try again"),
            Self::Closed => f.write_str("the connection is closed: connect again"),
            Self::Prepare(error) => write!(f, "{error}"),
            Self::TooLarge { len, max } => write!(
                f,
                "the request takes {len} bytes and a broker accepts {max} (socket.request.max.bytes): send less at once, or raise \
                 both the broker's setting and Limits::max_request"
            ),
            Self::ClientId(error) => write!(f, "{error}: use a shorter client id"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Prepare(error) => Some(error),
            Self::ClientId(error) => Some(error),
            _ => None,
        }
    }
}
