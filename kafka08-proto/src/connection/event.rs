//! What connections tell.

use std::{collections::VecDeque, fmt};

use bytes::Bytes;

use super::{CloseReason, Closed};
use crate::{
    api::RequestHeader,
    fate::Fate,
    frame::FrameNumber,
    ids::{Api, CorrelationId},
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
    Written(CorrelationId),
    /// A request has ended without an answer.
    Failed {
        /// Which.
        id: CorrelationId,
        /// Why.
        error: RequestError,
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
            Self::Written(id) | Self::Failed { id, .. } => Some(*id),
            Self::Closed(_) => None,
        }
    }
}

/// The answer to a request: its body is not decoded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseFrame {
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
    TimedOut,
    /// The connection has ended.
    Closed(CloseReason),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(
                "no answer within the timeout: the broker is overloaded or unreachable, the timeout is too short, or the peer \
                 does not speak Kafka 0.8",
            ),
            Self::Closed(reason) => fmt::Display::fmt(reason, f),
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TimedOut => None,
            Self::Closed(reason) => Some(reason),
        }
    }
}

/// Requests with acks = 0 that were written, and that nothing proves to have been applied: a broker closes the connection
/// when one fails, and any later answer proves those before it.
///
/// Kept as ranges, so that a client that only ever sends acks = 0 needs no memory for it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Unconfirmed {
    spans: VecDeque<Span>,
}

/// Requests sent directly one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    first: CorrelationId,
    last: CorrelationId,
    /// The last one's place in the order of sending.
    last_frame: FrameNumber,
}

impl Unconfirmed {
    pub(super) fn push(&mut self, id: CorrelationId, frame: FrameNumber) {
        match self.spans.back_mut() {
            Some(span) if frame.follows(span.last_frame) && span.last.0.checked_add(1) == Some(id.0) => {
                span.last = id;
                span.last_frame = frame;
            }
            _ => self.spans.push_back(Span { first: id, last: id, last_frame: frame }),
        }
    }

    /// An answer to the request of `frame` has come.
    pub(super) fn confirm_before(&mut self, frame: FrameNumber) {
        while self.spans.front().is_some_and(|span| span.last_frame < frame) {
            self.spans.pop_front();
        }
    }

    /// Their ids, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = CorrelationId> {
        self.spans.iter().flat_map(|span| (span.first.0..=span.last.0).map(CorrelationId))
    }

    /// Whether this request is one of them.
    #[must_use]
    pub fn contains(&self, id: CorrelationId) -> bool {
        self.spans.iter().any(|span| (span.first..=span.last).contains(&id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.iter().map(|span| usize::try_from(span.last.0 - span.first.0 + 1).unwrap_or(0)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl fmt::Debug for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.spans.iter().map(|span| span.first..=span.last)).finish()
    }
}

/// News of a server's connection.
#[derive(Debug)]
pub enum ServerEvent {
    /// A request, undecoded. Answer it with `respond`, or end it with `finish`.
    Request(RequestFrame),
    /// The connection is over. The last event.
    Closed(CloseReason),
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

impl fmt::Debug for RequestFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestFrame({:?}, {:?}, {} bytes)", self.call, self.header, self.body.len())
    }
}

/// One request as a server counts them; correlation ids are the clients', and may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);
