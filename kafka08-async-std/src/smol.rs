//! The client on smol: the same names as in the root of the crate.

use std::{io, net::SocketAddr, time::Instant};

pub use kafka08_async::{
    AppendError, AssignError, AssignmentStats, BootstrapError, Call, CallError, Choose, CloseReport, ClusterCallError,
    ClusterConfig, CommitCause, CommitError, ConnectError, ConsumeError, ConsumerConfig, ConsumerEvent, ConsumerStats,
    CorruptPolicy, Delivered, Delivery, DeliveryError, EndAt, FetchCause, FlushError, HostPort, MAX_UNTOLD, Messages,
    OffsetStore, OwnedMessage, Partitioner, Pending, ProduceCause, ProduceError, ProducerConfig, ProducerStats, Record,
    ReleaseSetting, Reset, ResetCause, RetryPolicy, SendError, SendSetError, ServeConfig, ServerStats, StartAt,
    Undecoded, Undelivered, bytes, kafka08_client, proto,
};
use kafka08_async::{
    Runtime, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
    proto::{ClientConfig, probe::Release},
};
use smol::net::{TcpListener, TcpStream, resolve};

use crate::Timer;

/// A connection to one broker, for any number of tasks, on smol. See [`kafka08_async::Client`].
pub type Client = kafka08_async::Client<Smol>;

/// A consumer for any number of tasks, on smol. See [`kafka08_async::Consumer`].
pub type Consumer = kafka08_async::Consumer<Smol>;

/// The messages of a consumer one by one, on smol. See [`kafka08_async::MessageStream`].
pub type MessageStream = kafka08_async::MessageStream<Smol>;

/// A producer for any number of tasks, on smol. See [`kafka08_async::Producer`].
pub type Producer = kafka08_async::Producer<Smol>;

/// A client of all brokers of a cluster, for any number of tasks, on smol. See [`kafka08_async::Cluster`].
pub type Cluster = kafka08_async::Cluster<Smol>;

/// A server for clients of Kafka 0.8, on smol. See [`kafka08_async::Server`].
pub type Server = kafka08_async::Server<Smol>;

/// smol as a runtime. It is a marker and has no values.
///
/// Tasks run on smol's global executor. For an executor of your own, pass the task of
/// [`Client::with_task`](kafka08_async::Client::with_task) to it.
#[derive(Debug)]
pub enum Smol {}

impl Runtime for Smol {
    type Timer = Timer;
    type TcpStream = TcpStream;
    type TcpListener = TcpListener;

    fn now() -> Instant {
        // smol has no clock of its own that could be paused.
        Instant::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        // On smol's pool of threads, because the system's call blocks.
        resolve((target.host(), target.port())).await
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

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wrap<S> for Smol {
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
    kafka08_async::probe::<Smol>(target, config).await
}
