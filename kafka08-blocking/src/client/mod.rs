//! The client, and how it is created.

mod answers;
mod claims;
mod sending;
mod turn;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use claims::Claims;
use kafka08_async::{
    identity::next_id,
    trace::{Teller, Trace},
};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _, HostPort,
    adapter::{CallError, ConnectError},
    connection::{ClientStats, Closed},
    ids::CorrelationId,
};

use crate::{connect, driver::Driver, pending::Dropped};

/// A connection to one broker, for one thread at a time.
///
/// [`Client::send`] sends a request and returns a [`Pending`](crate::Pending), the claim to its response.
/// [`Client::wait`] takes responses, in any order. Bytes move only while one of the methods runs. Each of them reads
/// while it waits to write, and keeps the responses that arrive meanwhile. A response that nobody has taken still
/// counts as in flight ([`ClientConfig::with_max_in_flight`]).
///
/// *Staging.* A small request is written at once only if nothing is in flight. Otherwise it is staged, and written
/// together with others: when 16 KiB are staged, or in the next call of any other method that moves bytes. If you send
/// and then do something else for long, call [`Client::write`] first.
///
/// *Time.* Each method has a time limit, whatever else is in flight; its documentation says which. Between calls no
/// deadline fires, and a request whose deadline has passed meanwhile is not written.
///
/// *Ends.* Each accepted request ends exactly once. If you hold its `Pending`, [`Client::wait`] or [`Client::try_wait`]
/// returns the result. If you have dropped it, the response is dropped, and [`Client::flush`] and [`Client::close`]
/// list the request if it failed before it was written, or before you dropped the `Pending`. The list is bounded: from
/// [`MAX_UNTOLD`](crate::MAX_UNTOLD) failures on, sending is refused as
/// [busy](kafka08_proto::connection::SendError::Busy) until a flush has listed them.
///
/// Dropping a client closes its connection at once. Staged bytes are written as far as the stream takes them in one
/// attempt. [`Client::close`] writes them all, and returns what failed.
///
/// # Several clients in one thread
///
/// Call [`Client::turn`] on each client until it returns false. Then wait for all sockets together, at most until the
/// earliest [`Client::next_deadline`]. This example waits with `poll` of the crate `rustix`:
///
/// ```no_run
/// use std::time::Instant;
///
/// use kafka08_blocking::{Client, Pending, proto::{ClientConfig, api::MetadataRequest}};
/// use rustix::event::{PollFd, PollFlags, Timespec, poll};
///
/// let mut clients = Vec::new();
/// for broker in ["broker1:9092", "broker2:9092"] {
///     let mut client = Client::connect(broker, ClientConfig::default())?;
///     let pending = client.send(&MetadataRequest::all())?;
///     clients.push((client, Some(pending)));
/// }
/// while clients.iter().any(|(_, pending)| pending.is_some()) {
///     for (client, pending) in &mut clients {
///         while client.turn() {}
///         *pending = match pending.take().map(|pending| client.try_wait(pending)) {
///             Some(Err(still_pending)) => Some(still_pending),
///             Some(Ok(answer)) => {
///                 println!("{:?}", answer?);
///                 None
///             }
///             None => None,
///         };
///     }
///     let waiting = || clients.iter().filter(|(_, pending)| pending.is_some()).map(|(client, _)| client);
///     let deadline = waiting().filter_map(Client::next_deadline).min();
///     let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
///     let mut sockets: Vec<_> = waiting()
///         .map(|client| {
///             let writes = if client.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
///             PollFd::new(client, PollFlags::IN | writes)
///         })
///         .collect();
///     if !sockets.is_empty() {
///         poll(&mut sockets, left.and_then(|left| Timespec::try_from(left).ok()).as_ref())?;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client<S: Read + Write + AsFd = TcpStream> {
    driver: Driver<S>,
    connection: ClientConnection,
    /// The requests that a caller may wait for, and the outcomes of those that have ended. At most `max_in_flight`.
    claims: Claims,
    /// The ids of claims that were dropped and not handled yet.
    dropped: Dropped,
    /// Requests whose claim was dropped, and which may not have been written yet. If one of them fails, the failure is
    /// reported.
    orphans: BTreeSet<CorrelationId>,
    /// The failures of requests that nobody waits for, in the order of failing. The next flush lists them.
    untold: Vec<CallError>,
    closed: Option<Closed>,
    /// What `tracing` is told, with the feature of that name.
    trace: Trace,
    teller: Teller,
}

impl Client<TcpStream> {
    /// Connects to a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`.
    ///
    /// Every address of the host is tried, within [`ClientConfig::with_connect_timeout`]. Each attempt gets an even
    /// share of the time that is left, so an address that does not answer leaves time for the others. The timeout does
    /// not include the lookup of the name. `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// The target is not a host and a port, the name has no address, or no address answers. The error lists the
    /// attempts.
    pub fn connect(target: &str, config: ClientConfig) -> Result<Self, ConnectError> {
        Self::connect_to(target.parse()?, config)
    }

