//! What the tests in virtual time share: peers on a pipe in memory, which do only what the test says.

#![expect(dead_code, reason = "each test binary uses some of it")]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use kafka08_tokio::{
    Client,
    proto::{
        ClientConfig,
        api::{FetchRequest, ProduceRequest},
        ids::{Acks, Millis, Offset},
        message::MessageSet,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    task::yield_now,
    time::{Duration, Instant},
};

/// A client on a pipe that holds this many bytes, and the other end of it.
pub(crate) fn client(pipe: usize, config: ClientConfig) -> (Client, DuplexStream) {
    let (near, far) = duplex(pipe);
    (Client::new(near, config), far)
}

/// Lets everything else run until it waits.
pub(crate) async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Reads one whole frame, and gives its correlation id.
pub(crate) async fn read_id(far: &mut DuplexStream) -> i32 {
    let len = far.read_u32().await.expect("a length");
    let mut frame = vec![0; len.try_into().expect("small")];
    far.read_exact(&mut frame).await.expect("a frame");
    // Key and version, two bytes each, are in front of it.
    i32::from_be_bytes(*frame.split_off(4).first_chunk().expect("an id"))
}

/// Sends an answer that is empty: no brokers and no topics for Metadata, no topics for Produce and Fetch.
pub(crate) async fn answer(far: &mut DuplexStream, id: i32) {
    far.write_all(&[&[0, 0, 0, 12][..], &id.to_be_bytes(), &[0; 8]].concat()).await.expect("the client is there");
}

/// Reads one request and answers it.
pub(crate) async fn serve_one(far: &mut DuplexStream) -> i32 {
    let id = read_id(far).await;
    answer(far, id).await;
    id
}

/// Waits for the end of the client's half of the stream. What came before that is thrown away.
pub(crate) async fn wait_for_end(far: &mut DuplexStream) {
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.expect("the client closes");
}

/// A produce request of this many bytes of value.
pub(crate) fn produce(acks: Acks, value: usize) -> ProduceRequest {
    let timeout = Millis(if acks == Acks::NONE { 0 } else { 1000 });
    ProduceRequest::new(acks, timeout).with("t", 0, MessageSet::of_value(&vec![7; value]))
}

/// A fetch that the broker may hold for so many seconds.
pub(crate) fn long_poll(seconds: i32) -> FetchRequest {
    FetchRequest::new(Millis(seconds * 1000), 1).with("t", 0, Offset(0), 1 << 20)
}

/// What a future gives, and how long it takes.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let result = future.await;
    (result, started.elapsed())
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The other end of a stream whose writes can be made to fail.
pub(crate) struct HalfDeadPeer {
    /// What the client has written.
    pub(crate) requests: DuplexStream,
    /// What the client reads.
    pub(crate) answers: DuplexStream,
    fails: Arc<AtomicBool>,
}

impl HalfDeadPeer {
    /// From now on writes fail with a broken pipe, and reading goes on.
    pub(crate) fn fail_writes(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }
}

/// A client on a stream whose writes can be made to fail, and the other end of it.
pub(crate) fn half_dead_client(config: ClientConfig) -> (Client, HalfDeadPeer) {
    let (writes, requests) = duplex(4096);
    let (reads, answers) = duplex(4096);
    let fails = Arc::new(AtomicBool::new(false));
    let stream = HalfDead { reads, writes, fails: Arc::clone(&fails) };
    (Client::new(stream, config), HalfDeadPeer { requests, answers, fails })
}

struct HalfDead {
    reads: DuplexStream,
    writes: DuplexStream,
    fails: Arc<AtomicBool>,
}

impl AsyncRead for HalfDead {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reads).poll_read(cx, space)
    }
}

impl AsyncWrite for HalfDead {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.fails.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.writes).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writes).poll_shutdown(cx)
    }
}

/// A stream that takes all that is written, and whose reads are the closure's: it fills the space, and is always ready.
pub(crate) struct Endless<F>(pub(crate) F);

impl<F: FnMut(&mut ReadBuf<'_>) + Unpin> AsyncRead for Endless<F> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        (self.0)(space);
        Poll::Ready(Ok(()))
    }
}

impl<F: Unpin> AsyncWrite for Endless<F> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
