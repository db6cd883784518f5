//! The client, which is a handle of a connection.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use kafka08_proto::{
    ClientConfig, HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
    api::Request,
    connection::{Closed, Prepared, Reply, SendError},
    ids::CorrelationId,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

use crate::{
    connect,
    driver::Driver,
    line::Kind,
    pending::{Flush, Pending, Place, Undecoded},
    shared::{Phase, Shared, now},
    task::Task,
};

/// A connection to one broker, for any number of tasks. Cloning returns another handle of it, and is cheap.
///
/// A response that nobody has taken still counts as in flight ([`ClientConfig::with_max_in_flight`]). [`Client::send`]
/// waits while there is no place in flight, while too many bytes are staged ([`ClientConfig::with_max_staged`]), or
/// while the response to a request that has timed out may still arrive. Waiting requests are sent in the order of the
/// calls, but a request without a claim does not wait for places in flight. A waiting request belongs to its future:
/// dropping the future removes it.
///
/// Staged requests are written when the tasks that are ready have run once, so that their requests are written
/// together. As soon as 16 KiB are staged, they are written at once.
///
/// When the last handle is dropped, the connection closes after staged requests were written and awaited responses
/// came.
///
/// # Time
/// Each call has a time limit, whatever else is in flight; its documentation says which. If the connection's task is
/// aborted or its runtime shuts down, every call ends at once with
/// [`CloseReason::Abandoned`](kafka08_proto::connection::CloseReason::Abandoned).
#[derive(Clone)]
pub struct Client(Arc<Handle>);

/// What the clones of a client share. It is dropped with the last handle.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|state| {
            // `close` was called before and determines how the connection ends.
            if state.phase == Phase::Open {
                state.phase = Phase::Abandoned;
            }
            state.call_task();
        });
    }
}

