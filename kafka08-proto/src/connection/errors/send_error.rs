//! Why a request was not taken.

use std::{fmt, time::Duration};

use super::{Closed, PrepareError};
use crate::wire::EncodeError;

/// Why a request was not taken. Nothing of it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Too many requests are unanswered, or too many events not taken, or too many bytes unwritten; or the request first
    /// in line has timed out and its answer may still come. Pump bytes, take events, and try again.
    Busy,
    /// Its time was over before it could be sent. Try again, or give it more time.
    TimedOut {
        /// The time that it had.
        after: Duration,
    },
    /// The connection has ended: connect again.
    Closed(Box<Closed>),
    /// The request was refused or cannot be encoded. Mend it.
    Prepare(PrepareError),
    /// The frame is larger than a broker takes: `socket.request.max.bytes`. Send less at once.
    TooLarge {
        /// The frame's length in bytes.
        len: usize,
        /// `Limits::max_request`.
        max: usize,
    },
    /// The client id does not fit the wire.
    ClientId(EncodeError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("not sent, the connection is busy: take answers, then try again"),
            Self::TimedOut { after } => write!(
                f,
                "not sent, no place was free within {after:?}: answers wait to be taken, or the broker is slow to answer what \
                 is in front"
            ),
            Self::Closed(closed) => write!(f, "not sent, the connection has ended: {closed}"),
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

impl std::error::Error for SendError {}
