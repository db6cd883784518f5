//! Streams with ways of their own, such as those of TLS layers. Time is paused.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use common::{Endless, answer, produce, read_id, seconds, serve_one, settle};
use kafka08_tokio::{
    CallError, Client,
    proto::{
        ClientConfig, Fate,
        api::MetadataRequest,
        connection::{CloseReason, Progress},
        ids::Acks,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream, ReadBuf, duplex},
    time::{sleep, timeout},
};

/// What a [`Scripted`] stream has seen.
#[derive(Default)]
struct Seen {
    /// Lengths of the writes that were taken.
    writes: Vec<usize>,
    /// Calls of `poll_flush` that were answered with success.
    flushes: usize,
    /// What a TLS layer has encrypted and not handed on yet: it must be offered these bytes again.
    held: Option<Vec<u8>>,
    /// Attempts that offered something else.
    bad_retries: usize,
}

/// How a [`Scripted`] stream behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It takes what it can.
    Plain,
    /// As OpenSSL: a write that is not ready has encrypted its bytes already, and these leave whatever is offered next.
    Tls,
    /// Every other read is interrupted, and so are writes and flushes.
    Interrupted,
    /// It takes everything, and lets go of it when it is flushed.
    Buffering,
}

struct Scripted {
    pipe: DuplexStream,
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
    buffer: Vec<u8>,
    /// Whether the last call of each kind was interrupted.
    read_was: bool,
    write_was: bool,
    flush_was: bool,
}

/// Whether a call is interrupted: every other one is, if that is the stream's manner.
fn interrupts(manner: Manner, was_interrupted: &mut bool) -> bool {
    *was_interrupted = manner == Manner::Interrupted && !*was_interrupted;
    *was_interrupted
}

