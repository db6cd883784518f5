//! A cluster on TCP: one thread that owns the sockets and waits for them with an event queue.
//!
//! With one thread, requests and answers of a connection stay in order, and only what is ready is touched.
//!
//! The modules are layered: `ports` binds, `serving` has the turns of a driver, `sockets` moves bytes, and `polling` waits.
//! Only `polling` knows the event queue. `tokio_server` puts tokio in its place and uses the rest. None of them knows a
//! request.

mod control;
pub(crate) mod net;
mod polling;
mod ports;
pub(crate) mod serving;
mod shared;
mod sockets;
pub(crate) mod stored;

use std::{
    fmt, io,
    net::SocketAddr,
    ops::Deref,
    sync::Arc,
    thread::{self, JoinHandle},
};

pub use control::Control;
pub(crate) use control::check_topics;
use kafka08_proto::ids::NodeId;
pub(crate) use ports::{Addresses, Bound};
use serving::Serving;
pub use shared::NotInTime;
pub(crate) use shared::{Shared, now};
use stored::Stored;

use crate::{BrokerConfig, Cluster};

/// A broker, or several that form a cluster, that listens on TCP on a thread of its own. Dropping the server stops it.
///
/// The methods of [`Control`] command it: see there.
pub struct Server {
    addresses: Addresses,
    control: Control,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the brokers. When this returns, they accept connections, and the topics of the configuration have leaders.
    ///
    /// # Errors
    /// A broker cannot listen at its address, for example because its port is taken; a topic of the configuration has a name
    /// that is not allowed; or the system has no thread or socket left.
    pub fn start(config: BrokerConfig) -> io::Result<Self> {
        check_topics(&config)?;
        let Bound { listeners, addresses, advertised } = Bound::of(&config)?;
        let (poll, net, waker) = polling::queue(config.nodes().collect())?;
        let wake = Box::new(move || {
            // Waking fails only if the queue is full of wake-ups, and then one is pending.
            let _ = waker.wake();
        });
        // Ports are bound before the directory is opened: the cluster needs the addresses for its Metadata answers.
        let data_dir = config.data_dir.clone();
        let mut cluster = Cluster::new(config, &advertised, now());
        let stored = data_dir.map(|path| Stored::open(&path, &mut cluster)).transpose()?;
        let shared = Arc::new(Shared::new(cluster, wake));
        // The listeners are registered here and not on the thread, so that their errors reach the caller.
        let serving = Serving::new(net, listeners, stored)?;
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("kafka08-broker".to_owned());
        let thread = thread.spawn(move || polling::run(&of_thread, poll, serving))?;
        Ok(Self { addresses, control: Control::new(shared), thread: Some(thread) })
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

    /// The handle that commands the brokers. It can be cloned, and used on any thread.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Ends the process of a broker, as `kill -9` does: [`Cluster::kill`]. When this returns, its port is closed.
    pub fn kill(&self, node: NodeId) {
        self.control.shared().with_and_wait(|cluster, now| cluster.kill(node, now));
    }

    /// Starts a broker that was stopped or killed: [`Cluster::start`]. When this returns, its port is open, unless another process
    /// has taken it meanwhile.
    pub fn start_again(&self, node: NodeId) {
        self.control.shared().with_and_wait(|cluster, now| cluster.start(node, now));
    }

    /// Stops the brokers, as dropping the server does. When this returns, their ports are free and their connections are closed.
    pub fn stop(self) {}
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
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is a bug, and its message was printed already. `drop` must not panic as well.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
