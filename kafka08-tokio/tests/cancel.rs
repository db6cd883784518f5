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
    connection::CloseReason,
    ids::{Acks, ApiKey, ConnectionId, CorrelationId, Millis},
    message::MessageSet,
};
use kafka08_tokio::{CallError, Client};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    task::{JoinHandle, yield_now},
};

/// Serves a client until it closes, and tells how the stream ended. Counts requests.
fn serve(mut stream: DuplexStream, requests: Arc<AtomicUsize>) -> JoinHandle<CloseReason> {
    tokio::spawn(async move {
        let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
        loop {
            while let Some(event) = server.poll_event(tokio::time::Instant::now().into_std()) {
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
                Ok(n) => server.received(n),
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
            for which in 0..6 {
                let (near, far) = duplex(pipe);
                let requests = Arc::new(AtomicUsize::new(0));
                let server = serve(far, Arc::clone(&requests));
                let client = Client::new(near, ClientConfig::default().with_max_in_flight(2));
                let request = MetadataRequest::of(["a-topic-with-a-name"]);
                match which {
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
                    _ => poll_and_drop(client.send_with_timeout(&request, Duration::from_secs(1)), polls).await,
                }
                for _ in 0..3 {
                    client.call(&request).await.expect("the connection works");
                }
                drop(client);
                let reason = server.await.expect("the server ends");
                let whole =
                    matches!(reason, CloseReason::Disconnected { heard: kafka08_proto::connection::Heard::Frames, .. });
                assert!(whole, "pipe {pipe}, {polls} polls of {which}: {reason:?}");
                assert!((3..=4).contains(&requests.load(Ordering::Relaxed)));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_anything_was_written_is_never_sent() {
    // A pipe that is full: the first request fills it, so that nothing of the second can leave.
    let (near, mut far) = duplex(16);
    let client = Client::new(near, ClientConfig::default());
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    let second = client.send(&MetadataRequest::of(["never"])).await.expect("there is room");
    yield_now().await;
    drop(second);
    let third = client.send(&MetadataRequest::all()).await.expect("there is room");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let len = far.read_u32().await.expect("a length");
        let mut frame = vec![0; len.try_into().expect("small")];
        far.read_exact(&mut frame).await.expect("a frame");
        ids.push(i32::from_be_bytes(frame[4..8].try_into().expect("four bytes")));
    }
    assert_eq!(ids, [first.id().0, third.id().0]);
}

#[tokio::test(start_paused = true)]
async fn time_in_the_channel_counts_and_timeouts_follow_the_runtimes_clock() {
    let (near, _far) = duplex(16);
    let client = Client::new(near, ClientConfig::default().with_request_timeout(Duration::from_secs(3600)));
    let started = tokio::time::Instant::now();
    let error =
        client.call(&MetadataRequest::of(["a-name-that-does-not-fit-the-pipe"])).await.expect_err("nobody reads");
    assert_eq!(started.elapsed(), Duration::from_secs(3600));
    assert!(matches!(error, CallError::Failed { .. }), "{error:?}");
    let closed = client.wait_closed().await.expect("a torn frame ends the connection");
    assert!(matches!(closed.reason, CloseReason::TornFrame(_)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_aborted_ends_what_waits_for_it() {
    let (near, _far) = duplex(4096);
    let (client, task) = Client::with_task(near, ClientConfig::default());
    let task = tokio::spawn(task);
    let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    task.abort();
    pending.await.expect_err("its task is gone");
    client.call(&MetadataRequest::all()).await.expect_err("its task is gone");
    assert_eq!(client.wait_closed().await, None);
    assert_eq!(client.close().await, None);
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
    let late = hasty.id();
    hasty.await.expect_err("it is late");
    // Nothing runs in between: the answer and the drop reach the client's task at once.
    let next = patient.id();
    far.write_all(&answer(late)).await.expect("there is room in the pipe");
    drop(patient);
    yield_now().await;
    far.write_all(&answer(next)).await.expect("there is room in the pipe");
    let again = client.send(&MetadataRequest::all()).await.expect("the connection lives");
    far.write_all(&answer(again.id())).await.expect("there is room in the pipe");
    again.await.expect("it is answered");
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
    let closed = client.close().await.expect("it ends");
    assert_eq!(started.elapsed(), limit);
    assert_eq!(closed.unconfirmed.len(), 1);
    assert!(closed.to_string().contains("timed out"), "{closed}");
}
