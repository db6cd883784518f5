//! What connections tell.

use std::fmt;

use bytes::Bytes;

use super::{Closed, Progress, RequestError, ServerCloseReason};
use crate::{
    api::{RequestHeader, RequestTraits},
    fate::Fate,
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
    // Known here and not to whoever decodes the body: whether the request may have been applied.
    pub(crate) fate_if_malformed: Fate,
}

impl fmt::Debug for ResponseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseFrame({:?}, {}, {} bytes)", self.id, self.api, self.body.len())
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