impl Client {
    /// Connects to a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and spawns the connection's task.
    ///
    /// The call ends within [`ClientConfig::with_connect_timeout`], which includes the lookup of the name. Every
    /// address of the host is tried. Each attempt gets an even share of the time that is left. `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// The target is not a host and a port, the name has no address, or no address answers. The error lists all
    /// attempts.
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        Self::connect_to(target.parse()?, config).await
    }

    /// [`Client::connect`] to a [`HostPort`], such as that of a metadata response.
    ///
    /// # Errors
    /// As [`Client::connect`].
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect_to(target: HostPort, config: ClientConfig) -> Result<Self, ConnectError> {
        let stream = connect::connect(&target, config.connect_timeout()).await?;
        Ok(Self::of_socket(stream, config.with_peer(target)))
    }

    /// [`Client::connect`] to the first of these addresses that answers, for callers who look up names themselves.
    /// Errors name `target`.
    ///
    /// # Errors
    /// There is no address, or none answers. The error lists the attempts.
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect_addresses(
        target: HostPort,
        addresses: &[SocketAddr],
        config: ClientConfig,
    ) -> Result<Self, ConnectError> {
        let stream = connect::try_each(&target, addresses, Instant::now(), config.connect_timeout()).await?;
        Ok(Self::of_socket(stream, config.with_peer(target)))
    }

    /// Creates a client over a bare TCP socket that is connected already, and spawns the connection's task. Bytes that
    /// a write does not report as taken have not been sent, so a request of which no byte was written can be withdrawn.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    #[must_use]
    pub fn of_socket(stream: TcpStream, config: ClientConfig) -> Self {
        let (client, task) = Self::with_driver(Driver::of_socket(stream), config);
        tokio::spawn(task);
        client
    }

    /// Creates a client over a connected stream, such as a TLS stream or a pipe in memory, and spawns the connection's
    /// task.
    ///
    /// The stream may keep bytes that it does not report as taken, as TLS layers do. So a request that was offered to
    /// it is never withdrawn. If such a request fails, the broker may have acted on it. [`ClientConfig::with_peer`]
    /// gives errors a name for the other end.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    #[must_use]
    pub fn new<S>(stream: S, config: ClientConfig) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (client, task) = Self::with_task(stream, config);
        tokio::spawn(task);
        client
    }

    /// Creates a client and its connection's task, for callers who spawn by other means. Run the task in a tokio
    /// runtime; nothing moves before. The task ends with the connection. If it is dropped before that, every call ends.
    pub fn with_task<S>(stream: S, config: ClientConfig) -> (Self, impl Future<Output = ()> + Send + use<S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        Self::with_driver(Driver::new(stream), config)
    }

    fn with_driver<S>(driver: Driver<S>, config: ClientConfig) -> (Self, impl Future<Output = ()> + Send + use<S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let shared = Arc::new(Shared::new(config));
        // The task is created outside of the future. If the future is dropped before it has run, the task still ends
        // all calls.
        let task = Task::new(driver, Arc::clone(&shared));
        (Self(Arc::new(Handle(shared))), task.run())
    }

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
    pub async fn send<R: Request>(&self, request: &R) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        // Usually there is room, and the request is encoded directly into the connection, without a waiting future.
        if let Some(ticket) = self.0.0.command(|state| state.start(Kind::Claimed, request))? {
            return Ok(Pending::new(&self.0.0, ticket.id(), R::API));
        }
        let prepared = self.prepare(request)?;
        let id = self.queue(Kind::Claimed, prepared).await?;
        Ok(Pending::new(&self.0.0, id, R::API))
    }

    /// [`Client::send`] with a timeout for this request, instead of [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// As [`Client::send`].
    ///
    /// # Cancel safety
    /// As [`Client::send`].
    pub async fn send_with_timeout<R: Request>(&self, request: &R, timeout: Duration) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        let prepared = self.prepare(request)?.with_timeout(timeout);
        let id = self.stage(Kind::Claimed, &prepared).await?;
        Ok(Pending::new(&self.0.0, id, R::API))
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
        Ok(Pending::new(&self.0.0, id, request.api()))
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
    pub async fn send_and_forget<R: Request>(&self, request: &R) -> Result<CorrelationId, CallError> {
        if let Some(ticket) = self.0.0.command(|state| state.start(Kind::Forgotten, request))? {
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

    /// Waits until the transport has taken all bytes that were staged before. This does not mean that the broker has
    /// acted on them.
    ///
    /// It waits for at most [`ClientConfig::with_request_timeout`]. It does not wait for later requests, for requests
    /// that wait for room, or for responses.
    ///
    /// # Errors
    /// Requests that nobody waits for have failed since the last flush; the error lists all of them. Or the connection
    /// has ended, even if all bytes had been taken before. Or the time was over.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing. The next flush lists the failures.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let shared = &*self.0.0;
        let number = shared.command(|state| {
            state.call_task();
            let deadline = now().checked_add(shared.config.request_timeout());
            // Later requests are not waited for. Otherwise a flush of a busy connection would never end.
            let point = state.connection.staged_to();
            // After the end of the connection, there is nothing that a flush could wait for.
            state.closed.is_none().then(|| state.flushes.push(point, deadline))
        });
        match number {
            Some(number) => Flush { shared, number: Some(number) }.await,
            None => shared.command(|state| FlushError::check(state.take_failures(), state.closed.clone())),
        }
    }

    /// Writes staged requests for at most [`ClientConfig::with_request_timeout`], and closes the connection for all
    /// handles.
    ///
    /// Requests in flight and calls that wait for room fail. The report says why the connection has ended, which may
    /// have been before this call. It lists the requests with acks = 0 that the broker may not have applied, and the
    /// requests that nobody waits for and that have failed since the last flush.
    ///
    /// # Cancel safety
    /// The connection closes even if this future is dropped after it was polled. The next call returns the failures.
    pub async fn close(&self) -> CloseReport {
        self.0.0.command(|state| {
            state.phase = Phase::Closing;
            let limit = state.connection.config().request_timeout();
            // The first call sets the deadline. A second call must not delay it.
            state.close_by = state.close_by.or_else(|| now().checked_add(limit));
            state.call_task();
        });
        let closed = self.wait_closed().await;
        CloseReport::new(closed, self.0.0.command(|state| state.take_failures()))
    }

    /// Why the connection has ended, and which requests are unconfirmed. `None` if it has not ended.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.0.0.command(|state| state.closed.clone())
    }

    /// Waits until the connection has ended.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing.
    pub async fn wait_closed(&self) -> Closed {
        let mut has_ended = self.0.0.has_ended.subscribe();
        has_ended.wait_for(|has_ended| *has_ended).await.expect("the sender is in this handle");
        self.closed().expect("a connection that has ended reports why")
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.0.0.config
    }

    /// The address of the broker, if [`Client::connect`] or [`ClientConfig::with_peer`] has set it.
    #[must_use]
    pub fn peer(&self) -> Option<&HostPort> {
        self.config().peer().map(AsRef::as_ref)
    }

    fn prepare<R: Request>(&self, request: &R) -> Result<Prepared, CallError> {
        Ok(Prepared::checked(request, self.config()).map_err(SendError::Prepare)?)
    }

    /// Stages a request. If there is no room, waits for it.
    async fn stage(&self, kind: Kind, request: &Prepared) -> Result<CorrelationId, CallError> {
        match self.0.0.command(|state| state.start_prepared(kind, request))? {
            Some(id) => Ok(id),
            None => self.queue(kind, request.clone()).await,
        }
    }

    async fn queue(&self, kind: Kind, request: Prepared) -> Result<CorrelationId, CallError> {
        let shared = &*self.0.0;
        let called_at = request.called().unwrap_or_else(now);
        let number = shared.command(|state| state.queue(kind, request.called_at(called_at), called_at));
        Ok(Place { shared, number: Some(number) }.await?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("peer", &self.peer()).field("closed", &self.closed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
