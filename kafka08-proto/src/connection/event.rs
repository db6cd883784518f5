//! What connections tell.

use std::{collections::VecDeque, fmt, time::Duration};

use bytes::Bytes;

use super::{CloseReason, Closed, Disconnect, ServerCloseReason};
use crate::{
    api::{RequestHeader, RequestTraits},
    fate::Fate,
    frame::Span,
    ids::{Api, ConnectionId, CorrelationId},
};

/// News of a client's connection.
///
/// Every request ends in exactly one of the first three, or in `forget`, or withdrawn by `cancel`.
#[derive(Debug)]
pub enum ClientEvent {
    /// The answer to a request, undecoded.
    Response(ResponseFrame),
    /// The last byte of a request without an answer (acks = 0) was taken by the transport. It says nothing about the
    /// broker.
    Written {
        /// The connection that it was sent on.
        connection: ConnectionId,
        /// Its correlation id.
        id: CorrelationId,
    },
    /// A request has ended without an answer.
    Failed {
        /// The connection that it was sent on.
        connection: ConnectionId,
        /// Its correlation id.
        id: CorrelationId,
        /// Its key and version.
        api: Api,
        /// Why it has ended.
        error: RequestError,
        /// How far it had come.
        progress: Progress,
        /// Whether the broker may have acted on it: whether sending it again may do it twice.
        fate: Fate,
    },
    /// The connection is over. The last event.
    Closed(Closed),
}

impl ClientEvent {
    /// The request that it ends.
    pub(super) fn ended(&self) -> Option<CorrelationId> {
        match self {
            Self::Response(frame) => Some(frame.id),
            Self::Written { id, .. } | Self::Failed { id, .. } => Some(*id),
            Self::Closed(_) => None,
        }
    }
}

/// The answer to a request: its body is not decoded.
///
/// A small body may share its memory, of at most 4 KiB, with other answers that arrived together with it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseFrame {
    /// The connection that it came on.
    pub connection: ConnectionId,
    /// The request it answers.
    pub id: CorrelationId,
    /// That request's key and version, which the wire does not repeat.
    pub api: Api,
    /// What follows the correlation id.
    pub body: Bytes,
    pub(crate) fate_if_malformed: Fate,
}

impl fmt::Debug for ResponseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseFrame({:?}, {}, {} bytes)", self.id, self.api, self.body.len())
    }
}

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
    pub(super) fn is_of_transport(&self) -> bool {
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

/// How far a request had come when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Nothing of it was written: the broker never saw it.
    NotSent,
    /// Part of it was written, and the rest never will be. A broker acts on whole requests only.
    PartlySent,
    /// All of it was given to a stream that has buffers of its own, such as TLS, and the stream has not reported that it
    /// took the last byte.
    Offered,
    /// It was written, and the broker was still to answer a request in front of it.
    Behind(Api),
    /// It was written and first in line, and no byte of its answer had come.
    Unanswered,
    /// Its answer had begun to arrive.
    Arriving {
        /// Bytes of the answer's frame that had come.
        received: usize,
        /// Bytes that the frame has.
        of: usize,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("it was not sent"),
            Self::PartlySent => f.write_str("only part of it was sent"),
            Self::Offered => f.write_str("it was not reported as sent"),
            Self::Behind(api) => write!(f, "the broker had yet to answer {api} in front of it"),
            Self::Unanswered => f.write_str("no answer had come"),
            Self::Arriving { received, of } => write!(f, "{received} of {of} bytes of its answer had come"),
        }
    }
}

impl Progress {
    /// What to do about a request that timed out like this.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::NotSent | Self::PartlySent | Self::Offered => {
                "the peer does not read, or the network is too slow for what was staged in front of it"
            }
            Self::Behind(_) => "raise the timeout, or use another connection for requests that may wait long",
            Self::Unanswered => {
                "the broker is overloaded or unreachable, the timeout is too short, or the peer does not speak Kafka 0.8"
            }
            Self::Arriving { .. } => "raise the timeout, or ask for less at once",
        }
    }
}

/// The most ranges of [`Unconfirmed`]. When there are as many, requests are not withdrawn any more, which is what makes
/// more of them.
pub(super) const MAX_SPANS: usize = 1024;

/// Requests with acks = 0 that were written, and that nothing proves to have been applied: a broker closes the connection
/// when one fails, and any later answer proves those before it.
///
/// Kept as ranges, so that a client that only ever sends acks = 0 needs no memory for it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Unconfirmed {
    ranges: VecDeque<Range>,
}

/// Requests sent directly one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    first: CorrelationId,
    last: CorrelationId,
    /// Where the last one's frame ended in the stream.
    end: u64,
}

impl Unconfirmed {
    pub(super) fn push(&mut self, id: CorrelationId, frame: Span) {
        match self.ranges.back_mut() {
            Some(range) if frame.start == range.end && range.last.0.checked_add(1) == Some(id.0) => {
                range.last = id;
                range.end = frame.end;
            }
            _ => self.ranges.push_back(Range { first: id, last: id, end: frame.end }),
        }
    }

    /// An answer to the request of `frame` has come.
    pub(super) fn confirm_before(&mut self, frame: Span) {
        while self.ranges.pop_front_if(|range| range.end <= frame.start).is_some() {}
    }

    /// How much memory they take, in ranges.
    pub(super) fn spans(&self) -> usize {
        self.ranges.len()
    }

    /// Their ids, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = CorrelationId> {
        self.ranges.iter().flat_map(|range| (range.first.0..=range.last.0).map(CorrelationId))
    }

    /// Whether this request is one of them.
    #[must_use]
    pub fn contains(&self, id: CorrelationId) -> bool {
        self.ranges.iter().any(|range| (range.first..=range.last).contains(&id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|range| usize::try_from(range.last.0 - range.first.0 + 1).unwrap_or(0)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl fmt::Debug for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges.iter().map(|range| range.first..=range.last)).finish()
    }
}

/// News of a server's connection.
#[derive(Debug)]
pub enum ServerEvent {
    /// A request, undecoded. Answer it with `respond`, or end it with `finish`.
    Request(RequestFrame),
    /// The connection is over. The last event.
    Closed(ServerCloseReason),
}

/// A request: its body is not decoded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFrame {
    /// What to answer it by.
    pub call: CallId,
    /// Its header.
    pub header: RequestHeader,
    /// What follows the header.
    pub body: Bytes,
}

impl RequestFrame {
    /// Whether the client expects an answer, how long a broker may take to give it, and whether the request changes
    /// anything. Read from its first bytes; the body is not decoded.
    #[must_use]
    pub fn traits(&self) -> RequestTraits {
        RequestTraits::of(self.header.api, &self.body)
    }
}

impl fmt::Debug for RequestFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestFrame({:?}, {:?}, {} bytes)", self.call, self.header, self.body.len())
    }
}

/// One request as a server counts them; correlation ids are the clients', and may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The connection that the request came on.
    pub connection: ConnectionId,
    pub(crate) number: u64,
}
