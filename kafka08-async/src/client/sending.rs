//! How requests are sent.

use std::time::Duration;

use kafka08_proto::{
    adapter::CallError,
    api::Request,
    connection::{Prepared, Reply, SendError},
    ids::CorrelationId,
};

use super::{
    Client,
    line::Kind,
    pending::{Pending, Place, Undecoded},
};
use crate::Runtime;

impl<Rt: Runtime> Client<Rt> {
    /// Sends a request, and returns the claim to its response, which is a future.
    ///
    /// Returns when the request is staged and has its correlation id. That is at once if there is room, and otherwise
    /// within [`ClientConfig::with_request_timeout`]. The deadline of the request counts from this call.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, expects no response, or the connection has ended. With
    /// [`SendError::TimedOut`], there was no room within the timeout of the request.
    ///
    /// # Cancel safety
    /// Dropping this future before it is ready withdraws the request.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub async fn send<R: Request>(&self, request: &R) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        // Usually there is room, and the request is encoded directly into the connection, without a waiting future.
        if let Some(ticket) = self.shared().command(|state| state.start(Rt::now(), Kind::Claimed, request))? {
            return Ok(Pending::new(self.shared(), ticket.id(), R::API));
        }
        let prepared = self.prepare(request)?;
        let id = self.queue(Kind::Claimed, prepared).await?;
        Ok(Pending::new(self.shared(), id, R::API))
    }

    /// [`Client::send`] with a timeout for this request, instead of [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// As [`Client::send`].
    ///
    /// # Cancel safety
    /// As [`Client::send`].
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub async fn send_with_timeout<R: Request>(&self, request: &R, timeout: Duration) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        let prepared = self.prepare(request)?.with_timeout(timeout);
        let id = self.stage(Kind::Claimed, &prepared).await?;
        Ok(Pending::new(self.shared(), id, R::API))
    }

    /// [`Client::send`] of a request that is encoded already, for retries and for proxies. Its own timeout is used if
    /// it has one ([`Prepared::with_timeout`]).
    ///
    /// The response is not decoded unless [`Pending::typed`] gives the claim its type:
    ///
    /// ```no_run
    /// use kafka08_tokio::{Client, proto::{ClientConfig, api::MetadataRequest, connection::Prepared}};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = ClientConfig::default();
    /// let prepared = Prepared::checked(&MetadataRequest::all(), &config)?;
    /// for broker in ["broker1:9092", "broker2:9092"] {
    ///     let client = Client::connect(broker, config.clone()).await?;
    ///     match client.send_prepared(&prepared).await?.typed::<MetadataRequest>() {
    ///         Ok(pending) => println!("{:?}", pending.await?),
    ///         Err(pending) => println!("{:?}", pending.await?),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::send`].
    ///
    /// # Cancel safety
    /// As [`Client::send`].
    pub async fn send_prepared(&self, request: &Prepared) -> Result<Pending<Undecoded>, CallError> {
        if request.reply() == Reply::None {
            return Err(CallError::NoResponseExpected);
        }
        let id = self.stage(Kind::Claimed, request).await?;
        Ok(Pending::new(self.shared(), id, request.api()))
    }

    /// Sends a request and waits for its response, until the deadline of the request.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Pending`]. [`CallError::fate`] says whether the broker may have acted on the request.
    ///
    /// # Cancel safety
    /// As [`Client::send`], then as [`Pending`].
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.send(request).await?.await
    }

    /// Sends a request whose response nobody takes, such as a produce with acks = 0.
    ///
    /// Returns when the request is staged. That is at once if there is room, and otherwise within
    /// [`ClientConfig::with_request_timeout`].
    ///
    /// [`Client::flush`] waits until the request was written. If acks = 0, the broker sends no confirmation; only a
    /// later response on the connection can show that the broker has acted on the request. See [`Client::closed`]. If
    /// the request fails, the next [`Client::flush`] or [`Client::close`] lists it.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, or the connection has ended. With [`SendError::TimedOut`], there was
    /// no room within the timeout of the request. With [`SendError::Busy`], 4,096 failures are unreported; flush.
    ///
    /// # Cancel safety
    /// Dropping this future before it is ready withdraws the request, unless a part of it was written.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub async fn send_and_forget<R: Request>(&self, request: &R) -> Result<CorrelationId, CallError> {
        if let Some(ticket) = self.shared().command(|state| state.start(Rt::now(), Kind::Forgotten, request))? {
            return Ok(ticket.id());
        }
        let prepared = self.prepare(request)?;
        self.queue(Kind::Forgotten, prepared).await
    }

    /// [`Client::send_and_forget`] with a timeout for this request.
    ///
    /// # Errors
    /// As [`Client::send_and_forget`].
    ///
    /// # Cancel safety
    /// As [`Client::send_and_forget`].
    pub async fn send_and_forget_with_timeout<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<CorrelationId, CallError> {
        let prepared = self.prepare(request)?.with_timeout(timeout);
        self.stage(Kind::Forgotten, &prepared).await
    }

    /// [`Client::send_and_forget`] of a request that is encoded already. Its own timeout is used if it has one
    /// ([`Prepared::with_timeout`]).
    ///
    /// # Errors
    /// As [`Client::send_and_forget`].
    ///
    /// # Cancel safety
    /// As [`Client::send_and_forget`].
    pub async fn send_prepared_and_forget(&self, request: &Prepared) -> Result<CorrelationId, CallError> {
        self.stage(Kind::Forgotten, request).await
    }

    fn prepare<R: Request>(&self, request: &R) -> Result<Prepared, CallError> {
        Ok(Prepared::checked(request, self.config()).map_err(SendError::Prepare)?)
    }

    /// Stages a request. If there is no room, waits for it.
    async fn stage(&self, kind: Kind, request: &Prepared) -> Result<CorrelationId, CallError> {
        // The request is cloned only if it has to wait, because a clone of a large one holds its memory longer.
        match self.shared().command(|state| state.start_prepared(Rt::now(), kind, request))? {
            Some(id) => Ok(id),
            None => self.queue(kind, request.clone()).await,
        }
    }

    async fn queue(&self, kind: Kind, request: Prepared) -> Result<CorrelationId, CallError> {
        let shared = &**self.shared();
        let called_at = request.called().unwrap_or_else(Rt::now);
        let number = shared.command(|state| state.queue(kind, request.called_at(called_at), called_at));
        Ok(Place { shared, number: Some(number) }.await?)
    }
}