    /// [`Client::connect`] to a [`HostPort`], such as that of a metadata response.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_to(target: HostPort, config: ClientConfig) -> Result<Self, ConnectError> {
        // The lookup has no timeout, because the standard library has none for it, and a thread for it would outlive
        // the call.
        match connect::look_up(&target) {
            Ok(addresses) => Self::connect_addresses(target, &addresses, config),
            Err(error) => Err(ConnectError::Resolve { target, error }),
        }
    }

    /// [`Client::connect`] to the first of these addresses that answers, for callers who look up names themselves.
    /// Errors name `target`.
    ///
    /// # Errors
    /// There is no address, or none answers. The error lists the attempts.
    pub fn connect_addresses(
        target: HostPort,
        addresses: &[SocketAddr],
        config: ClientConfig,
    ) -> Result<Self, ConnectError> {
        let stream = connect::connect(&target, addresses, config.connect_timeout())?;
        Ok(Self::of_socket(stream, config.with_peer(target)))
    }
}

impl<S: Read + Write + AsFd> Client<S> {
    /// Creates a client over any stream that is already connected and **non-blocking**, such as a TLS stream or a
    /// proxy's.
    ///
    /// A stream that blocks would block every method, beyond any timeout. Layers such as TLS have buffers of their own.
    /// So the client reads from the stream until it would block, and only then waits for its socket, and flushes until
    /// the stream has no bytes left. Complete the TLS handshake before you pass the stream: while a write is blocked
    /// because the stream must read first, the client loops without waiting.
    ///
    /// Such a stream may keep bytes of a write and still report that it would block. So once a request was passed to
    /// `write`, it cannot be withdrawn: at its deadline the connection ends, and the broker may have acted on the
    /// request. A bare socket does not do this; pass it to [`Client::of_socket`].
    ///
    /// [`ClientConfig::with_peer`] gives errors a name for the other end. TLS streams have no [`AsFd`] of their own, so
    /// they need a type around them:
    ///
    /// ```
    /// use std::{io::{self, Read, Write}, net::TcpStream, os::fd::{AsFd, BorrowedFd}};
    ///
    /// /// A TLS stream, and the socket that it stands on.
    /// struct OverTls<T> {
    ///     tls: T,
    ///     /// `TcpStream::try_clone` of the one that `tls` has.
    ///     socket: TcpStream,
    /// }
    ///
    /// impl<T: Read> Read for OverTls<T> {
    ///     fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
    ///         self.tls.read(space)
    ///     }
    /// }
    ///
    /// impl<T: Write> Write for OverTls<T> {
    ///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
    ///         self.tls.write(bytes)
    ///     }
    ///
    ///     fn flush(&mut self) -> io::Result<()> {
    ///         self.tls.flush()
    ///     }
    /// }
    ///
    /// impl<T> AsFd for OverTls<T> {
    ///     fn as_fd(&self) -> BorrowedFd<'_> {
    ///         self.socket.as_fd()
    ///     }
    /// }
    /// # fn takes_it<T: Read + Write>(stream: OverTls<T>) -> kafka08_blocking::Client<OverTls<T>> {
    /// #     kafka08_blocking::Client::new(stream, Default::default())
    /// # }
    /// ```
    #[must_use]
    pub fn new(stream: S, config: ClientConfig) -> Self {
        Self::over(Driver::new(stream), config)
    }

    /// Creates a client over a bare socket that is already connected and **non-blocking**: a TCP socket with options of
    /// its own, or a Unix socket. Bytes that a write does not report as taken have not been sent, so a request of which
    /// no byte was written can be withdrawn at its deadline.
    #[must_use]
    pub fn of_socket(socket: S, config: ClientConfig) -> Self {
        Self::over(Driver::of_socket(socket), config)
    }

    fn over(driver: Driver<S>, config: ClientConfig) -> Self {
        // Counted together with the shared clients, so that no two connections of the process have the same id.
        let id = next_id();
        let (teller, trace) = Teller::new(&config, id);
        Self {
            driver,
            connection: ClientConnection::new(config, id),
            claims: Claims::default(),
            dropped: Dropped::default(),
            orphans: BTreeSet::new(),
            untold: Vec::new(),
            closed: None,
            trace,
            teller,
        }
    }

    /// The address of the broker, if it is known.
    #[must_use]
    pub fn peer(&self) -> Option<&HostPort> {
        self.config().peer().map(AsRef::as_ref)
    }

    /// Why the connection has ended, and which requests are unconfirmed. `None` if the last call has not found its end.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.connection.config()
    }

    /// Counters of the connection.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.connection.stats()
    }

    /// The stream, for example to read its settings or addresses.
    pub fn stream(&self) -> &S {
        self.driver.stream()
    }

    /// The latest time for the next [`Client::turn`], or `None` if there is no deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Whether to poll the client's socket for reading. True until the connection has ended.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.connection.wants_read()
    }

    /// Whether to poll the client's socket for writing too. True if bytes are staged.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.driver.wants_write(&self.connection)
    }
}

/// The descriptor of the stream, for example to poll several clients together.
impl<S: Read + Write + AsFd> AsFd for Client<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.driver.stream().as_fd()
    }
}

impl<S: Read + Write + AsFd> Drop for Client<S> {
    /// Tries once to write the staged requests.
    fn drop(&mut self) {
        // The panic may come from the stream, so the stream is not used again.
        if !std::thread::panicking() && self.wants_write() {
            self.step();
        }
    }
}
