//! Why a request was not taken.

use std::{fmt, time::Duration};

use super::{Closed, PrepareError};
use crate::wire::EncodeError;

/// Why a request was not taken. Nothing of it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room: too many requests are unanswered, too many events wait to be taken, or too many bytes are
    /// unwritten. Or the request that is to be answered next has timed out, and its response may still arrive. Move bytes,
    /// take events, and try again.
    Busy,
    /// The timeout of the request was over before the request could be staged. Try again, or use a longer timeout.
    TimedOut {
        /// The time since the call.
        after: Duration,
    },
    /// The connection has ended. Connect again.
    Closed(Box<Closed>),
    /// The request was refused or cannot be encoded. Change the request.
    Prepare(PrepareError),
    /// The request is larger than a broker accepts (`socket.request.max.bytes`). Send less at once.
    TooLarge {
        /// The frame's length in bytes.
        len: usize,
        /// The limit, which is [`Limits::max_request`](crate::limits::Limits::max_request).
        max: usize,
    },
    /// The client id is longer than the wire can hold.
    ClientId(EncodeError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("not sent, the connection is busy: take answers, then try again"),
            Self::TimedOut { after } => write!(
                f,
                "not sent, no place was free within {after:?}: take the answers that have come, or raise the timeout if the broker \
                 is slow"
            ),
            Self::Closed(closed) => write!(f, "not sent, the connection has ended: {closed}"),
            Self::Prepare(error) => write!(f, "{error}"),
            Self::TooLarge { len, max } => write!(
                f,
                "the request takes {len} bytes and a broker accepts {max} (socket.request.max.bytes): send less at once, or raise \
                 both the broker's setting and Limits::max_request"
            ),
            Self::ClientId(error) => {
                write!(f, "the request header cannot be encoded: {error}: use a shorter client id")
            }
        }
    }
}

impl std::error::Error for SendError {}
