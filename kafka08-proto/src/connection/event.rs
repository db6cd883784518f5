//! The events of connections.

use std::fmt;

use bytes::Bytes;

use super::{Closed, Progress, RequestError, ServerCloseReason};
use crate::{
    api::{RequestHeader, RequestTraits},
    fate::Fate,
    ids::{Api, ConnectionId, CorrelationId},
};

/// An event of a client's connection.
///
/// Every request ends exactly once: with one of the first three events, or without an event when the caller gives it up with
/// [`ClientConnection::forget`](crate::ClientConnection::forget) or
/// [`ClientConnection::cancel`](crate::ClientConnection::cancel).
#[derive(Debug)]
pub enum ClientEvent {
    /// The response to a request. Its body is not decoded.
    Response(ResponseFrame),
    /// The transport has taken the last byte of a request that has no response (a produce with acks = 0). Whether the
    /// broker has received or applied the request is not known.
    Written {
        /// The connection on which the request was sent.
        connection: ConnectionId,
        /// The correlation id of the request.
        id: CorrelationId,
    },
    /// A request has ended without a response.
    Failed {
        /// The connection on which the request was sent.
        connection: ConnectionId,
        /// The correlation id of the request.
        id: CorrelationId,
        /// The key and version of the request.
        api: Api,
        /// Why the request has ended.
        error: RequestError,
        /// How far the request had come when it ended.
        progress: Progress,
        /// Whether the broker may have acted on the request. If it may have, sending the request again may apply it twice.
        fate: Fate,
    },
    /// The connection has ended. No event follows.
    Closed(Closed),
}

impl ClientEvent {
    /// The request that this event ends.
    pub(super) fn ended(&self) -> Option<CorrelationId> {
        match self {
            Self::Response(frame) => Some(frame.id),
            Self::Written { id, .. } | Self::Failed { id, .. } => Some(*id),
            Self::Closed(_) => None,
        }
    }
}

/// A response whose body is not decoded.
///
/// A small body may share its memory with other responses that arrived together with it. That memory has at most 4 KiB.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseFrame {
    /// The connection on which the response arrived.
    pub connection: ConnectionId,
    /// The correlation id of the request.
    pub id: CorrelationId,
    /// The key and version of the request. A response does not say them on the wire.
    pub api: Api,
    /// The bytes behind the correlation id.
    pub body: Bytes,
    // Known here and not to whoever decodes the body: whether the request may have been applied.
    pub(crate) fate_if_malformed: Fate,
}

impl fmt::Debug for ResponseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseFrame({:?}, {}, {} bytes)", self.id, self.api, self.body.len())
    }
}

/// An event of a server's connection.
#[derive(Debug)]
pub enum ServerEvent {
    /// A request. Its body is not decoded. Answer it with
    /// [`ServerConnection::respond`](crate::ServerConnection::respond), or end it with
    /// [`ServerConnection::finish`](crate::ServerConnection::finish).
    Request(RequestFrame),
    /// The connection has ended. No event follows.
    Closed(ServerCloseReason),
}

/// A request whose body is not decoded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFrame {
    /// Names the request in `respond` and `finish`.
    pub call: CallId,
    /// The header of the request.
    pub header: RequestHeader,
    /// The bytes behind the header.
    pub body: Bytes,
}

impl RequestFrame {
    /// Reads from the first bytes of the body whether the client expects a response, how long a broker may take to give
    /// it, and whether the request changes the state of the broker. The body is not decoded.
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

/// Names one request of a server's connection. Correlation ids cannot, because clients choose them and may repeat them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The connection on which the request arrived.
    pub connection: ConnectionId,
    pub(crate) number: u64,
}
