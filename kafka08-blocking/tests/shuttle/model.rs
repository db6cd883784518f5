//! The model of a runtime, and of a broker behind a pipe.

use std::{
    io,
    net::SocketAddr,
    sync::OnceLock,
    task::{Context, Poll},
    time::Instant,
};

use kafka08_async::{Client, Runtime, Timer, Wrap};
use kafka08_blocking::{
    HostPort, SharedClient,
    proto::{
        ClientConfig, Connection as _, ServerConfig, ServerConnection, ServerEvent,
        api::{MetadataRequest, MetadataResponse, ProduceRequest, TopicMetadata, Topics},
        connection::{Heard, Reply, ServerCloseReason},
        error_code::ErrorCode,
        ids::{Acks, ConnectionId, Millis},
        message::MessageSet,
    },
    threads::block_on,
};
use shuttle::thread;

use crate::{
    pipe::{End, pipe},
    world::World,
};

/// How many bytes the pipe holds in each direction: less than a request.
const ROOM: usize = 24;

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

/// A client, and the thread of a broker that serves it. The broker leaves after so many requests, or with the client. It
/// returns how many requests it has read, and checks that they were whole.
pub(crate) fn client(in_flight: usize, requests: usize) -> (SharedClient<Model>, thread::JoinHandle<usize>) {
    let (near, far) = pipe(ROOM);
    let config = ClientConfig::default().with_max_in_flight(in_flight);
    let broker = thread::spawn(move || block_on(serve(far, requests)));
    (SharedClient::over(near, config), broker)
}

/// A client over a bare socket whose broker reads nothing, until the far end is dropped. Less than one request fits the socket,
/// so those behind the first are not touched.
pub(crate) fn client_of_a_deaf_broker(in_flight: usize) -> (Client<World>, End) {
    World::begin();
    let (near, far) = pipe(ROOM);
    (Client::of_socket(near, ClientConfig::default().with_max_in_flight(in_flight)), far)
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
        end.carry(&mut server, now).await;
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
