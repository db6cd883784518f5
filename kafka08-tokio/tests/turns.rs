//! What the connection's task does in one turn: other tasks run only between two of them.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use common::Endless;
use kafka08_tokio::{
    Client,
    proto::{ClientConfig, api::MetadataRequest, ids::Acks},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    time::advance,
};

/// One turn of a connection's task, which is not over.
fn turn(task: &mut Pin<Box<impl Future<Output = ()>>>) {
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_turn_reads_some_hundred_kib_of_a_peer_that_sends_without_pause() {
    const PART: usize = 32 << 10;
    let read = Arc::new(AtomicUsize::new(0));
    let came = Arc::clone(&read);
    // One endless frame: its length, then nothing but zeros.
    let mut head = 60_000_000_u32.to_be_bytes().to_vec();
    let torrent = Endless(move |space: &mut ReadBuf<'_>| {
        let mut part = std::mem::take(&mut head);
        part.resize(space.remaining().min(PART), 0);
        space.put_slice(&part);
        came.fetch_add(part.len(), Ordering::Relaxed);
    });
    let (client, task) = Client::with_task(torrent, ClientConfig::default());
    let mut task = Box::pin(task);
    let _pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    for _ in 0..20 {
        turn(&mut task);
        let read = read.swap(0, Ordering::Relaxed);
        assert!(read > 0 && read < (256 << 10) + PART, "{read}");
    }
}

/// The bytes of a produce request of one message without its value: its head, its body up to the set, and the message.
const FRAME: usize = (4 + 2 + 2 + 4 + 2 + 7) + (2 + 4 + 4 + 2 + 1 + 4 + 4 + 4) + (8 + 4 + 4 + 1 + 1 + 4 + 4);

#[tokio::test(start_paused = true)]
async fn what_other_tasks_may_send_is_waited_for_below_16_kib_and_not_from_there_on() {
    for (staged, is_written) in [((16 << 10) - 1, false), (16 << 10, true)] {
        let (near, mut far) = duplex(1 << 20);
        let (client, task) = Client::with_task(near, ClientConfig::default());
        let mut task = Box::pin(task);
        client.send_and_forget(&common::produce(Acks::NONE, staged - FRAME)).await.expect("there is room");
        turn(&mut task);
        let mut len = [0; 4];
        let mut space = ReadBuf::new(&mut len);
        let read = Pin::new(&mut far).poll_read(&mut Context::from_waker(Waker::noop()), &mut space);
        assert_eq!(read.is_ready(), is_written, "{staged} bytes");
        let rest = if is_written { staged - len.len() } else { 0 };
        assert_eq!(usize::try_from(u32::from_be_bytes(len)), Ok(rest));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_here_beats_its_deadline_although_it_takes_several_turns_to_read() {
    let (near, mut far) = duplex(2 << 20);
    let config = ClientConfig::default().with_request_timeout(Duration::from_secs(10));
    let (client, task) = Client::with_task(near, config);
    let mut task = Box::pin(task);
    let mut pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    (0..3).for_each(|_| turn(&mut task));
    // No brokers and no topics, and a megabyte behind that, which is ignored.
    let id = pending.id().0.to_be_bytes();
    far.write_all(&[&1_000_004_u32.to_be_bytes(), &id, &vec![0; 1_000_000][..]].concat()).await.expect("there is room");
    advance(Duration::from_secs(11)).await;
    (0..10).for_each(|_| turn(&mut task));
    let answer = common::poll_once(&mut pending);
    assert!(matches!(answer, Poll::Ready(Ok(_))), "{answer:?}");
}

/// Counts how often a task is woken.
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_is_not_woken_when_an_answer_is_taken_whose_place_nobody_waits_for() {
    let (near, mut far) = duplex(4096);
    let (client, task) = Client::with_task(near, ClientConfig::default());
    let mut task = Box::pin(task);
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut turns = || (0..3).for_each(|_| assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()));
    let mut pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    turns();
    common::serve_one(&mut far).await;
    turns();
    let woken = counter.0.load(Ordering::Relaxed);
    assert!(woken > 0);
    let answer = common::poll_once(&mut pending);
    assert!(matches!(answer, Poll::Ready(Ok(_))), "{answer:?}");
    assert_eq!(counter.0.load(Ordering::Relaxed), woken);
}

/// A stream whose first writes are interrupted, and what each attempt to write offered.
struct Interrupted {
    pipe: DuplexStream,
    left: usize,
    offered: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsyncRead for Interrupted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, space)
    }
}

impl AsyncWrite for Interrupted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.offered.lock().expect("no test panics with it").push(bytes.to_vec());
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Err(io::ErrorKind::Interrupted.into()))
            }
            None => Pin::new(&mut self.pipe).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_interrupted_for_a_whole_turn_is_offered_the_same_bytes_whatever_is_staged_meanwhile() {
    const INTERRUPTED: usize = 100;
    let (near, _far) = duplex(4096);
    let offered = Arc::new(Mutex::new(Vec::new()));
    let attempts = || offered.lock().expect("no test panics with it").len();
    let stream = Interrupted { pipe: near, left: INTERRUPTED, offered: Arc::clone(&offered) };
    let (client, task) = Client::with_task(stream, ClientConfig::default());
    let mut task = Box::pin(task);
    let _first = client.send(&MetadataRequest::all()).await.expect("there is room");
    while attempts() == 0 {
        turn(&mut task);
    }
    assert!(attempts() < INTERRUPTED, "{}: more attempts than a turn makes", attempts());
    let _second = client.send(&MetadataRequest::all()).await.expect("there is room");
    while attempts() < INTERRUPTED + 2 {
        turn(&mut task);
    }
    let offered = offered.lock().expect("no test panics with it");
    let (first, rest) = offered.split_first().expect("it was offered");
    assert!(rest.iter().take(INTERRUPTED).all(|again| again == first), "the next attempt offers the same bytes");
    assert!(rest.iter().skip(INTERRUPTED).all(|next| next != first), "then comes what was staged behind it");
}
