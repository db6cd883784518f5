//! The claim to a response of a [`SharedClient`](super::SharedClient).

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use kafka08_async::{
    Pending,
    proto::{
        adapter::CallError,
        api::Request,
        connection::ResponseFrame,
        ids::{Api, CorrelationId},
    },
};

use crate::{Undecoded, threads::block_on};

/// The claim to the response of a request that a [`SharedClient`](crate::SharedClient) has sent. It can be waited for on any
/// thread, and may outlive the client.
///
/// Dropping the claim gives up the request. If no byte of the request was written, it is withdrawn. Otherwise its response is
/// dropped. The connection can still be used.
#[must_use = "dropping it gives up the request; use `send_and_forget` if you do not need the response"]
pub struct SharedPending<R>(pub(super) Pending<R>);

impl<R> SharedPending<R> {
    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.0.id()
    }

    /// The request's key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.0.api()
    }
}

impl<R: Request> SharedPending<R> {
    /// Waits for the response. Ends when the response has arrived, at the deadline of the request, or with the connection.
    ///
    /// # Errors
    /// The request has failed, or its response is malformed. [`CallError::fate`] says whether the broker may have acted on the
    /// request.
    pub fn wait(self) -> Result<R::Response, CallError> {
        block_on(self.0)
    }

    /// Takes the response if it has arrived, without waiting.
    ///
    /// # Errors
    /// If the response has not arrived, the outer error returns the claim. The inner error is that of [`SharedPending::wait`].
    pub fn try_wait(mut self) -> Result<Result<R::Response, CallError>, Self> {
        poll_once(&mut self.0).ok_or(self)
    }
}

impl SharedPending<Undecoded> {
    /// Returns the same claim with the type of the request, so that the response is decoded.
    ///
    /// # Errors
    /// The request has another key or version. The error returns the claim.
    pub fn typed<R: Request>(self) -> Result<SharedPending<R>, Self> {
        self.0.typed().map(SharedPending).map_err(Self)
    }

    /// [`SharedPending::wait`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`SharedPending::wait`].
    pub fn wait_undecoded(self) -> Result<ResponseFrame, CallError> {
        block_on(self.0)
    }

    /// [`SharedPending::try_wait`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`SharedPending::try_wait`].
    pub fn try_wait_undecoded(mut self) -> Result<Result<ResponseFrame, CallError>, Self> {
        poll_once(&mut self.0).ok_or(self)
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    // Nobody waits, so nobody needs to be woken.
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl<R> fmt::Debug for SharedPending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedPending").field(&self.0).finish()
    }
}
