//! A request that a handler has to answer.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use kafka08_proto::{
    api::{Encode, Reply, Request},
    connection::{RequestFrame, RespondError},
    ids::{Api, ConnectionId},
    wire::DecodeError,
};

use super::shared::Shared;
use crate::trace::{self, Served};

/// A request of a client, which the handler answers.
///
/// A call may be kept, and answered later and elsewhere. Responses are written in the order of the requests, so a call
/// that is not answered holds back the responses behind it.
///
/// Dropping a call without answering it closes the connection if the client expects a response. So the client does not
/// wait in vain, and a handler that fails or panics does not leave it waiting. A call whose client expects no response,
/// such as a produce with acks = 0, simply ends.
#[must_use = "dropping a call that expects a response closes the connection"]
pub struct Call {
    request: RequestFrame,
    shared: Arc<Shared>,
    is_ended: bool,
}

impl Call {
    pub(super) fn new(request: RequestFrame, shared: Arc<Shared>) -> Self {
        let id = request.header.correlation_id;
        let what = Served::Request { id, api: request.header.api, bytes: request.body.len() };
        trace::served(request.call.connection, what);
        Self { request, shared, is_ended: false }
    }

    /// The request. Its body is not decoded.
    #[must_use]
    pub fn request(&self) -> &RequestFrame {
        &self.request
    }

    /// The request's key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.request.header.api
    }

    /// The connection on which the request has arrived.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.request.call.connection
    }

    /// Whether the client waits for a response. If not, call [`Call::finish`].
    #[must_use]
    pub fn expects_response(&self) -> bool {
        self.request.traits().reply != Reply::None
    }

    /// Decodes the body of the request as `R`. Compare [`Call::api`] with `R::API` before: the bytes of one request may
    /// be valid for another.
    ///
    /// # Errors
    /// The body is not that of an `R`. A broker closes the connection then; dropping the call does so.
    pub fn decode<R: Request>(&self) -> Result<R, DecodeError> {
        R::decode(&self.request.body)
    }

    /// Answers with the response of one API, or with an [`AnyResponse`](kafka08_proto::api::AnyResponse).
    ///
    /// # Errors
    /// The connection has ended, or the response is longer than the wire can hold. In the second case the connection is
    /// closed.
    pub fn respond<E: Encode>(mut self, response: &E) -> Result<(), RespondError> {
        let call = self.request.call;
        // Encoded under the lock, into the connection. Only this connection waits for it.
        let responded = self.shared.command(|state| state.connection.respond(call, response));
        self.settle(responded)
    }

    /// Answers with a body that is already encoded, such as that of a response from another broker.
    ///
    /// # Errors
    /// As [`Call::respond`].
    pub fn respond_raw(mut self, body: Bytes) -> Result<(), RespondError> {
        let call = self.request.call;
        let responded = self.shared.command(|state| state.connection.respond_raw(call, body));
        self.settle(responded)
    }

    /// Ends a call whose client expects no response. If the client does expect one, it waits in vain.
    pub fn finish(mut self) {
        self.end();
    }

    /// Closes the connection. This is how a 0.8 broker refuses a request. Responses to the requests in front of this one
    /// are written if they were given.
    pub fn close(mut self) {
        self.refuse();
    }

    fn settle(&mut self, responded: Result<(), RespondError>) -> Result<(), RespondError> {
        match responded {
            // Nothing else can be answered behind it, because responses are in the order of the requests.
            Err(RespondError::Encode(_)) => self.refuse(),
            _ => self.note_ended(),
        }
        if responded.is_ok() {
            let id = self.request.header.correlation_id;
            trace::served(self.connection(), Served::Response { id, api: self.api() });
        }
        responded
    }

    fn end(&mut self) {
        let call = self.request.call;
        self.shared.command(|state| state.connection.finish(call));
        self.note_ended();
    }

    fn refuse(&mut self) {
        self.shared.command(|state| state.connection.close());
        self.note_ended();
    }

    fn note_ended(&mut self) {
        // A server that stops waits until this count is zero, so each call is counted once.
        if !self.is_ended {
            self.is_ended = true;
            self.shared.command(|state| state.open -= 1);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        // The traits are read from the body only here, because most calls are answered.
        if self.expects_response() {
            self.refuse();
        } else {
            self.end();
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}
