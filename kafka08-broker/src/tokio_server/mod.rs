//! A cluster on TCP under tokio: one task that owns the sockets. With the feature `tokio`.
//!
//! The task does what the thread of [`crate::Server`] does, in the same turns. After each turn, other tasks of the runtime
//! come first.

mod net;
mod wakers;

use std::{
    fmt, io,
    net::SocketAddr,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use kafka08_proto::ids::NodeId;
use net::TokioNet;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, Sleep},
};
use wakers::{Source, Woken};

use crate::{
    BrokerConfig, Cluster, Control, NotInTime, Turn,
    server::{
        Addresses, Bound, Shared, check_topics,
        net::{Peer, Readiness},
        now,
        serving::Serving,
        stored::Stored,
    },
};

/// A broker, or several that form a cluster, that listens on TCP in a task of the tokio runtime in which it was started.
///
/// The methods of [`Control`] command it: see there. They take effect at once, and none but [`Control::wait_until`] waits. Here,
/// [`Server::wait_until`] stands for that one, because a task must not block the runtime that serves.
///
/// Dropping the server stops it. The task ends soon after; [`Server::stop`] waits for that. The deadlines of the cluster follow
/// the system's clock, even if the clock of tokio is paused.
///
/// ```
/// use kafka08_broker::{BrokerConfig, tokio_server::Server};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let server = Server::start(BrokerConfig::default()).await?;
/// println!("a broker listens at {}", server.address());
/// server.stop().await;
/// # Ok::<(), std::io::Error>(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    addresses: Addresses,
    /// Commands go straight to the shared cluster. They do not pass through the task.
    control: Control,
    changed: Arc<Notify>,
    /// `None` once the task is awaited by `stop`.
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the brokers. When this returns, the system accepts connections for them, and the topics of the configuration have
    /// leaders.
    ///
    /// # Errors
    /// A broker cannot listen at its address, for example because its port is taken; a topic of the configuration has a name
    /// that is not allowed; or the system has no socket left.
    ///
    /// # Panics
    /// The caller is not in a tokio runtime, or its runtime has no I/O or no time: see `Builder::enable_all` of tokio.
    pub async fn start(config: BrokerConfig) -> io::Result<Self> {
        check_topics(&config)?;
        let Bound { listeners, addresses, advertised } = Bound::of(&config)?;
        let woken = Arc::new(Woken::default());
        let of_command = Arc::clone(&woken);
        let data_dir = config.data_dir.clone();
        let mut cluster = Cluster::new(config, &advertised, now());
        // Reading a directory blocks, which a runtime bears once, before it serves.
        let stored = data_dir.map(|path| Stored::open(&path, &mut cluster)).transpose()?;
        let shared = Arc::new(Shared::new(cluster, Box::new(move || of_command.wake())));
        let serving = Serving::new(TokioNet::new(Arc::clone(&woken)), listeners, stored)?;
        let changed = Arc::new(Notify::new());
        let mut task = Task {
            shared: Arc::clone(&shared),
            woken,
            serving,
            changed: Arc::clone(&changed),
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        };
        // The sockets belong to the future, so that they are closed when it ends, and also if the runtime drops it.
        let task = tokio::spawn(std::future::poll_fn(move |context| task.poll(context)));
        Ok(Self { addresses, control: Control::new(shared), changed, task: Some(task) })
    }

    /// The address at which the first broker listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses.first()
    }

    /// The address at which a broker listens, or listened before it was stopped. `None` if there is no such broker.
    #[must_use]
    pub fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        self.addresses.of(node)
    }

    /// The address at which the first broker listens, as `host:port`.
    #[must_use]
    pub fn host_port(&self) -> String {
        self.address().to_string()
    }

    /// The addresses of all brokers, as `host:port,host:port`, which is what Kafka's own clients take.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses.bootstrap()
    }

    /// The handle that commands the brokers. It can be cloned, and used on any thread. Its `wait_until` blocks: use
    /// [`Server::wait_until`] in a task.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Waits until a condition holds. It is looked at again whenever something has happened.
    ///
    /// # Errors
    /// The condition does not hold within the limit.
    pub async fn wait_until(&self, limit: Duration, mut holds: impl FnMut(&Cluster) -> bool) -> Result<(), NotInTime> {
        let end = tokio::time::sleep(limit);
        tokio::pin!(end);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // A change after the look below must not be missed.
            changed.as_mut().enable();
            if self.control.shared().look(&mut holds) {
                return Ok(());
            }
            let is_over = std::future::poll_fn(|context| match changed.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => end.as_mut().poll(context).map(|()| true),
            });
            if is_over.await {
                return Err(NotInTime { limit });
            }
        }
    }

    /// Stops the brokers. When this returns, their ports are free and their connections are closed.
    pub async fn stop(mut self) {
        self.control.shared().stop();
        if let Some(task) = self.task.take() {
            // A panic of the task is a bug, and its message was printed already.
            let _ = task.await;
        }
    }
}

impl Deref for Server {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control.shared().stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// What the task owns.
struct Task {
    shared: Arc<Shared>,
    woken: Arc<Woken>,
    serving: Serving<TokioNet>,
    /// Told after each turn.
    changed: Arc<Notify>,
    sleep: Pin<Box<Sleep>>,
}

impl Task {
    /// Takes a turn. Ends when the server must stop.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // First of all the waker becomes known: what happens from here on brings another turn.
        for source in self.woken.take(context.waker()) {
            match source {
                Source::Listener(node) => self.serving.note_listener(node),
                // The waker does not tell for what the socket is ready. A try in vain costs no system call.
                Source::Connection(id) => self.serving.note_socket(id, READY),
            }
        }
        if self.shared.stops() {
            self.serving.close(&self.shared);
            return Poll::Ready(());
        }
        let turn = self.serving.turn(&self.shared);
        self.changed.notify_waiters();
        match (turn, self.serving.wakes_at()) {
            (Turn::More, _) => context.waker().wake_by_ref(),
            (Turn::Idle, None) => {}
            (Turn::Idle, Some(at)) => {
                self.sleep.as_mut().reset(Instant::from_std(at));
                // The time may have come already.
                if self.sleep.as_mut().poll(context).is_ready() {
                    context.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}

/// Bytes may be there to be moved in both directions.
const READY: Readiness = Readiness { can_read: true, can_write: true, peer: Peer::Open };
