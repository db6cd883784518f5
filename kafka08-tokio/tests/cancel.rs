//! Dropping any future at any point tears nothing: every public future is polled a number of times, dropped, and then the
//! connection must still work, and its bytes must be whole frames. Time is paused.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Buf as _;
use kafka08_proto::{
    ClientConfig, Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
    api::{MetadataRequest, MetadataResponse, ProduceRequest},
    connection::{Heard, ServerCloseReason},
    ids::{Acks, ApiKey, ConnectionId, CorrelationId, Millis},
    message::MessageSet,
};
use kafka08_tokio::Client;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    task::{JoinHandle, yield_now},
};

/// Serves a client until it closes, and tells how the stream ended. Counts requests.
fn serve(mut stream: DuplexStream, requests: Arc<AtomicUsize>) -> JoinHandle<ServerCloseReason> {
    tokio::spawn(async move {
        let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
        loop {
            while let Some(event) = server.poll_event() {
                match event {
                    ServerEvent::Closed(reason) => return reason,
                    ServerEvent::Request(request) => {
                        requests.fetch_add(1, Ordering::Relaxed);
                        if request.header.api.key == ApiKey::METADATA {
                            server.respond(request.call, &MetadataResponse::default()).expect("the call is open");
                        } else {
                            server.finish(request.call);
                        }
                    }
                }
            }
            let (space, queue) = server.buffers();
            if queue.has_remaining() {
                match stream.write(queue.chunk()).await {
                    Ok(n) => queue.advance(n),
                    Err(error) => server.handle_disconnect(Disconnect::Error(error.kind())),
                }
                continue;
            }
            match stream.read(space).await {
                Ok(0) => server.handle_disconnect(Disconnect::Eof),
                Ok(n) => server.handle_read(tokio::time::Instant::now().into_std(), n),
                Err(error) => server.handle_disconnect(Disconnect::Error(error.kind())),
            }
        }
    })
}

/// Polls `future` at most `polls` times, letting everything else run in between, and drops it.
async fn poll_and_drop(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        yield_now().await;
    }
}

fn produce() -> ProduceRequest {
    ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&[7; 300]))
}

#[tokio::test(start_paused = true)]
async fn any_future_may_be_dropped_at_any_point() {
    for pipe in [1, 7, 4096] {
        for polls in 0..40 {
            // Each future over a plain stream, then over one that has swallowed what it was not ready for.
            for which in 0..14 {
                let (near, far) = duplex(pipe);
                let requests = Arc::new(AtomicUsize::new(0));
                let server = serve(far, Arc::clone(&requests));
                let config = ClientConfig::default().with_max_in_flight(2);
                let bad_retries = Arc::new(AtomicUsize::new(0));
                let client = if which < 7 {
                    Client::new(near, config)
                } else {
                    Client::new(Tls::new(near, Arc::clone(&bad_retries)), config)
                };
                let request = MetadataRequest::of(["a-topic-with-a-name"]);
                match which % 7 {
                    0 => poll_and_drop(client.send(&request), polls).await,
                    1 => poll_and_drop(client.call(&request), polls).await,
                    2 => poll_and_drop(client.send_and_forget(&produce()), polls).await,
                    3 => {
                        client.send_and_forget(&produce()).await.expect("it is staged");
                        poll_and_drop(client.flush(), polls).await;
                    }
                    4 => {
                        let pending = client.send(&request).await.expect("there is room");
                        poll_and_drop(pending, polls).await;
                    }
                    5 => poll_and_drop(client.send_with_timeout(&request, Duration::from_secs(1)), polls).await,
                    _ => {
                        // Two fill the places, so that the third waits for room.
                        let kept = [
                            client.send(&request).await.expect("there is room"),
                            client.send(&request).await.expect("there is room"),
                        ];
                        poll_and_drop(client.send(&request), polls).await;
                        drop(kept);
                    }
                }
                for _ in 0..3 {
                    client.call(&request).await.expect("the connection works");
                }
                drop(client);
                let reason = server.await.expect("the server ends");
                let whole = matches!(reason, ServerCloseReason::Disconnected { heard: Heard::Frames, .. });
                assert!(whole, "pipe {pipe}, {polls} polls of {which}: {reason:?}");
                assert_eq!(bad_retries.load(Ordering::Relaxed), 0, "pipe {pipe}, {polls} polls of {which}");
                assert!((3..=6).contains(&requests.load(Ordering::Relaxed)));
            }
        }
    }
}

