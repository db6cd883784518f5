//! Tokio as a runtime.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use kafka08_async::{HostPort, Runtime, Timer, Wrap};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, lookup_host},
    task::coop::has_budget_remaining,
    time::{Sleep, sleep_until},
};

use crate::Stream;

/// Tokio, in either flavour. It is a marker and has no values.
#[derive(Debug)]
pub enum Tokio {}

impl Runtime for Tokio {
    type Timer = Sleeping;
    type TcpStream = TcpStream;
    type TcpListener = TcpListener;

    fn now() -> Instant {
        // Tokio's clock can be paused in tests.
        tokio::time::Instant::now().into_std()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host((target.host(), target.port())).await?.collect())
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

    fn is_pending_true() -> bool {
        // A task whose budget is used up gets `Pending` from streams that are ready.
        has_budget_remaining()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wrap<S> for Tokio {
    type Stream = Stream<S>;

    fn wrap(stream: S) -> Stream<S> {
        Stream(stream)
    }
}

/// A timer of tokio.
#[derive(Debug)]
pub struct Sleeping(Pin<Box<Sleep>>);

impl Timer for Sleeping {
    fn at(deadline: Instant) -> Self {
        Self(Box::pin(sleep_until(deadline.into())))
    }

    fn reset(&mut self, deadline: Instant) {
        // Tokio keeps the timer's place in its wheel, so this is cheaper than a new one.
        self.0.as_mut().reset(deadline.into());
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
