//! Settings of a server.

use std::{fmt, sync::Arc, time::Duration};

use kafka08_proto::{ServerConfig, connection::ServerCloseReason, ids::ConnectionId};

/// What is called when a connection has ended.
pub(super) type EndHook = Arc<dyn Fn(ConnectionId, &ServerCloseReason) + Send + Sync>;

/// Settings of a [`Server`](crate::Server).
#[derive(Clone)]
pub struct ServeConfig {
    pub(super) connection: ServerConfig,
    pub(super) max_connections: usize,
    pub(super) idle_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) on_end: Option<EndHook>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            connection: ServerConfig::default(),
            max_connections: 256,
            idle_timeout: Duration::from_secs(600),
            stop_timeout: Duration::from_secs(30),
            on_end: None,
        }
    }
}

impl ServeConfig {
    /// Sets the limits of each connection: the size of a request, how long it may take to arrive, how many calls may be
    /// open, and how many bytes may be staged.
    #[must_use]
    pub fn with_connection(mut self, config: ServerConfig) -> Self {
        self.connection = config;
        self
    }

    /// Sets how many connections may be open. One more is accepted and closed at once. Default: 256. A broker has no such
    /// limit in 0.8. At least 1.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets how long a connection may rest before it is closed: no bytes move, although the client could send a request or
    /// take a response. Time in which a handler works is not counted. Default: 10 min, as `connections.max.idle.ms` of
    /// 0.8.2.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long [`Server::stop`](crate::Server::stop) waits for open calls and for responses that are not written.
    /// After that, connections are closed as they are. Default: 30 s. No Kafka setting corresponds to it.
    #[must_use]
    pub fn with_stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Sets a function that is called when a connection has ended, with the reason. It runs in the connection's task, so
    /// it must not block.
    #[must_use]
    pub fn with_end_hook(mut self, hook: impl Fn(ConnectionId, &ServerCloseReason) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Arc::new(hook));
        self
    }

    /// The limits of each connection.
    #[must_use]
    pub fn connection(&self) -> &ServerConfig {
        &self.connection
    }

    /// How many connections may be open.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// How long a connection may rest before it is closed.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How long stopping waits for open calls.
    #[must_use]
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("connection", &self.connection)
            .field("max_connections", &self.max_connections)
            .field("idle_timeout", &self.idle_timeout)
            .field("stop_timeout", &self.stop_timeout)
            .finish_non_exhaustive()
    }
}