impl Scripted {
    /// Moves what is buffered or held into the pipe.
    fn let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            match Pin::new(&mut self.pipe).poll_write(cx, &self.buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(n)) => drop(self.buffer.drain(..n)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let manner = self.manner;
        if interrupts(manner, &mut self.read_was) {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        Pin::new(&mut self.pipe).poll_read(cx, space)
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let manner = self.manner;
        if interrupts(manner, &mut self.write_was) {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        let seen = Arc::clone(&self.seen);
        let mut seen = seen.lock().expect("no test panics with it");
        if self.manner == Manner::Tls {
            match &seen.held {
                Some(held) if held != bytes => seen.bad_retries += 1,
                Some(_) => {}
                None => {
                    seen.held = Some(bytes.to_vec());
                    self.buffer.extend_from_slice(bytes);
                }
            }
            if self.let_go(cx)?.is_pending() {
                return Poll::Pending;
            }
            let len = seen.held.take().map_or(0, |held| held.len());
            seen.writes.push(len);
            return Poll::Ready(Ok(len));
        }
        let written = if self.manner == Manner::Buffering {
            self.buffer.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        } else {
            Pin::new(&mut self.pipe).poll_write(cx, bytes)
        };
        if let Poll::Ready(Ok(n)) = written {
            seen.writes.push(n);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let manner = self.manner;
        if interrupts(manner, &mut self.flush_was) {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        let flushed = self.let_go(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.seen.lock().expect("no test panics with it").flushes += 1;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// A client on a stream of this manner over a pipe of so many bytes, the other end, and what the stream has seen.
fn scripted(manner: Manner, pipe: usize, config: ClientConfig) -> (Client, DuplexStream, Arc<Mutex<Seen>>) {
    let (near, far) = duplex(pipe);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stream = Scripted {
        pipe: near,
        manner,
        seen: Arc::clone(&seen),
        buffer: Vec::new(),
        read_was: false,
        write_was: false,
        flush_was: false,
    };
    (Client::new(stream, config), far, seen)
}

fn writes(seen: &Mutex<Seen>) -> Vec<usize> {
    std::mem::take(&mut seen.lock().expect("no test panics with it").writes)
}

/// The length of a Metadata request for all topics with the client id "kafka08", and of a produce request of one message.
const SMALL: usize = 4 + 2 + 2 + 4 + 2 + 7 + 4;

#[tokio::test(start_paused = true)]
async fn small_requests_of_tasks_that_are_ready_together_leave_in_one_write() {
    let (client, mut far, seen) = scripted(Manner::Plain, 1 << 20, ClientConfig::default());
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&MetadataRequest::all()).await })
        })
        .collect();
    settle().await;
    assert_eq!(writes(&seen), [64 * SMALL]);
    for _ in 0..64 {
        serve_one(&mut far).await;
    }
    for call in calls {
        call.await.expect("no panic").expect("it is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_sent_without_waiting_leave_in_one_write() {
    let (client, mut far, seen) = scripted(Manner::Plain, 1 << 20, ClientConfig::default());
    let mut pending = Vec::new();
    for _ in 0..64 {
        pending.push(client.send(&MetadataRequest::all()).await.expect("there is room"));
    }
    settle().await;
    assert_eq!(writes(&seen), [64 * SMALL]);
    for pending in pending {
        serve_one(&mut far).await;
        pending.await.expect("it is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_those_of_tasks_that_become_ready_after_it() {
    let (client, _far, seen) = scripted(Manner::Plain, 1 << 20, ClientConfig::default());
    settle().await;
    // The connection's task is woken before the other one is ready, so it runs first.
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    let other = client.clone();
    let second = tokio::spawn(async move { other.send(&MetadataRequest::all()).await });
    settle().await;
    assert_eq!(writes(&seen), [2 * SMALL]);
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn small_requests_become_records_of_16_kib_and_large_values_are_written_as_they_are() {
    let (client, _far, seen) = scripted(Manner::Plain, 1 << 20, ClientConfig::default());
    // Each is about 1,100 bytes: more than one record in all.
    for _ in 0..30 {
        client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    }
    settle().await;
    let lengths = writes(&seen);
    let total: usize = lengths.iter().sum();
    assert!(total > 30_000 && lengths.len() == total.div_ceil(16 << 10), "{lengths:?}");

    for _ in 0..2 {
        client.send_and_forget(&produce(Acks::NONE, 200_000)).await.expect("there is room");
    }
    settle().await;
    // What stands in front of a value leaves with the first of it, and the rest in pieces of 64 KiB.
    let lengths = writes(&seen);
    let firsts: Vec<_> = lengths.chunks(4).map(|of_a_value| &of_a_value[..3]).collect();
    assert_eq!(firsts, [[16 << 10, 64 << 10, 64 << 10]; 2], "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_swallowed_a_write_is_offered_the_same_bytes_again_whatever_is_dropped_or_staged() {
    for pipe in [1, 7, 64, 4096] {
        let (client, mut far, seen) = scripted(Manner::Tls, pipe, ClientConfig::default());
        let first = client.send(&produce(Acks::LEADER, 300)).await.expect("there is room");
        let second = client.send(&MetadataRequest::of(["dropped-after-it-was-offered"])).await.expect("there is room");
        let (first_id, second_id) = (first.id().0, second.id().0);
        settle().await;
        drop(second);
        settle().await;
        // Not offered yet, unless the pipe has taken everything.
        let third = client.send(&MetadataRequest::of(["dropped-before"])).await.expect("there is room");
        settle().await;
        drop(third);
        let fourth = client.send(&MetadataRequest::all()).await.expect("there is room");
        assert_eq!(read_id(&mut far).await, first_id);
        assert_eq!(read_id(&mut far).await, second_id);
        let mut next = read_id(&mut far).await;
        if next != fourth.id().0 {
            assert_eq!(pipe, 4096, "it was withdrawn before it was offered");
            next = read_id(&mut far).await;
        }
        assert_eq!(next, fourth.id().0);
        drop((first, fourth));
        client.flush().await.expect("everything has left");
        let seen = seen.lock().expect("no test panics with it");
        assert_eq!(seen.bad_retries, 0, "pipe {pipe}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_swallowed_and_timed_out_may_have_been_applied_and_one_behind_it_was_not() {
    let (client, mut far, _seen) = scripted(Manner::Tls, 16, ClientConfig::default());
    let request = produce(Acks::LEADER, 100);
    let swallowed = client.send_with_timeout(&request, seconds(1)).await.expect("there is room");
    settle().await;
    let behind = client.send(&produce(Acks::LEADER, 100)).await.expect("there is room");
    let error = swallowed.await.expect_err("the peer does not read");
    let CallError::Failed { progress: Progress::Offered, fate: Fate::MaybeApplied, .. } = error else {
        panic!("{error:?}")
    };
    let error = behind.await.expect_err("nothing may follow it");
    let CallError::Failed { progress: Progress::NotSent, fate: Fate::NotApplied, .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(client.wait_closed().await.reason, CloseReason::TornFrame(_)));
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.expect("the client closes");
    // The pipe holds 16 bytes; the first four are the length of a frame that never comes whole.
    assert!(rest.len() <= 16, "{}", rest.len());
}

#[tokio::test(start_paused = true)]
async fn interrupted_reads_writes_and_flushes_change_nothing() {
    let (client, mut far, seen) = scripted(Manner::Interrupted, 64, ClientConfig::default());
    for _ in 0..5 {
        let request = MetadataRequest::all();
        let (answer, _) = tokio::join!(client.call(&request), serve_one(&mut far));
        answer.expect("it is answered");
        let id = client.send_and_forget(&produce(Acks::NONE, 200)).await.expect("there is room");
        let (flushed, read) = tokio::join!(client.flush(), read_id(&mut far));
        flushed.expect("an interrupted flush is repeated");
        assert_eq!(read, id.0);
    }
    assert!(seen.lock().expect("no test panics with it").flushes > 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_buffers_is_flushed_so_that_requests_leave() {
    let (client, mut far, seen) = scripted(Manner::Buffering, 4096, ClientConfig::default());
    let request = MetadataRequest::all();
    let (answer, _) = timeout(seconds(1), async { tokio::join!(client.call(&request), serve_one(&mut far)) })
        .await
        .expect("it leaves");
    answer.expect("it is answered");
    assert!(seen.lock().expect("no test panics with it").flushes > 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_flushed_once_for_what_is_written_together_and_not_for_what_is_read() {
    let (client, mut far, seen) = scripted(Manner::Plain, 1 << 20, ClientConfig::default());
    let pending = client.send(&produce(Acks::LEADER, 200_000)).await.expect("there is room");
    serve_one(&mut far).await;
    pending.await.expect("it is answered");
    assert!(writes(&seen).len() > 1);
    assert_eq!(seen.lock().expect("no test panics with it").flushes, 1);
}

#[tokio::test(start_paused = true)]
async fn flush_returns_only_when_the_streams_own_buffer_is_empty() {
    let (client, mut far, _seen) = scripted(Manner::Buffering, 64, ClientConfig::default());
    let id = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let flush = tokio::spawn({
        let client = client.clone();
        async move { client.flush().await }
    });
    settle().await;
    assert!(!flush.is_finished(), "the stream has taken it, and keeps most of it");
    assert_eq!(read_id(&mut far).await, id.0);
    flush.await.expect("no panic").expect("it has left");
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_a_stream_that_buffers_ends_although_another_handle_keeps_sending() {
    let (client, mut far, _seen) = scripted(Manner::Buffering, 64, ClientConfig::default());
    let before = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let flush = tokio::spawn({
        let client = client.clone();
        async move { client.flush().await }
    });
    settle().await;
    let other = client.clone();
    let sender = tokio::spawn(async move { while other.send_and_forget(&produce(Acks::NONE, 1000)).await.is_ok() {} });
    settle().await;
    assert_eq!(read_id(&mut far).await, before.0);
    settle().await;
    assert!(flush.is_finished(), "what was sent before it has left");
    flush.await.expect("no panic").expect("it has left");
    sender.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_keeps_what_it_took_fails_a_flush_at_its_time_and_not_the_connection() {
    let config = ClientConfig::default().with_request_timeout(seconds(10));
    let (client, mut far, _seen) = scripted(Manner::Buffering, 16, config);
    let id = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let (flushed, time) = common::timed(client.flush()).await;
    assert_eq!(flushed.expect_err("the peer does not read").timed_out, Some(seconds(10)));
    assert_eq!(time, seconds(10));
    sleep(seconds(5)).await;
    assert_eq!(read_id(&mut far).await, id.0);
    client.flush().await.expect("it has left now");
    let pending = client.send(&MetadataRequest::all()).await.expect("the connection lives");
    let id = read_id(&mut far).await;
    answer(&mut far, id).await;
    pending.await.expect("it is answered");
}

/// The clock is not paused: it stands still for as long as there is something to do.
#[tokio::test]
async fn a_peer_that_sends_without_pause_cannot_put_deadlines_off() {
    // The bytes of one endless frame come one at a time: its length, then nothing but zeros.
    let mut head = 60_000_000_u32.to_be_bytes().into_iter();
    let flood = Endless(move |space: &mut ReadBuf<'_>| space.put_slice(&[head.next().unwrap_or(0)]));
    let config = ClientConfig::default().with_request_timeout(std::time::Duration::from_millis(50));
    let client = Client::new(flood, config);
    let request = MetadataRequest::all();
    let call = timeout(seconds(20), client.call(&request)).await.expect("it ends at its deadline");
    assert!(matches!(call, Err(CallError::Failed { progress: Progress::Arriving { .. }, .. })), "{call:?}");
}
