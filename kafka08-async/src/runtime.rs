//! What a runtime gives: sockets, a timer, a clock and a place for tasks. Nothing else of this crate depends on one.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::HostPort;

/// A runtime, such as tokio or smol.
///
/// The implementing type is a marker: it has no values, and its functions are called in tasks of the runtime. Handles of
/// a client therefore hold nothing of the runtime, and can be used from any thread and any task, also of another runtime.
///
/// An implementation is about a hundred lines; `kafka08-tokio` and `kafka08-async-std` have one for each runtime.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// A timer that can be set again.
    type Timer: Timer;
    /// A connected TCP socket. [`Wrap`] makes it a stream.
    type TcpStream: Send + Unpin + 'static;
    /// A TCP socket that accepts connections.
    type TcpListener: Send + Sync + 'static;

    /// The time of the runtime's clock. Runtimes whose clock can be paused in tests return the paused time.
    fn now() -> Instant;

    /// Runs a task until it ends. Nobody waits for it.
    ///
    /// # Panics
    /// May panic outside of the runtime.
    fn spawn(task: impl Future<Output = ()> + Send + 'static);

    /// Looks up the addresses of a host, without blocking other tasks.
    fn look_up(target: &HostPort) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects a socket, and sets `TCP_NODELAY`: the client gathers small requests itself, so the system would only
    /// delay the last of them.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send;

    /// Accepts a connection, and sets `TCP_NODELAY`.
    fn accept(listener: &Self::TcpListener) -> impl Future<Output = io::Result<Self::TcpStream>> + Send;

    /// Whether a stream that has just returned [`Poll::Pending`] has shown that it is not ready. False if the runtime
    /// makes streams pend so that the task lets others run; the stream may then have more bytes. Default: true.
    fn is_pending_true() -> bool {
        true
    }
}

/// Makes a stream of type `S` one that a connection can use on this runtime.
///
/// The connection reads and writes through the traits of `futures-io`. For streams that have other traits, such as
/// tokio's, the runtime puts a type around the stream.
pub trait Wrap<S>: Runtime {
    /// The stream that the connection uses.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    /// Wraps a stream.
    fn wrap(stream: S) -> Self::Stream;
}

/// A timer of a [`Runtime`].
pub trait Timer: Send + Unpin {
    /// Creates a timer that fires at `deadline`. Called in a task of the runtime.
    fn at(deadline: Instant) -> Self;

    /// Sets the timer to another time, whether it has fired or not.
    fn reset(&mut self, deadline: Instant);

    /// Returns whether the timer has fired. If not, wakes the task when it fires.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
