//! How requests are sent, and responses taken.

use std::time::Duration;

use kafka08_async::{
    Runtime,
    proto::{
        adapter::CallError,
        api::Request,
        connection::{Prepared, ResponseFrame},
        ids::CorrelationId,
    },
};

use super::{SharedClient, SharedPending};
use crate::{Undecoded, threads::block_on};

impl<Rt: Runtime> SharedClient<Rt> {
    /// Sends a request, and returns the claim to its response.
    ///
    /// *Time*: returns at once if there is room, and otherwise within [`ClientConfig::with_request_timeout`]. The deadline of
    /// the request counts from this call.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, expects no response, or the connection has ended. With
    /// [`SendError::TimedOut`], there was no room within the timeout of the request.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    /// [`SendError::TimedOut`]: kafka08_proto::connection::SendError::TimedOut
    pub fn send<R: Request>(&self, request: &R) -> Result<SharedPending<R>, CallError> {
        block_on(self.client.send(request)).map(SharedPending)
    }

    /// [`SharedClient::send`] with a timeout for this request.
    ///
    /// # Errors
    /// As [`SharedClient::send`].
    pub fn send_with_timeout<R: Request>(&self, request: &R, timeout: Duration) -> Result<SharedPending<R>, CallError> {
        block_on(self.client.send_with_timeout(request, timeout)).map(SharedPending)
    }

    /// [`SharedClient::send`] of a request that is encoded already, for retries and for proxies. Its own timeout is used if it
    /// has one ([`Prepared::with_timeout`]). The response is not decoded unless [`SharedPending::typed`] gives the claim its
    /// type.
    ///
    /// # Errors
    /// As [`SharedClient::send`].
    pub fn send_prepared(&self, request: &Prepared) -> Result<SharedPending<Undecoded>, CallError> {
        block_on(self.client.send_prepared(request)).map(SharedPending)
    }

    /// Sends a request and waits for its response, until the deadline of the request.
    ///
    /// # Errors
    /// As [`SharedClient::send`] and [`SharedClient::wait`]. [`CallError::fate`] says whether the broker may have acted on the
    /// request.
    pub fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        block_on(self.client.call(request))
    }

    /// Waits for a response. Same as [`SharedPending::wait`].
    ///
    /// *Time*: until the deadline of the request, which counts from the call that sent it.
    ///
    /// # Errors
    /// The request has failed, or its response is malformed. [`CallError::fate`] says whether the broker may have acted on the
    /// request.
    pub fn wait<R: Request>(&self, pending: SharedPending<R>) -> Result<R::Response, CallError> {
        pending.wait()
    }

    /// [`SharedClient::wait`] for a request that was sent by [`SharedClient::send_prepared`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`SharedClient::wait`].
    pub fn wait_undecoded(&self, pending: SharedPending<Undecoded>) -> Result<ResponseFrame, CallError> {
        pending.wait_undecoded()
    }

    /// Takes a response if it has arrived, without waiting. Same as [`SharedPending::try_wait`].
    ///
    /// # Errors
    /// If the response has not arrived, the outer error returns the claim. The inner error is that of [`SharedClient::wait`].
    pub fn try_wait<R: Request>(
        &self,
        pending: SharedPending<R>,
    ) -> Result<Result<R::Response, CallError>, SharedPending<R>> {
        pending.try_wait()
    }

    /// [`SharedClient::try_wait`] for a request that was sent by [`SharedClient::send_prepared`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`SharedClient::try_wait`].
    pub fn try_wait_undecoded(
        &self,
        pending: SharedPending<Undecoded>,
    ) -> Result<Result<ResponseFrame, CallError>, SharedPending<Undecoded>> {
        pending.try_wait_undecoded()
    }

    /// Sends a request whose response nobody takes, such as a produce with acks = 0.
    ///
    /// *Time*: returns at once if there is room, and otherwise within the timeout of the request.
    ///
    /// [`SharedClient::flush`] waits until the request was written. If acks = 0, the broker sends no confirmation; only a later
    /// response on the connection can show that the broker has acted on the request. See [`SharedClient::closed`]. If the
    /// request fails, the next [`SharedClient::flush`] or [`SharedClient::close`] lists it.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, or the connection has ended. With `SendError::TimedOut`, there was no room
    /// within the timeout of the request. With `SendError::Busy`, 4,096 failures are unreported; flush.
    pub fn send_and_forget<R: Request>(&self, request: &R) -> Result<CorrelationId, CallError> {
        block_on(self.client.send_and_forget(request))
    }

    /// [`SharedClient::send_and_forget`] with a timeout for this request.
    ///
    /// # Errors
    /// As [`SharedClient::send_and_forget`].
    pub fn send_and_forget_with_timeout<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<CorrelationId, CallError> {
        block_on(self.client.send_and_forget_with_timeout(request, timeout))
    }

    /// [`SharedClient::send_and_forget`] of a request that is encoded already.
    ///
    /// # Errors
    /// As [`SharedClient::send_and_forget`].
    pub fn send_prepared_and_forget(&self, request: &Prepared) -> Result<CorrelationId, CallError> {
        block_on(self.client.send_prepared_and_forget(request))
    }
}
