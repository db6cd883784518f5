//! Why connections end, in words that say what to do.

use std::{fmt, io};

use super::{Disconnect, Unconfirmed};
use crate::{
    frame::FrameError,
    ids::{Api, CorrelationId},
    wire::DecodeError,
};

/// The end of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// Requests with acks = 0 that nothing proves to have been applied.
    pub unconfirmed: Unconfirmed,
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called on this side.
    Local,
    /// The transport ended.
    Disconnected {
        /// How.
        how: Disconnect,
        /// What had come from the peer until then.
        heard: Heard,
        /// The request that the peer was to answer next, if it owed an answer.
        waiting_for: Option<Api>,
        /// How many acks = 0 requests nothing proves to have been applied.
        unconfirmed: usize,
    },
    /// The peer's bytes are no frames.
    Frame(FrameError),
    /// A response does not answer the request that is first in line.
    Match(MatchError),
    /// A request's header is malformed. Servers only.
    Header(DecodeError),
    /// A request's deadline passed while it was partly written: nothing may follow a torn frame.
    TornFrame(CorrelationId),
    /// A request was not answered, and no other is waiting whose answer could still come.
    NoAnswer(CorrelationId),
    /// A request began to arrive and was not complete in time. Servers only.
    SlowRequest,
}

/// What has come from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not a byte.
    Nothing,
    /// Whole frames, and nothing after them.
    Frames,
    /// Part of a frame that did not complete.
    PartOfFrame {
        /// Bytes of it that came.
        bytes: usize,
    },
}

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

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the connection was closed on this side"),
            Self::Disconnected { how, heard, waiting_for, unconfirmed } => {
                disconnected(f, *how, *heard, *waiting_for, *unconfirmed)
            }
            Self::Frame(error) => write!(f, "{error}"),
            Self::Match(error) => write!(
                f,
                "{error}: a Kafka 0.8 broker answers in order, so the peer is no such broker, or a proxy mixes streams"
            ),
            Self::Header(error) => write!(f, "{error}"),
            Self::TornFrame(id) => write!(
                f,
                "request {id:?} timed out when part of it was written, and nothing may follow a torn frame: the peer does not \
                 read, connect again"
            ),
            Self::NoAnswer(id) => write!(
                f,
                "request {id:?} was not answered in time, nor was any other behind it: the broker hangs or is unreachable, or \
                 the peer does not speak Kafka 0.8; connect again"
            ),
            Self::SlowRequest => f.write_str("a request began to arrive and was not complete in time"),
        }
    }
}

fn disconnected(
    f: &mut fmt::Formatter<'_>,
    how: Disconnect,
    heard: Heard,
    waiting_for: Option<Api>,
    unconfirmed: usize,
) -> fmt::Result {
    match how {
        Disconnect::Eof => f.write_str("the peer closed the connection")?,
        Disconnect::Error(io::ErrorKind::ConnectionReset) => f.write_str("the peer reset the connection")?,
        Disconnect::Error(kind) => write!(f, "the connection failed ({kind})")?,
    }
    match (heard, waiting_for) {
        (Heard::PartOfFrame { bytes }, _) => write!(f, " {bytes} bytes into a response")?,
        (_, Some(api)) => write!(f, " instead of answering {api}")?,
        _ => {}
    }
    if unconfirmed > 0 {
        return write!(
            f,
            "; {unconfirmed} produce requests with acks = 0 are unconfirmed: a broker closes the connection, without a word, \
             when one of them fails, so look up the leaders again before you resend"
        );
    }
    match (heard, waiting_for) {
        (Heard::Nothing, Some(api)) => write!(
            f,
            " and before it had sent a byte: it is no Kafka broker, or too old to know {api}, or too new (4.0 has dropped the \
             versions of 0.8), or does not allow this client"
        ),
        (Heard::Frames, Some(api)) => write!(
            f,
            ": brokers do so when they do not know a request or cannot read it (0.8.0 knows APIs 0 to 7, 0.8.1 up to 9, 0.8.2 \
             up to 12; this was {}), or when they stop",
            api.key.0
        ),
        (Heard::PartOfFrame { .. }, _) => f.write_str(": it stopped, or the network did; connect again"),
        (Heard::Nothing | Heard::Frames, None) => f.write_str(
            " while nothing was asked: brokers of 0.8.2 do so after ten idle minutes, and all when they stop",
        ),
    }
}

impl std::error::Error for CloseReason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            Self::Match(error) => Some(error),
            Self::Header(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}
