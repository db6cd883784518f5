//! The client for many threads.

mod pending;
mod sending;

use std::{
    fmt,
    net::{SocketAddr, TcpStream},
};

use kafka08_async::{
    HostPort, Runtime, Wrap,
    proto::{
        ClientConfig,
        adapter::{CloseReport, ConnectError, FlushError},
        connection::Closed,
    },
};

pub use pending::SharedPending;

use crate::threads::{Pollable, Socket, Threads, block_on, run};

/// A connection to one broker, for any number of threads. Cloning returns another handle of it, and is cheap.
///
/// The methods have the names of [`Client`](crate::Client), and take `&self`. A thread of the client's own moves the bytes:
/// requests are written and responses are read also while no method runs. The thread sleeps in `poll(2)`; if it is awake,
/// sending a request makes no system call.
///
/// [`SharedClient::send`] blocks while there is no place in flight ([`ClientConfig::with_max_in_flight`]; a response that
/// nobody has taken still counts), while too many bytes are staged ([`ClientConfig::with_max_staged`]), or while the response to
/// a request that has timed out may still arrive. Waiting requests are sent in the order of the calls.
///
/// *Time.* Each method has a time limit, whatever else is in flight; its documentation says which.
///
/// *Ends.* Each accepted request ends exactly once: by its [`SharedPending`], or, if nobody waits for it, in the list of the next
/// [`SharedClient::flush`] or [`SharedClient::close`]. When the last handle is dropped, the connection closes after staged
/// requests were written and awaited responses came, without blocking the caller.
///
/// ```
/// use std::thread;
///
/// use kafka08_blocking::{SharedClient, proto::{ClientConfig, api::MetadataRequest}};
/// # use kafka08_broker::{BrokerConfig, Server};
/// # let server = Server::start(BrokerConfig::default())?;
/// # let broker = &server.host_port();
///
/// let client = SharedClient::connect(broker, ClientConfig::default())?;
/// thread::scope(|scope| {
///     for topic in ["page-views", "sign-ups"] {
///         let client = &client;
///         scope.spawn(move || println!("{:?}", client.call(&MetadataRequest::of([topic]))));
///     }
/// });
/// println!("{}", client.close());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `Rt` says how the client's thread waits. Programs use [`Threads`]; tests of the client replace it.
pub struct SharedClient<Rt = Threads> {
    client: kafka08_async::Client<Rt>,
}

impl SharedClient {
    /// Connects to a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and starts the client's thread.
    ///
    /// The call ends within [`ClientConfig::with_connect_timeout`], which includes the lookup of the name: a thread of its own
    /// looks it up. Every address of the host is tried. Each attempt gets an even share of the time that is left. `TCP_NODELAY`
    /// is set.
    ///
    /// # Errors
    /// The target is not a host and a port, the name has no address, or no address answers. The error lists all attempts.
    pub fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        Self::connect_to(target.parse()?, config)
    }

    /// [`SharedClient::connect`] to a [`HostPort`], such as that of a metadata response.
    ///
    /// # Errors
    /// As [`SharedClient::connect`].
    pub fn connect_to(target: HostPort, config: ClientConfig) -> Result<Self, ConnectError> {
        let client = run(kafka08_async::Client::connect_to(target, config)).map_err(ConnectError::Setup)??;
        Ok(Self { client })
    }

    /// [`SharedClient::connect`] to the first of these addresses that answers, for callers who look up names themselves. Errors
    /// name `target`.
    ///
    /// # Errors
    /// There is no address, or none answers. The error lists the attempts.
    pub fn connect_addresses(
        target: HostPort,
        addresses: &[SocketAddr],
        config: ClientConfig,
    ) -> Result<Self, ConnectError> {
        let connecting = kafka08_async::Client::connect_addresses(target, addresses, config);
        Ok(Self { client: run(connecting).map_err(ConnectError::Setup)?? })
    }

    /// Creates a client over a TCP socket that is connected already, and makes the socket non-blocking. Bytes that a write
    /// does not report as taken have not been sent, so a request of which no byte was written can be withdrawn.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking.
    pub fn of_socket(stream: TcpStream, config: ClientConfig) -> std::io::Result<Self> {
        Ok(Self { client: kafka08_async::Client::of_socket(Socket::new(stream)?, config) })
    }

    /// Creates a client over any stream that is already connected and **non-blocking**, such as a TLS stream or a proxy's.
    ///
    /// What [`Client::new`](crate::Client::new) says of such streams holds here too. [`ClientConfig::with_peer`] gives errors a
    /// name for the other end.
    #[must_use]
    pub fn new<S: Pollable + 'static>(stream: S, config: ClientConfig) -> Self {
        Self::over(stream, config)
    }
}

impl<Rt: Runtime> SharedClient<Rt> {
    /// As [`SharedClient::new`], on another runtime: tests of the client replace threads and sockets.
    #[doc(hidden)]
    pub fn over<S>(stream: S, config: ClientConfig) -> Self
    where
        Rt: Wrap<S>,
        S: 'static,
    {
        Self { client: kafka08_async::Client::new(stream, config) }
    }

    /// Waits until the transport has taken all bytes that were staged before. This does not mean that the broker has acted on
    /// them.
    ///
    /// *Time*: at most [`ClientConfig::with_request_timeout`]. It does not wait for later requests, for requests that wait for
    /// room, or for responses.
    ///
    /// # Errors
    /// Requests that nobody waits for have failed since the last flush; the error lists all of them. Or the connection has ended,
    /// even if all bytes had been taken before. Or the time was over.
    pub fn flush(&self) -> Result<(), FlushError> {
        block_on(self.client.flush())
    }

    /// Writes staged requests for at most [`ClientConfig::with_request_timeout`], and closes the connection for all handles.
    ///
    /// Requests in flight and calls that wait for room fail. The report says why the connection has ended, which may have been
    /// before this call. It lists the requests with acks = 0 that the broker may not have applied, and the requests that nobody
    /// waits for and that have failed since the last flush.
    pub fn close(&self) -> CloseReport {
        block_on(self.client.close())
    }

    /// Waits until the connection has ended, without a time limit.
    pub fn wait_closed(&self) -> Closed {
        block_on(self.client.wait_closed())
    }

    /// Why the connection has ended, and which requests are unconfirmed. `None` if it has not ended.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.client.closed()
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.client.config()
    }

    /// The address of the broker, if it is known.
    #[must_use]
    pub fn peer(&self) -> Option<&HostPort> {
        self.client.peer()
    }
}

impl<Rt> Clone for SharedClient<Rt> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone() }
    }
}

impl<Rt> fmt::Debug for SharedClient<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedClient")
            .field("peer", &self.client.peer())
            .field("closed", &self.client.closed())
            .finish_non_exhaustive()
    }
}
