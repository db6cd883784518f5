//! The model of a runtime for many links, and of a cluster of one broker, which each connection meets.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    sync::OnceLock,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use kafka08_async::{Runtime, Timer, Wrap};
use kafka08_blocking::{
    ClusterConfig, HostPort, ReleaseSetting,
    proto::{
        Connection as _, ServerConfig, ServerConnection, ServerEvent,
        api::{
            Body as _, Broker, CommittedOffset, FetchRequest, FetchResponse, FetchedPartition, ListOffsetsRequest,
            ListOffsetsResponse, MetadataResponse, OffsetCommitRequestV0, OffsetCommitResponse, OffsetFetchRequestV0,
            OffsetFetchResponseV0, PartitionMetadata, PartitionOffsets, ProduceRequest, ProduceResponse,
            ProducedPartition, TopicMetadata,
        },
        connection::RequestFrame,
        error_code::ErrorCode,
        ids::{ApiKey, ConnectionId, NodeId, Offset, PartitionId, Text},
        message::{MessageSet, MessageSetBuilder},
        profile::Profile,
    },
    threads::block_on,
};
use shuttle::thread::{self, JoinHandle};

use crate::{
    model::Never,
    pipe::{End, pipe},
};

/// How many bytes a pipe holds in each direction: more than most requests, so that a model takes few steps.
const ROOM: usize = 200;

/// Pauses up to this time end at any moment. What is longer does not come in a model.
const SHORT: Duration = Duration::from_millis(500);

/// The topic that the broker has, with two partitions.
pub(crate) const TOPIC: &str = "t";

/// The end of the log of each partition.
pub(crate) const END: Offset = Offset(2);

pub(crate) const BROKER: &str = "127.0.0.1:9092";

thread_local! {
    // Of `std`, because all threads of a schedule run on one thread of the system.
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static THREADS: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

pub(crate) enum World {}

impl World {
    /// Begins a schedule.
    pub(crate) fn begin() {
        CLOCK.set(Duration::ZERO);
        THREADS.take();
    }

    /// Waits until each task and each connection has ended. One that does not end is a deadlock, which shuttle reports.
    pub(crate) fn join_all() {
        // Taken one by one, because a thread that goes on may start others.
        while let Some(thread) = THREADS.with_borrow_mut(Vec::pop) {
            thread.join().expect("no panic");
        }
    }

    fn run(task: impl Future<Output = ()> + Send + 'static) {
        let thread = thread::spawn(move || block_on(task));
        THREADS.with_borrow_mut(|threads| threads.push(thread));
    }
}

impl Runtime for World {
    type Timer = Due;
    type TcpStream = End;
    type TcpListener = Never;

    fn now() -> Instant {
        start() + CLOCK.get()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        Self::run(task);
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::new(target.host().parse().expect("an address"), target.port())])
    }

    async fn connect(_: SocketAddr) -> io::Result<End> {
        let (near, far) = pipe(ROOM);
        Self::run(serve(far));
        Ok(near)
    }

    async fn accept(listener: &Never) -> io::Result<End> {
        match *listener {}
    }
}

impl Wrap<End> for World {
    type Stream = End;

    fn wrap(end: End) -> End {
        end
    }
}

/// A timer that fires at any moment, if it was set to a short time.
pub(crate) struct Due {
    at: Instant,
    is_running: bool,
}

impl Timer for Due {
    fn at(deadline: Instant) -> Self {
        Self { at: deadline, is_running: false }
    }

    fn reset(&mut self, deadline: Instant) {
        *self = Self::at(deadline);
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if World::now() >= self.at {
            return Poll::Ready(());
        }
        let after = self.at.saturating_duration_since(start());
        if after <= SHORT && !self.is_running {
            self.is_running = true;
            let waker = cx.waker().clone();
            // Nobody waits for it: a pause that is needed no more may never end.
            thread::spawn(move || {
                CLOCK.set(CLOCK.get().max(after));
                waker.wake();
            });
        }
        Poll::Pending
    }
}

/// Settings of a cluster whose releases need no probes.
pub(crate) fn cluster() -> ClusterConfig {
    ClusterConfig::default().with_release(ReleaseSetting::Is(Profile::V0_8_2))
}

/// Serves a connection until its client leaves.
async fn serve(mut end: End) {
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    loop {
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Request(request) => answer(&mut server, &request),
                ServerEvent::Closed(_) => return,
            }
        }
        end.carry(&mut server, World::now).await;
    }
}

fn answer(server: &mut ServerConnection, request: &RequestFrame) {
    let call = request.call;
    let answered = match request.header.api.key {
        ApiKey::METADATA => server.respond(call, &metadata()),
        ApiKey::LIST_OFFSETS => {
            let asked = ListOffsetsRequest::decode(&request.body).expect("a sound request");
            let mut answer = ListOffsetsResponse::default();
            for (topic, partition, _) in asked.topics.iter() {
                let found = PartitionOffsets { error: ErrorCode::NONE, offsets: vec![Offset(7)] };
                answer.topics.push(topic.clone(), partition, found);
            }
            server.respond(call, &answer)
        }
        ApiKey::PRODUCE => {
            let asked = ProduceRequest::decode(&request.body).expect("a sound request");
            let mut answer = ProduceResponse::default();
            for (topic, partition, _) in asked.topics.iter() {
                let taken = ProducedPartition { error: ErrorCode::NONE, offset: Offset(0) };
                answer.topics.push(topic.clone(), partition, taken);
            }
            server.respond(call, &answer)
        }
        ApiKey::FETCH => {
            let asked = FetchRequest::decode(&request.body).expect("a sound request");
            let mut answer = FetchResponse::default();
            for (topic, partition, from) in asked.topics.iter() {
                let messages = one_message(from.offset);
                let found = FetchedPartition { error: ErrorCode::NONE, high_watermark: END, messages };
                answer.topics.push(topic.clone(), partition, found);
            }
            server.respond(call, &answer)
        }
        ApiKey::OFFSET_FETCH => {
            let asked = OffsetFetchRequestV0::decode(&request.body).expect("a sound request");
            let mut answer = OffsetFetchResponseV0::default();
            for (topic, partition, ()) in asked.topics.iter() {
                let nothing = CommittedOffset { offset: Offset::NONE, metadata: None, error: ErrorCode::NONE };
                answer.topics.push(topic.clone(), partition, nothing);
            }
            server.respond(call, &answer)
        }
        ApiKey::OFFSET_COMMIT => {
            let asked = OffsetCommitRequestV0::decode(&request.body).expect("a sound request");
            let mut answer = OffsetCommitResponse::default();
            for (topic, partition, _) in asked.topics.iter() {
                answer.topics.push(topic.clone(), partition, ErrorCode::NONE);
            }
            server.respond(call, &answer)
        }
        other => panic!("{other:?} is not asked in a model"),
    };
    answered.expect("the call is open");
}

/// The message at an offset of a log, alone, so that a partition has several sets.
fn one_message(offset: Offset) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(offset);
    if offset < END {
        builder.push(None, Some(b"v")).expect("it is small");
    }
    builder.build()
}

fn metadata() -> MetadataResponse {
    let node = NodeId(1);
    let broker = Broker { node, host: Text::from_static("127.0.0.1"), raw_port: 9092 };
    let partition = |number| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(number),
        leader: Some(node),
        replicas: vec![node],
        isr: vec![node],
    };
    let partitions = vec![partition(0), partition(1)];
    let topic = TopicMetadata { error: ErrorCode::NONE, name: Text::from_static(TOPIC), partitions };
    MetadataResponse::new(vec![broker], vec![topic])
}
