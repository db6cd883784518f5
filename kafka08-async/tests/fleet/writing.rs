//! A link whose writes fail is still read.

use std::{
    future::Future,
    io,
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use kafka08_async::{
    HostPort, Runtime, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
    proto::{
        ClientConfig,
        connection::{CloseReason, RequestError},
    },
};

use crate::{
    echoes::Event,
    homes::Home,
    owners::{News, start_on},
    peers::{answer, peer, read_id, wait_closed},
};

at_each_home!(after_a_failed_write_the_answers_that_are_due_are_read);

/// A runtime whose streams take one write, and fail the next.
struct Failing<H>(PhantomData<fn() -> H>);

type Socket<H> = <<H as Home>::Rt as Runtime>::TcpStream;

impl<H: Home> Runtime for Failing<H> {
    type Timer = <H::Rt as Runtime>::Timer;
    type TcpStream = Socket<H>;
    type TcpListener = <H::Rt as Runtime>::TcpListener;

    fn now() -> Instant {
        H::Rt::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        H::Rt::spawn(task);
    }

    fn look_up(target: &HostPort) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        H::Rt::look_up(target)
    }

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Socket<H>>> + Send {
        H::Rt::connect(address)
    }

    fn accept(listener: &Self::TcpListener) -> impl Future<Output = io::Result<Socket<H>>> + Send {
        H::Rt::accept(listener)
    }

    fn is_pending_true() -> bool {
        H::Rt::is_pending_true()
    }
}

impl<H: Home> Wrap<Socket<H>> for Failing<H> {
    type Stream = FailingStream<<H::Rt as Wrap<Socket<H>>>::Stream>;

    fn wrap(stream: Socket<H>) -> Self::Stream {
        FailingStream { inner: H::Rt::wrap(stream), writes: 0 }
    }
}

struct FailingStream<S> {
    inner: S,
    writes: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for FailingStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, space)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FailingStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes += 1;
        if self.writes > 1 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

fn after_a_failed_write_the_answers_that_are_due_are_read<H: Home>() {
    let address = peer(|mut stream| {
        let id = read_id(&mut stream);
        // The second write fails meanwhile.
        thread::sleep(Duration::from_millis(200));
        answer(&mut stream, id);
        wait_closed(stream);
    });
    let handle = start_on::<H, Failing<H>>(ClientConfig::default(), |_| {});
    let link = handle.open(address, 1, 2);
    while handle.next() != News::Event(Event::Sent(link)) {}
    handle.with(|machine, now| machine.ask(now, link, 1, 2));
    match handle.next_outcome() {
        Event::Failed(failed, RequestError::Closed(CloseReason::Disconnected { .. })) => assert_eq!(failed, link),
        event => panic!("{event:?}"),
    }
    assert_eq!(handle.next_outcome(), Event::Answered(link));
    assert!(matches!(handle.next_outcome(), Event::Ended(ended, _) if ended == link));
}
