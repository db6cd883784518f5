//! The model of a runtime, of a stream, and of a broker behind it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_async::{
    Runtime, Timer, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
};
use kafka08_blocking::{
    HostPort, SharedClient,
    proto::{
        ClientConfig, Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
        api::{MetadataRequest, MetadataResponse, ProduceRequest, TopicMetadata, Topics},
        connection::{Heard, Reply, ServerCloseReason},
        error_code::ErrorCode,
        ids::{Acks, ConnectionId, Millis},
        message::MessageSet,
    },
    threads::block_on,
};
use shuttle::{sync::Mutex, thread};

/// How many bytes the pipe holds in each direction: less than a request.
const PIPE: usize = 24;

pub(crate) enum Model {}

/// No value of it is used.
pub(crate) enum Never {}

/// A timer that does not fire.
pub(crate) struct Still;

fn now() -> Instant {
    static NOW: OnceLock<Instant> = OnceLock::new();
    *NOW.get_or_init(Instant::now)
}

impl Runtime for Model {
    type Timer = Still;
    type TcpStream = Never;
    type TcpListener = Never;

    fn now() -> Instant {
        now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(move || block_on(task));
    }

    async fn look_up(_: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(_: SocketAddr) -> io::Result<Never> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept(listener: &Never) -> io::Result<Never> {
        match *listener {}
    }
}

impl Timer for Still {
    fn at(_: Instant) -> Self {
        Self
    }

    fn reset(&mut self, _: Instant) {}

    fn poll_fired(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Wrap<End> for Model {
    type Stream = End;

    fn wrap(end: End) -> End {
        end
    }
}

/// One direction of a pipe.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    is_closed: bool,
    waker: Option<Waker>,
}

/// One end of a pipe.
pub(crate) struct End {
    reads: Arc<Mutex<Way>>,
    writes: Arc<Mutex<Way>>,
}

fn pipe() -> (End, End) {
    let (there, back) = (Arc::new(Mutex::new(Way::default())), Arc::new(Mutex::new(Way::default())));
    (End { reads: Arc::clone(&back), writes: Arc::clone(&there) }, End { reads: there, writes: back })
}

/// Does something with a direction, and wakes the other end if it moved.
fn attempt(way: &Mutex<Way>, cx: &Context<'_>, attempt: impl FnOnce(&mut Way) -> Option<usize>) -> Poll<usize> {
    let mut way = way.lock().expect("no panic");
    match attempt(&mut way) {
        Some(n) => {
            let waker = way.waker.take();
            drop(way);
            waker.map(Waker::wake);
            Poll::Ready(n)
        }
        None => {
            // A pipe that is neither full nor empty blocks nobody, so one waker is enough for both ends.
            way.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        attempt(&self.reads, cx, |way| {
            let n = space.len().min(way.bytes.len());
            for (to, from) in space.iter_mut().zip(way.bytes.drain(..n)) {
                *to = from;
            }
            (n > 0 || way.is_closed).then_some(n)
        })
        .map(Ok)
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = attempt(&self.writes, cx, |way| {
            let n = if way.is_closed { 0 } else { bytes.len().min(PIPE - way.bytes.len()) };
            way.bytes.extend(bytes.iter().take(n));
            (n > 0 || way.is_closed).then_some(n)
        });
        written.map(|n| if n == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(n) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl End {
    fn close(&self) {
        for way in [&self.reads, &self.writes] {
            let mut way = way.lock().expect("no panic");
            way.is_closed = true;
            let waker = way.waker.take();
            drop(way);
            waker.map(Waker::wake);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

/// A client, and the thread of a broker that serves it. The broker leaves after so many requests, or with the client. It
/// returns how many requests it has read, and checks that they were whole.
pub(crate) fn client(in_flight: usize, requests: usize) -> (SharedClient<Model>, thread::JoinHandle<usize>) {
    let (near, far) = pipe();
    let config = ClientConfig::default().with_max_in_flight(in_flight);
    let broker = thread::spawn(move || block_on(serve(far, requests)));
    (SharedClient::over(near, config), broker)
}

async fn serve(mut end: End, requests: usize) -> usize {
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let mut served = 0;
    loop {
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Request(_) if served == requests => return served,
                ServerEvent::Request(request) if request.traits().reply == Reply::None => {
                    served += 1;
                    server.finish(request.call);
                }
                ServerEvent::Request(request) => {
                    served += 1;
                    server.respond(request.call, &echo(&request.body)).expect("the call is open");
                }
                ServerEvent::Closed(reason) => {
                    let is_whole =
                        matches!(reason, ServerCloseReason::Disconnected { heard: Heard::Frames | Heard::Nothing, .. });
                    assert!(is_whole, "{reason}");
                    return served;
                }
            }
        }
        let (space, queue) = server.buffers();
        if queue.has_remaining() {
            match poll_fn(|cx| Pin::new(&mut end).poll_write(cx, queue.chunk())).await {
                Ok(n) => queue.advance(n),
                Err(error) => server.handle_disconnect(Disconnect::Error(error.kind())),
            }
            continue;
        }
        match poll_fn(|cx| Pin::new(&mut end).poll_read(cx, space)).await.expect("reading does not fail") {
            0 => server.handle_disconnect(Disconnect::Eof),
            n => server.handle_read(now(), n),
        }
    }
}

/// A response with the topics of the request.
fn echo(body: &bytes::Bytes) -> MetadataResponse {
    use kafka08_blocking::proto::api::Body as _;
    let topics = match MetadataRequest::decode(body).expect("metadata").topics {
        Topics::All => Vec::new(),
        Topics::Named(names) => names,
    };
    let topics = topics.into_iter().map(|name| TopicMetadata { error: ErrorCode::NONE, name, partitions: Vec::new() });
    MetadataResponse::new(Vec::new(), topics.collect())
}

pub(crate) fn produce() -> ProduceRequest {
    ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"))
}
