//! The server's side: a handler answers the requests of clients.
//!
//! | file | what it owns |
//! |---|---|
//! | `config` | settings |
//! | `shared` | the state of a connection, and the list of connections |
//! | `call` | a request that the handler has to answer |
//! | `task` | the task of one connection |
//! | `accept` | the task of a listener |

mod accept;
mod call;
mod config;
mod shared;
mod task;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

pub use call::Call;
pub use config::ServeConfig;
use shared::Registry;
pub use shared::ServerStats;

use crate::{Runtime, Wrap, io::Driver};

/// About 30 years.
const NEVER: Duration = Duration::from_secs(1_000_000_000);

/// A server for clients of Kafka 0.8: a mock, a proxy or a gateway.
///
/// A handler gets each request as a [`Call`], and answers it at once or later. It is called in the order in which the
/// requests of a connection arrive, and its futures run in the task of the connection. By default one call of a
/// connection is open at a time, as in a broker; [`ServerConfig::with_max_open_calls`] allows more.
///
/// A handler that panics ends its connection. Others go on.
///
/// A request that has arrived is served, also if its client has left since then. Dropping the server stops it in the
/// background, as [`Server::stop`] does.
///
/// [`ServerConfig::with_max_open_calls`]: kafka08_proto::ServerConfig::with_max_open_calls
#[must_use = "dropping the server stops it"]
pub struct Server<Rt: Runtime> {
    registry: Arc<Registry>,
    runtime: PhantomData<fn() -> Rt>,
}

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Server<Rt> {
    /// Serves the connections of a listener, in tasks of their own.
    ///
    /// If the system has no descriptor left for another connection, the server tries again after a moment.
    ///
    /// # Panics
    /// As [`Runtime::spawn`]: tokio panics outside of a runtime.
    pub fn serve<H, F>(listener: Rt::TcpListener, config: ServeConfig, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let registry = Arc::new(Registry::new(config, true));
        Rt::spawn(accept::run::<Rt, H, F>(listener, Arc::clone(&registry), Arc::new(handler)));
        Self { registry, runtime: PhantomData }
    }
}

impl<Rt: Runtime> Server<Rt> {
    /// Serves one client on a connected stream, such as a TLS stream or a pipe in memory, in a task of its own.
    ///
    /// # Panics
    /// As [`Runtime::spawn`]: tokio panics outside of a runtime.
    pub fn serve_stream<S, H, F>(stream: S, config: ServeConfig, handler: H) -> Self
    where
        Rt: Wrap<S>,
        S: 'static,
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let registry = Arc::new(Registry::new(config, false));
        accept::admit::<Rt, _, _, _>(Driver::new(Rt::wrap(stream)), &registry, &Arc::new(handler));
        Self { registry, runtime: PhantomData }
    }

    /// Stops the server: it accepts no connection and reads no request any more, and closes each connection when its open
    /// calls were answered and the responses were written. Returns when all connections have ended, which is within
    /// [`ServeConfig::with_stop_timeout`], and the port is free.
    ///
    /// # Cancel safety
    /// The server stops even if this future is dropped after it was polled.
    pub async fn stop(&self) -> ServerStats {
        self.begin_stop();
        self.wait_ended().await
    }

    /// Waits until the server has stopped accepting and all connections have ended. A server of one stream ends with its
    /// client.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing.
    pub async fn wait_ended(&self) -> ServerStats {
        self.registry.wait_ended().await;
        self.stats()
    }

    /// What the server has counted so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.registry.stats()
    }

    fn begin_stop(&self) {
        let now = Rt::now();
        // A time that the clock cannot represent is replaced by one that nobody waits for.
        let by = now.checked_add(self.registry.config.stop_timeout).unwrap_or_else(|| now + NEVER);
        self.registry.stop(by);
    }
}

impl<Rt: Runtime> Drop for Server<Rt> {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

impl<Rt: Runtime> fmt::Debug for Server<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
