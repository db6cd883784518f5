//! The client on async-std.

use std::{io, net::SocketAddr, time::Instant};

use async_std::{
    net::{TcpListener, TcpStream, ToSocketAddrs as _},
    task,
};
use kafka08_async::{
    ConnectError, HostPort, Runtime, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
    proto::{ClientConfig, probe::Release},
};

use crate::Timer;

/// A connection to one broker, for any number of tasks, on async-std. See [`kafka08_async::Client`].
pub type Client = kafka08_async::Client<AsyncStd>;

/// A consumer for any number of tasks, on async-std. See [`kafka08_async::Consumer`].
pub type Consumer = kafka08_async::Consumer<AsyncStd>;

/// The messages of a consumer one by one, on async-std. See [`kafka08_async::MessageStream`].
pub type MessageStream = kafka08_async::MessageStream<AsyncStd>;

/// A producer for any number of tasks, on async-std. See [`kafka08_async::Producer`].
pub type Producer = kafka08_async::Producer<AsyncStd>;

/// A client of all brokers of a cluster, for any number of tasks, on async-std. See [`kafka08_async::Cluster`].
pub type Cluster = kafka08_async::Cluster<AsyncStd>;

/// A server for clients of Kafka 0.8, on async-std. See [`kafka08_async::Server`].
pub type Server = kafka08_async::Server<AsyncStd>;

/// async-std as a runtime. It is a marker and has no values.
#[derive(Debug)]
pub enum AsyncStd {}

impl Runtime for AsyncStd {
    type Timer = Timer;
    type TcpStream = TcpStream;
    type TcpListener = TcpListener;

    fn now() -> Instant {
        // async-std has no clock of its own that could be paused.
        Instant::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        // Dropping the handle lets the task run on.
        drop(task::spawn(task));
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Ok((target.host(), target.port()).to_socket_addrs().await?.collect())
    }

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        // A socket that its peer has reset already cannot be set. Reading finds out.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wrap<S> for AsyncStd {
    type Stream = S;

    fn wrap(stream: S) -> S {
        stream
    }
}

/// Finds out the release of a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`. See [`kafka08_async::probe`].
///
/// # Errors
/// As [`kafka08_async::probe`].
///
/// # Cancel safety
/// Dropping this future closes the connection.
pub async fn probe(target: &str, config: &ClientConfig) -> Result<Release, ConnectError> {
    kafka08_async::probe::<AsyncStd>(target, config).await
}