/// Reads whole frames from the other end, and gives their correlation ids.
async fn read_ids(far: &mut DuplexStream, frames: usize) -> Vec<i32> {
    let mut ids = Vec::new();
    for _ in 0..frames {
        let len = far.read_u32().await.expect("a length");
        let mut frame = vec![0; len.try_into().expect("small")];
        far.read_exact(&mut frame).await.expect("a frame");
        ids.push(i32::from_be_bytes(*frame.split_off(4).first_chunk().expect("an id")));
    }
    ids
}

/// Lets everything else run until it waits.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_was_offered_to_the_stream_is_never_sent() {
    // The first request fills the pipe, so that nothing of the second is offered.
    let (near, mut far) = duplex(16);
    let client = Client::new(near, ClientConfig::default());
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    settle().await;
    let second = client.send(&MetadataRequest::of(["never"])).await.expect("there is room");
    settle().await;
    drop(second);
    let third = client.send(&MetadataRequest::all()).await.expect("there is room");
    assert_eq!(read_ids(&mut far, 2).await, [first.id().0, third.id().0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_after_it_was_offered_to_the_stream_leaves_whole() {
    let (near, mut far) = duplex(16);
    let client = Client::new(near, ClientConfig::default());
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    // One attempt to write offers both.
    let second = client.send(&MetadataRequest::of(["always"])).await.expect("there is room");
    let dropped = second.id();
    settle().await;
    drop(second);
    let third = client.send(&MetadataRequest::all()).await.expect("there is room");
    assert_eq!(read_ids(&mut far, 3).await, [first.id().0, dropped.0, third.id().0]);
}

/// An empty answer to a request.
fn answer(id: CorrelationId) -> Vec<u8> {
    [&[0, 0, 0, 12][..], &id.0.to_be_bytes(), &[0; 8]].concat()
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_in_the_stream_saves_the_connection_when_the_last_claim_is_dropped() {
    let (near, mut far) = duplex(4096);
    let client = Client::new(near, ClientConfig::default());
    let hasty =
        client.send_with_timeout(&MetadataRequest::all(), Duration::from_millis(50)).await.expect("there is room");
    let patient = client.send(&MetadataRequest::all()).await.expect("there is room");
    settle().await;
    let late = hasty.id();
    hasty.await.expect_err("it is late");
    // Nothing runs in between: the answer and the drop reach the client's task at once.
    let next = patient.id();
    far.write_all(&answer(late)).await.expect("there is room in the pipe");
    drop(patient);
    yield_now().await;
    far.write_all(&answer(next)).await.expect("there is room in the pipe");
    let again = client.send(&MetadataRequest::all()).await.expect("the connection lives");
    settle().await;
    far.write_all(&answer(again.id())).await.expect("there is room in the pipe");
    again.await.expect("it is answered");
}

/// A stream that encrypts what it is offered even if it is not ready: those bytes leave, whatever is offered next. OpenSSL
/// does so, and expects to be offered the same bytes again.
struct Tls {
    pipe: DuplexStream,
    /// What was offered and is not reported as taken, and how much of it the pipe has taken.
    held: Option<(Vec<u8>, usize)>,
    bad_retries: Arc<AtomicUsize>,
}

impl Tls {
    fn new(pipe: DuplexStream, bad_retries: Arc<AtomicUsize>) -> Self {
        Self { pipe, held: None, bad_retries }
    }
}

impl AsyncRead for Tls {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, space)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { pipe, held, bad_retries } = &mut *self;
        let (offered, taken) = held.get_or_insert_with(|| (bytes.to_vec(), 0));
        if offered != bytes {
            bad_retries.fetch_add(1, Ordering::Relaxed);
        }
        while *taken < offered.len() {
            match Pin::new(&mut *pipe).poll_write(cx, offered.get(*taken..).unwrap_or_default()) {
                Poll::Ready(Ok(n)) => *taken += n,
                other => return other,
            }
        }
        let len = offered.len();
        *held = None;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// A stream that takes what is written and never lets it go.
struct Hoarder(DuplexStream);

impl AsyncRead for Hoarder {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, space)
    }
}

impl AsyncWrite for Hoarder {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_lets_go_cannot_keep_a_connection_from_closing() {
    let (near, _far) = duplex(16);
    let limit = Duration::from_secs(10);
    let client = Client::new(Hoarder(near), ClientConfig::default().with_request_timeout(limit));
    client.send_and_forget(&produce()).await.expect("it is staged");
    let started = tokio::time::Instant::now();
    let closed = client.close().await.closed;
    assert_eq!(started.elapsed(), limit);
    assert_eq!(closed.unconfirmed.len(), 1);
    assert!(closed.to_string().contains("timed out"), "{closed}");
}
