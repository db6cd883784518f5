//! The server's side: a closure answers the requests of clients.

use std::{fmt, future, io, net::TcpListener};

use kafka08_async::{Call, ServeConfig, ServerStats};

use crate::threads::{self, Pollable, Threads, block_on};

/// A server for clients of Kafka 0.8: a mock, a proxy or a gateway. Each connection has a thread.
///
/// A handler gets each request as a [`Call`], in the order in which the requests of a connection arrive, and answers it at once
/// or later, on any thread. It runs on the thread of the connection and may block, but nothing of the connection moves meanwhile.
///
/// A handler that panics ends its connection. Others go on. A request that has arrived is served, also if its client has left
/// since then. Dropping the server stops it in the background, as [`Server::stop`] does.
///
/// ```
/// use std::net::TcpListener;
///
/// use kafka08_blocking::{Client, ServeConfig, Server, proto::{ClientConfig, api::{MetadataRequest, MetadataResponse}}};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let server = Server::serve(listener, ServeConfig::default(), |call| {
///     if call.decode::<MetadataRequest>().is_ok() {
///         let _ = call.respond(&MetadataResponse::default());
///     }
/// })?;
/// let mut client = Client::connect(&address.to_string(), ClientConfig::default())?;
/// assert_eq!(client.call(&MetadataRequest::all())?.brokers(), []);
/// drop(client);
/// println!("{:?}", server.stop());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the server stops it"]
pub struct Server {
    server: kafka08_async::Server<Threads>,
}

impl Server {
    /// Serves the connections of a listener, on threads of their own. The listener becomes non-blocking.
    ///
    /// If the system has no descriptor left for another connection, the server tries again after a moment.
    ///
    /// # Errors
    /// The listener cannot be made non-blocking.
    pub fn serve<H>(listener: TcpListener, config: ServeConfig, handler: H) -> io::Result<Self>
    where
        H: Fn(Call) + Send + Sync + 'static,
    {
        let listener = threads::listener(listener)?;
        Ok(Self { server: kafka08_async::Server::serve(listener, config, answered(handler)) })
    }

    /// Serves one client on a stream that is already connected and **non-blocking**, such as a TLS stream, on a thread of its
    /// own.
    pub fn serve_stream<S, H>(stream: S, config: ServeConfig, handler: H) -> Self
    where
        S: Pollable + 'static,
        H: Fn(Call) + Send + Sync + 'static,
    {
        Self { server: kafka08_async::Server::serve_stream(stream, config, answered(handler)) }
    }

    /// Stops the server: it accepts no connection and reads no request any more, and closes each connection when its open calls
    /// were answered and the responses were written.
    ///
    /// *Time*: at most [`ServeConfig::with_stop_timeout`], unless a handler blocks for longer. When this returns, all
    /// connections have ended, and the port is free.
    pub fn stop(&self) -> ServerStats {
        block_on(self.server.stop())
    }

    /// Waits until the server has stopped accepting and all connections have ended, without a time limit. A server of one stream
    /// ends with its client.
    pub fn wait_ended(&self) -> ServerStats {
        block_on(self.server.wait_ended())
    }

    /// What the server has counted so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.server.stats()
    }
}

/// The handler as one of futures, which are ready when they are made.
fn answered(handler: impl Fn(Call)) -> impl Fn(Call) -> future::Ready<()> {
    move |call| {
        handler(call);
        future::ready(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
