//! How a client is created.

use std::{marker::PhantomData, net::SocketAddr, sync::Arc};

use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::{ClientConfig, HostPort, adapter::ConnectError};

use super::{Client, Handle, shared::Shared, task::Task};
use crate::{
    Runtime, Wrap,
    io::{self, Driver},
};

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Client<Rt> {
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
        let (stream, _) = io::connect::<Rt>(&target, config.connect_timeout()).await?;
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
        let (stream, _) = io::try_each::<Rt>(&target, addresses, config.connect_timeout()).await?;
        Ok(Self::of_socket(stream, config.with_peer(target)))
    }

    /// Creates a client over a bare TCP socket that is connected already, and spawns the connection's task. Bytes that
    /// a write does not report as taken have not been sent, so a request of which no byte was written can be withdrawn.
    ///
    /// # Panics
    /// As [`Runtime::spawn`]: tokio panics outside of a runtime.
    #[must_use]
    pub fn of_socket(stream: Rt::TcpStream, config: ClientConfig) -> Self {
        let (client, task) = Self::with_driver(Driver::of_socket(Rt::wrap(stream)), config);
        Rt::spawn(task);
        client
    }
}

impl<Rt: Runtime> Client<Rt> {
    /// Creates a client over a connected stream, such as a TLS stream or a pipe in memory, and spawns the connection's
    /// task.
    ///
    /// The stream may keep bytes that it does not report as taken, as TLS layers do. So a request that was offered to
    /// it is never withdrawn. If such a request fails, the broker may have acted on it. [`ClientConfig::with_peer`]
    /// gives errors a name for the other end.
    ///
    /// # Panics
    /// As [`Runtime::spawn`]: tokio panics outside of a runtime.
    #[must_use]
    pub fn new<S>(stream: S, config: ClientConfig) -> Self
    where
        Rt: Wrap<S>,
        S: 'static,
    {
        let (client, task) = Self::with_task(stream, config);
        Rt::spawn(task);
        client
    }

    /// Creates a client and its connection's task, for callers who spawn by other means. Run the task in the runtime;
    /// nothing moves before. The task ends with the connection. If it is dropped before that, every call ends.
    pub fn with_task<S>(stream: S, config: ClientConfig) -> (Self, impl Future<Output = ()> + Send + use<Rt, S>)
    where
        Rt: Wrap<S>,
    {
        Self::with_driver(Driver::new(Rt::wrap(stream)), config)
    }

    fn with_driver<S>(driver: Driver<S>, config: ClientConfig) -> (Self, impl Future<Output = ()> + Send + use<Rt, S>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let shared = Arc::new(Shared::new(config));
        // The task is created outside of the future. If the future is dropped before it has run, the task still ends
        // all calls.
        let task = Task::<Rt, S>::new(driver, Arc::clone(&shared));
        (Self { handle: Arc::new(Handle(shared)), runtime: PhantomData }, task.run())
    }
}
