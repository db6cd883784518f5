//! A runtime whose sockets, and any other stream, move one byte at a time, and stop where a test says.

use std::{
    future::{Future, poll_fn},
    io,
    marker::PhantomData,
    mem::take,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_async::{
    HostPort, Runtime, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
};

use crate::runtimes::{On, Socket};

/// The runtime of `H` with sockets that move one byte at a time.
pub(crate) struct OneByte<H>(PhantomData<fn() -> H>);

impl<H: On> Runtime for OneByte<H> {
    type Timer = <H::Rt as Runtime>::Timer;
    type TcpStream = Trickle<Socket<H>>;
    type TcpListener = <H::Rt as Runtime>::TcpListener;

    fn now() -> Instant {
        H::Rt::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        H::Rt::spawn(task);
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        H::Rt::look_up(target).await
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::TcpStream> {
        Ok(Trickle::new(H::Rt::wrap(H::Rt::connect(address).await?), &Pace::stop_after(usize::MAX)))
    }

    async fn accept(listener: &Self::TcpListener) -> io::Result<Self::TcpStream> {
        Ok(Trickle::new(H::Rt::wrap(H::Rt::accept(listener).await?), &Pace::stop_after(usize::MAX)))
    }

    fn is_pending_true() -> bool {
        H::Rt::is_pending_true()
    }
}

/// Any stream with the traits of `futures-io`, as on async-std and smol.
impl<H: On, S: AsyncRead + AsyncWrite + Send + Unpin> Wrap<S> for OneByte<H> {
    type Stream = S;

    fn wrap(stream: S) -> S {
        stream
    }
}

/// How many bytes a stream may move, in both directions together.
pub(crate) struct Pace(Mutex<Moving>);

struct Moving {
    /// `None` after the limit was lifted.
    left: Option<usize>,
    /// Whether the stream panics where it would stop.
    panics: bool,
    /// Tasks of the stream, which wait until the limit is lifted.
    stopped: Vec<Waker>,
    /// Tasks that wait until the stream stops.
    watchers: Vec<Waker>,
}

impl Pace {
    fn new(left: Option<usize>, panics: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Moving { left, panics, stopped: Vec::new(), watchers: Vec::new() })))
    }

    /// The stream stops after so many bytes.
    pub(crate) fn stop_after(bytes: usize) -> Arc<Self> {
        Self::new(Some(bytes), false)
    }

    /// The stream panics after so many bytes.
    pub(crate) fn panic_after(bytes: usize) -> Arc<Self> {
        Self::new(Some(bytes), true)
    }

    pub(crate) fn free() -> Arc<Self> {
        Self::new(None, false)
    }

    fn lock(&self) -> MutexGuard<'_, Moving> {
        self.0.lock().expect("no test panics with it")
    }

    /// Lets the stream move again.
    pub(crate) fn lift(&self) {
        let mut moving = self.lock();
        moving.left = None;
        let stopped = take(&mut moving.stopped);
        drop(moving);
        stopped.into_iter().for_each(Waker::wake);
    }

    /// Waits until the stream has moved as many bytes as it may.
    pub(crate) async fn reached(&self) {
        poll_fn(|cx| {
            let mut moving = self.lock();
            if moving.left == Some(0) {
                return Poll::Ready(());
            }
            moving.watchers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether the stream may move a byte. If not, the task is woken when it may.
    fn lets_go(&self, cx: &Context<'_>) -> bool {
        let mut moving = self.lock();
        let is_stopped = moving.left == Some(0);
        if is_stopped && moving.panics {
            drop(moving);
            panic!("a stream of the user panics");
        }
        if is_stopped {
            moving.stopped.push(cx.waker().clone());
        }
        !is_stopped
    }

    fn count(&self, moved: &Poll<io::Result<usize>>) {
        if !matches!(moved, Poll::Ready(Ok(1))) {
            return;
        }
        let mut moving = self.lock();
        moving.left = moving.left.map(|left| left - 1);
        let watchers = if moving.left == Some(0) { take(&mut moving.watchers) } else { Vec::new() };
        drop(moving);
        watchers.into_iter().for_each(Waker::wake);
    }

    fn is_free(&self) -> bool {
        self.lock().left.is_none()
    }
}

/// A stream that moves one byte at a time. While its pace has a limit, it rests before each byte: it is pending, and
/// wakes its task itself.
pub(crate) struct Trickle<S> {
    stream: S,
    /// One for each direction, or one for both.
    read_pace: Arc<Pace>,
    write_pace: Arc<Pace>,
    reads: usize,
    writes: usize,
}

impl<S> Trickle<S> {
    /// A stream whose directions share a pace.
    pub(crate) fn new(stream: S, pace: &Arc<Pace>) -> Self {
        Self { stream, read_pace: Arc::clone(pace), write_pace: Arc::clone(pace), reads: 0, writes: 0 }
    }

    /// A stream that stops only writing.
    pub(crate) fn that_stops_writing(stream: S, pace: &Arc<Pace>) -> Self {
        Self { read_pace: Pace::free(), ..Self::new(stream, pace) }
    }
}

/// Whether this call rests. A stream whose limit was lifted rests seldom, so that tests are quick.
fn rests(calls: &mut usize, pace: &Pace, cx: &Context<'_>) -> bool {
    *calls += 1;
    let period = if pace.is_free() { 16 } else { 2 };
    let rests = calls.is_multiple_of(period);
    if rests {
        cx.waker().wake_by_ref();
    }
    rests
}

impl<S: AsyncRead + Unpin> AsyncRead for Trickle<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { stream, read_pace: pace, reads, .. } = &mut *self;
        if !pace.lets_go(cx) || rests(reads, pace, cx) {
            return Poll::Pending;
        }
        let len = space.len().min(1);
        let read = Pin::new(stream).poll_read(cx, space.get_mut(..len).unwrap_or_default());
        pace.count(&read);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Trickle<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, write_pace: pace, writes, .. } = &mut *self;
        if !pace.lets_go(cx) || rests(writes, pace, cx) {
            return Poll::Pending;
        }
        let written = Pin::new(stream).poll_write(cx, bytes.get(..1).unwrap_or(bytes));
        pace.count(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
