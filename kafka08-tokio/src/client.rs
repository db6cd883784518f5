//! The handle.

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

/// A connection to one broker, for any number of tasks. Cloning is cheap, and gives another handle of the same connection.
///
/// An answer that nobody has taken keeps its place among those that may be in flight
/// ([`ClientConfig::with_max_in_flight`]); while there is none free, [`Client::send`] waits. So it does while too much is
/// staged ([`ClientConfig::with_max_staged`]), or while the broker still owes the answer to a request that has timed out.
/// Requests that wait are sent in the order of the calls; those whose answer nobody takes do not wait for places of those
/// whose answer somebody does. What a call that waits holds belongs to its future and leaves with it.
///
/// What is staged leaves when the tasks that are ready have run once, so that what they send leaves together; from 16 KiB on
/// it leaves at once.
///
/// When the last handle is dropped, what was staged leaves, what is awaited is answered, and the connection closes.
///
/// # Time
/// Each call ends within a time of its own, whatever stands in front of it, as its documentation says. Should the
/// connection's task be aborted, or its runtime shut down, every call ends at once with
/// [`CloseReason::Abandoned`](kafka08_proto::connection::CloseReason::Abandoned).
#[derive(Clone)]
pub struct Client(Arc<Handle>);

/// What the clones of a client share: when it is dropped, no handle is left.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|state| {
            // `close` has been called: what was said there stays.
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
    /// It ends within [`ClientConfig::with_connect_timeout`], looking the name up included. Every address of the host is
    /// tried, each for an even share of the time that is left. `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// The target is not a host and a port, the name has no address, or no address answers; the error says what was tried.
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        Self::connect_to(target.parse()?, config).await
    }

    /// [`Client::connect`] to a host and port that are told apart already, such as those of a metadata response.
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

    /// [`Client::connect`] to the first of these addresses that answers: for those who look names up themselves. `target` is
    /// what errors call it.
    ///
    /// # Errors
    /// There is no address, or none answers; the error says what was tried.
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

    /// A client over a bare TCP socket that is connected already, for those who set its options. What a write does not report
    /// as taken has not left, so a request of which nothing was written can be taken back. Spawns the connection's task.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn of_socket(stream: TcpStream, config: ClientConfig) -> Self {
        let (client, task) = Self::with_driver(Driver::of_socket(stream), config);
        tokio::spawn(task);
        client
    }

    /// A client over a stream that is connected already: TLS, a proxy, a pipe in memory. Spawns the connection's task.
    ///
    /// The stream may keep bytes that it does not report as taken, as TLS layers do. So a request that it was offered is
    /// never withdrawn, and one that then fails may have been applied. [`ClientConfig::with_peer`] says where the stream
    /// goes, for errors to name.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new<S>(stream: S, config: ClientConfig) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (client, task) = Self::with_task(stream, config);
        tokio::spawn(task);
        client
    }

    /// A client and its connection's task, for those who spawn by other means. Nothing moves unless the task runs, in a
    /// tokio runtime; it ends when the connection is over. When it is dropped before that, every call ends.
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
        // Made here and not in the future, so that a task that is dropped before it has run ends what waits for it too.
        let task = Task::new(driver, Arc::clone(&shared));
        (Self(Arc::new(Handle(shared))), task.run())
    }

    /// Sends a request; gives the claim to its answer, which is a future.
    ///
    /// Returns when the request is staged and has its correlation id: at once if there is room, and otherwise within
    /// [`ClientConfig::with_request_timeout`]. The deadline of the request runs from this call.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, it has no answer to wait for, the connection has ended, or
    /// there was no room within the request's timeout ([`SendError::TimedOut`]).
    ///
    /// # Cancel safety
    /// Dropping this future before it is ready takes the request back.
    pub async fn send<R: Request>(&self, request: &R) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        // The usual way: encoded straight into the connection, without a future that waits. Only a request for which there is no
        // room is encoded apart.
        if let Some(ticket) = self.0.0.command(|state| state.start(Kind::Claimed, request))? {
            return Ok(Pending::new(&self.0.0, ticket.id(), R::API));
        }
        let prepared = self.prepare(request)?;
        let id = self.queue(Kind::Claimed, prepared).await?;
        Ok(Pending::new(&self.0.0, id, R::API))
    }

    /// [`Client::send`] with a timeout of the request's own, instead of [`ClientConfig::with_request_timeout`].
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

    /// Sends a request that was encoded before: a retry, or one that a proxy forwards. Otherwise as [`Client::send`]; its
    /// timeout is its own if it has one ([`Prepared::with_timeout`]).
    ///
    /// The answer is not decoded, unless the claim is given its type:
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

    /// Sends a request and waits for its answer: until the request's deadline, at the latest.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Pending`]; [`CallError::fate`] says whether the broker may have acted on it.
    ///
    /// # Cancel safety
    /// As [`Client::send`], then as [`Pending`].
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.send(request).await?.await
    }

    /// Sends a request whose answer, if it has one, nobody will take: above all a produce with acks = 0.
    ///
    /// Returns when the request is staged: at once if there is room, and otherwise within
    /// [`ClientConfig::with_request_timeout`].
    ///
    /// That it was written, [`Client::flush`] tells. That the broker has acted on it, nothing tells, unless a later answer
    /// on the connection does; see [`Client::closed`]. If it fails, the next [`Client::flush`] or [`Client::close`] lists
    /// it, by id.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, the connection has ended, there was no room within the
    /// request's timeout ([`SendError::TimedOut`]), or 4,096 failures were not told yet ([`SendError::Busy`]: flush).
    ///
    /// # Cancel safety
    /// Dropping this future before it is ready takes the request back, unless part of it was written.
    pub async fn send_and_forget<R: Request>(&self, request: &R) -> Result<CorrelationId, CallError> {
        if let Some(ticket) = self.0.0.command(|state| state.start(Kind::Forgotten, request))? {
            return Ok(ticket.id());
        }
        let prepared = self.prepare(request)?;
        self.queue(Kind::Forgotten, prepared).await
    }

    /// [`Client::send_and_forget`] with a timeout of the request's own, instead of [`ClientConfig::with_request_timeout`].
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

    /// [`Client::send_and_forget`] of a request that was encoded before. Its timeout is its own if it has one
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

    /// Waits until everything that was sent before has been taken by the transport. Says nothing about the broker.
    ///
    /// It does not wait for what is sent later, for what still waits for room, or for answers; and no longer than
    /// [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// A request that nobody waits for has failed since the last flush: all are listed. Or the connection has ended, even if
    /// everything had been taken before; or the time was over.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing: what has failed is told by the next flush.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let shared = &*self.0.0;
        let number = shared.command(|state| {
            state.call_task();
            let deadline = now().checked_add(shared.config.request_timeout());
            // What others send after this call is not waited for, or a busy connection would never be flushed.
            let point = state.connection.staged_to();
            // Once it has ended, nothing moves any more that a flush could wait for.
            state.closed.is_none().then(|| state.flushes.push(point, deadline))
        });
        match number {
            Some(number) => Flush { shared, number: Some(number) }.await,
            None => shared.command(|state| FlushError::check(state.take_failures(), state.closed.clone())),
        }
    }

    /// Lets what is staged leave, for no longer than [`ClientConfig::with_request_timeout`], and closes the connection,
    /// whatever other handles there are.
    ///
    /// Requests that are in flight, and calls that wait for room, fail. What comes back says why the connection ended, which
    /// may have been before; which requests with acks = 0 nothing proves to have been applied; and which requests have
    /// failed since the last flush that nobody waits for.
    ///
    /// # Cancel safety
    /// The connection closes even if this future is dropped after it was polled. What has failed is told by the next call of
    /// this method.
    pub async fn close(&self) -> CloseReport {
        self.0.0.command(|state| {
            state.phase = Phase::Closing;
            let limit = state.connection.config().request_timeout();
            // The first call sets the time. A second one must not put it off.
            state.close_by = state.close_by.or_else(|| now().checked_add(limit));
            state.call_task();
        });
        let closed = self.wait_closed().await;
        CloseReport::new(closed, self.0.0.command(|state| state.take_failures()))
    }

    /// Why the connection has ended, and what is unconfirmed; `None` while it lives.
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
        self.closed().expect("what has ended has said so")
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.0.0.config
    }

    /// Where the connection goes, if that is known: to the target of [`Client::connect`], or where
    /// [`ClientConfig::with_peer`] says.
    #[must_use]
    pub fn peer(&self) -> Option<&HostPort> {
        self.config().peer().map(AsRef::as_ref)
    }

    fn prepare<R: Request>(&self, request: &R) -> Result<Prepared, CallError> {
        Ok(Prepared::checked(request, self.config()).map_err(SendError::Prepare)?)
    }

    /// Stages a request, after a wait for room if there is none.
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
