//! The handle.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kafka08_proto::{
    ClientConfig, ClientConnection,
    api::Request,
    connection::{CallError, Closed, ConnectError, HostPort, Prepared, Reply, SendError, Ticket},
    ids::CorrelationId,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use crate::{
    command::{CallNumber, Command},
    connect::connect,
    pending::{Claim, Pending},
    task::{Channels, Task},
};

/// Commands that wait for the task; their callers wait for a place.
const COMMANDS: usize = 16;

/// A connection to one broker, for any number of tasks. Cloning is cheap, and gives another handle of the same connection.
///
/// An answer that nobody has taken keeps its place among those that may be in flight
/// ([`ClientConfig::with_max_in_flight`]); while there is none free, [`Client::send`] waits.
///
/// When the last handle is dropped, what was staged leaves, what is awaited is answered, and the connection closes.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    config: ClientConfig,
    commands: mpsc::Sender<Command>,
    cancels: mpsc::UnboundedSender<CallNumber>,
    slots: Arc<Semaphore>,
    closed: watch::Receiver<Option<Closed>>,
    calls: AtomicU64,
}

impl Client {
    /// Connects to a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and spawns the connection's task.
    ///
    /// Every address of the host is tried, within [`ClientConfig::with_connect_timeout`]. `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// The target is no host and port, the name has no address, or no address answers; the error says what was tried.
    pub async fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        let target: HostPort = target.parse()?;
        Ok(Self::new(connect(target, config.connect_timeout()).await?, config))
    }

    /// A client over a stream that is connected already: TLS, a proxy, a pipe in memory. Spawns the connection's task.
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

    /// A client and its connection's task, for those who spawn by other means. Nothing moves unless the task runs; it ends
    /// when the connection is over.
    pub fn with_task<S>(stream: S, config: ClientConfig) -> (Self, impl Future<Output = ()> + Send + use<S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (commands, commands_of_task) = mpsc::channel(COMMANDS);
        let (cancels, cancels_of_task) = mpsc::unbounded_channel();
        let (closed_of_task, closed) = watch::channel(None);
        let slots = Arc::new(Semaphore::new(config.max_in_flight().min(Semaphore::MAX_PERMITS)));
        let connection = ClientConnection::new(config.clone());
        let channels = Channels {
            commands: commands_of_task,
            cancels: cancels_of_task,
            slots: Arc::clone(&slots),
            closed: closed_of_task,
        };
        let task = async move { Task::new(stream, connection, channels).run().await };
        (Self(Arc::new(Shared { config, commands, cancels, slots, closed, calls: AtomicU64::new(0) })), task)
    }

    /// Sends a request; gives the claim to its answer, which is a future.
    ///
    /// Returns when the request is staged and has its correlation id, which may be after a wait for a place. Its deadline
    /// runs from this call. Dropping this future before that takes the request back.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, it has no answer to wait for, the connection has ended, or
    /// no place was free within the request's timeout ([`SendError::Busy`]).
    pub async fn send<R: Request>(&self, request: &R) -> Result<Pending<R>, CallError> {
        let prepared = self.prepare(request)?;
        self.send_prepared(prepared, self.0.config.request_timeout()).await
    }

    /// [`Client::send`] with a timeout of the request's own, instead of [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_with_timeout<R: Request>(&self, request: &R, timeout: Duration) -> Result<Pending<R>, CallError> {
        let prepared = self.prepare(request)?.with_timeout(timeout);
        self.send_prepared(prepared, timeout).await
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Pending`]; [`CallError::fate`] says whether the broker may have acted on it.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.send(request).await?.await
    }

    /// Sends a request whose answer, if it has one, nobody will take: above all a produce with acks = 0.
    ///
    /// That it was written, [`Client::flush`] tells. That the broker has acted on it, nothing tells, unless a later answer
    /// on the connection does; see [`Client::closed`].
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, or the connection has ended.
    pub async fn send_and_forget<R: Request>(&self, request: &R) -> Result<CorrelationId, CallError> {
        let prepared = self.prepare(request)?;
        let at = Instant::now().into_std();
        let (started, wait) = oneshot::channel();
        self.command(Command::Forget { prepared, at, started }).await?;
        Ok(wait.await.unwrap_or(Err(SendError::Closed))?)
    }

    /// Waits until everything that was sent before has been taken by the transport. Says nothing about the broker.
    ///
    /// # Errors
    /// The connection has ended, be it that everything was taken before; or a request that nobody waits for has failed since the last flush.
    pub async fn flush(&self) -> Result<(), CallError> {
        let (done, wait) = oneshot::channel();
        match self.command(Command::Flush(done)).await {
            Ok(()) => wait.await.unwrap_or(Err(SendError::Closed.into())),
            Err(error) => Err(self.closed().map_or(error, CallError::Closed)),
        }
    }

    /// Lets what is staged leave, for no longer than its requests have time, and closes the connection, whatever other
    /// handles there are.
    ///
    /// Requests that are in flight fail. What comes back says why the connection ended, which may have been before, and
    /// which requests with acks = 0 nothing proves to have been applied; `None` if the connection's task was aborted.
    pub async fn close(&self) -> Option<Closed> {
        let (done, wait) = oneshot::channel();
        if self.command(Command::Close(done)).await.is_ok()
            && let Ok(closed) = wait.await
        {
            return Some(closed);
        }
        self.closed()
    }

    /// Why the connection has ended, and what is unconfirmed; `None` while it lives.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.0.closed.borrow().clone()
    }

    /// Waits until the connection has ended; `None` if its task was aborted.
    pub async fn wait_closed(&self) -> Option<Closed> {
        let mut closed = self.0.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(closed) => closed.clone(),
            Err(_) => None,
        }
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    fn prepare<R: Request>(&self, request: &R) -> Result<Prepared, CallError> {
        Ok(Prepared::checked(request, &self.0.config).map_err(SendError::Prepare)?)
    }

    async fn send_prepared<R: Request>(&self, prepared: Prepared, limit: Duration) -> Result<Pending<R>, CallError> {
        if prepared.reply() == Reply::None {
            return Err(CallError::NoResponseExpected);
        }
        let at = Instant::now();
        let place = async {
            let slot = Arc::clone(&self.0.slots).acquire_owned().await.map_err(|_| SendError::Closed)?;
            let permit = self.0.commands.reserve().await.map_err(|_| SendError::Closed)?;
            Ok::<_, SendError>((slot, permit))
        };
        let (slot, permit) = timeout(limit, place).await.map_err(|_| SendError::Busy)??;
        let number = CallNumber(self.0.calls.fetch_add(1, Ordering::Relaxed));
        let (answer, answer_of_claim) = oneshot::channel();
        let claim = Claim { number, answer: answer_of_claim, cancels: self.0.cancels.clone(), _slot: slot };
        let (started, wait) = oneshot::channel();
        permit.send(Command::Send { prepared, at: at.into_std(), number, started, answer });
        let id = wait.await.unwrap_or(Err(SendError::Closed))?;
        let ticket = Ticket::new(id).expect("the id was given for this request's API");
        Ok(Pending::new(ticket, claim))
    }

    async fn command(&self, command: Command) -> Result<(), CallError> {
        self.0.commands.send(command).await.map_err(|_| SendError::Closed.into())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("closed", &self.closed()).finish_non_exhaustive()
    }
}
