//! One request, and what became of it.

use std::time::Instant;

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyError, AnyRequest, AnyResponse, RequestHeader},
    ids::{Api, ConnectionId, CorrelationId, NodeId},
};

use crate::faults::RuleId;

/// A request that a broker received, and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// The number of the request among all that the cluster received, counted from 1.
    pub number: u64,
    /// The time at which the broker began to serve the request.
    pub at: Instant,
    /// The broker that received the request.
    pub node: NodeId,
    /// The connection of the request.
    pub connection: ConnectionId,
    /// The header of the request.
    pub header: RequestHeader,
    /// The length of the body in bytes.
    pub len: usize,
    /// The body as it was received, or `None` if it is longer than the history keeps.
    pub body: Option<Bytes>,
    /// What became of the request.
    pub outcome: Outcome,
    /// The answer. `None` if there is none, or not yet.
    pub response: Option<Responded>,
    /// The rules that were applied to the request.
    pub faults: Vec<RuleId>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The broker has not answered yet. It may be waiting for data, or a rule may keep it from answering.
    Pending,
    /// The broker answered. A rule may have changed or withheld bytes of the answer on their way to the client.
    Answered,
    /// The broker did what was asked, and owes no answer because the produce has acks 0.
    NoAnswer,
    /// The connection ended without an answer to this request.
    Closed,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Responded {
    /// The time at which the broker answered. A rule may have delayed the bytes.
    pub at: Instant,
    /// The correlation id of the answer.
    pub correlation_id: CorrelationId,
    /// The length of the body in bytes.
    pub len: usize,
    /// The body, or `None` if it is longer than the history keeps.
    pub body: Option<Bytes>,
}

/// Why a body of the history cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotDecoded {
    /// There is no answer.
    NoResponse,
    /// The body is longer than the history keeps. Raise the limit.
    NotKept,
    /// The body is not one that the decoders of a client accept.
    Malformed(AnyError),
}

impl std::fmt::Display for NotDecoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoResponse => f.write_str("the request has no answer"),
            Self::NotKept => f.write_str("the body is longer than the history keeps: raise its limit"),
            Self::Malformed(error) => std::fmt::Display::fmt(error, f),
        }
    }
}

/// The text of a malformed body is that of the inner error, which has no cause of its own.
impl std::error::Error for NotDecoded {}

impl Seen {
    /// The key and version of the request.
    #[must_use]
    pub fn api(&self) -> Api {
        self.header.api
    }

    /// Decodes the request.
    ///
    /// # Errors
    /// The body was too long to keep, or is not one that the decoders of a client accept.
    pub fn request(&self) -> Result<AnyRequest, NotDecoded> {
        // Decoded on demand: most entries are never looked at.
        let body = self.body.as_ref().ok_or(NotDecoded::NotKept)?;
        AnyRequest::decode(self.api(), body).map_err(NotDecoded::Malformed)
    }

    /// Decodes the answer.
    ///
    /// # Errors
    /// There is no answer, its body was too long to keep, or a rule made it one that the decoders of a client refuse.
    pub fn response(&self) -> Result<AnyResponse, NotDecoded> {
        let responded = self.response.as_ref().ok_or(NotDecoded::NoResponse)?;
        let body = responded.body.as_ref().ok_or(NotDecoded::NotKept)?;
        AnyResponse::decode(self.api(), body).map_err(NotDecoded::Malformed)
    }
}
