//! Code of the user that panics in a task of the client or of a server: everything that waits ends, with an error that says so.

use std::{
    io,
    marker::PhantomData,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::join4;
use kafka08_async::{
    BootstrapError, Call, Client, Cluster, ClusterCallError, ClusterConfig, Delivery, HostPort, Producer,
    ProducerConfig, Record, Runtime, SendError, ServeConfig, Server, Wrap,
    futures_io::{AsyncRead, AsyncWrite},
    kafka08_client::{cluster::Route, error::Cause},
    proto::{
        ClientConfig, Fate,
        api::{ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest},
        ids::{Acks, Millis, NodeId},
        message::MessageSet,
    },
};
use kafka08_blocking::threads::{Threads, block_on};
use kafka08_broker::{BrokerConfig, Server as Brokers};

use crate::runtimes::{On, sleep};

/// What a stream of [`Frail`] must not write.
const POISON: &str = "poison-for-the-stream";

/// A runtime whose sockets panic when they write [`POISON`].
struct Frail<Rt>(PhantomData<fn() -> Rt>);

struct FrailStream<S>(S);

type StreamOf<Rt> = <Rt as Wrap<<Rt as Runtime>::TcpStream>>::Stream;

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Runtime for Frail<Rt> {
    type Timer = Rt::Timer;
    type TcpStream = Rt::TcpStream;
    type TcpListener = Rt::TcpListener;

    fn now() -> Instant {
        Rt::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        Rt::spawn(task);
    }

    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Rt::look_up(target).await
    }

    async fn connect(address: SocketAddr) -> io::Result<Rt::TcpStream> {
        Rt::connect(address).await
    }

    async fn accept(listener: &Rt::TcpListener) -> io::Result<Rt::TcpStream> {
        Rt::accept(listener).await
    }

    fn is_pending_true() -> bool {
        Rt::is_pending_true()
    }
}

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Wrap<Rt::TcpStream> for Frail<Rt> {
    type Stream = FrailStream<StreamOf<Rt>>;

    fn wrap(stream: Rt::TcpStream) -> Self::Stream {
        FrailStream(Rt::wrap(stream))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrailStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, space)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrailStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!bytes.windows(POISON.len()).any(|part| part == POISON.as_bytes()), "a panic on purpose");
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

fn brokers() -> Brokers {
    let config = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3);
    Brokers::start(config).expect("free ports")
}

fn set_paused(server: &Brokers, paused: bool) {
    server.with(|brokers, now| {
        for node in [1, 2, 3].map(NodeId) {
            if paused {
                brokers.pause(node, now);
            } else {
                brokers.resume(node, now);
            }
        }
    });
}

fn filter_that_panics() -> ClusterConfig {
    ClusterConfig::default().with_endpoint_filter(|_, _| panic!("a panic on purpose"))
}

/// The fate of a call, which nobody drives any more.
fn abandoned<T: std::fmt::Debug>(called: Result<T, ClusterCallError<T>>) -> Fate {
    let error = called.expect_err("the task has panicked");
    assert!(
        error.to_string().contains("the client's task has ended") && error.to_string().contains("panicked"),
        "{error}"
    );
    let ClusterCallError::Failed(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.cause, Cause::Abandoned);
    failure.fate
}

async fn every_call_ends_when_a_stream_of_the_cluster_panics<H: On>() {
    let server = brokers();
    let config = ClusterConfig::default();
    let cluster = Cluster::<Frail<H::Rt>>::connect([server.bootstrap()], config).await.expect("they listen");
    let ends = ListOffsetsRequest::latest([("t", 0), ("t", 1), ("t", 2)]);
    cluster.call(&ends).await.expect("each leader answers");
    set_paused(&server, true);
    let produce = ProduceRequest::new(Acks::ALL, Millis(10_000)).with("t", 0, MessageSet::of_value(b"v"));
    let changing = H::spawn({
        let cluster = cluster.clone();
        async move { cluster.call(&produce).await }
    });
    let reading = H::spawn({
        let (cluster, ends) = (cluster.clone(), ends.clone());
        async move { cluster.call(&ends).await }
    });
    while cluster.stats().calls < 2 {
        sleep::<H>(Duration::from_millis(1)).await;
    }
    let poisoned = MetadataRequest::of([POISON]);
    assert_eq!(abandoned(cluster.call_at(Route::Node(NodeId(1)), &poisoned).await), Fate::NotApplied);
    assert_eq!(abandoned(changing.await), Fate::MaybeApplied);
    assert_eq!(abandoned(reading.await), Fate::NotApplied);
    // Calls from now on do not wait for a task that is gone.
    assert_eq!(abandoned(cluster.call(&ends).await), Fate::NotApplied);
    assert!(cluster.is_closed());
    cluster.close().await;
    assert_eq!(cluster.stats().calls, cluster.clone().stats().calls, "the lock can still be taken");
}

async fn a_call_ends_when_the_endpoint_filter_panics<H: On>() {
    let server = brokers();
    let connected = Cluster::<H::Rt>::connect([server.bootstrap()], filter_that_panics()).await;
    let cluster = connected.expect("no endpoint is needed for that");
    let ends = ListOffsetsRequest::latest([("t", 0)]);
    assert_eq!(abandoned(cluster.call(&ends).await), Fate::NotApplied);
    assert!(cluster.is_closed());
    cluster.close().await;
}

/// The deliveries, the flush, the senders that wait and the close of a producer whose task panics.
async fn assert_all_ends<Rt>()
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let server = brokers();
    // The topic that poisons the stream may be asked for only after the one before it was not answered for this time.
    let cluster = ClusterConfig::default().with_silence(Duration::from_millis(200));
    // Room for one small and one large record.
    let config = ProducerConfig::default().with_acks(Acks::LEADER).with_cluster(cluster);
    let config = config.with_linger(Duration::ZERO).with_buffer(960);
    let connected = Producer::<Frail<Rt>>::connect([server.bootstrap()], config).await;
    let producer = connected.expect("a broker answers");
    let record = |value| Record::to("t").partition(0).value(value);
    producer.send(record("v")).await.expect("there is room").await.expect("it is delivered");
    set_paused(&server, true);
    let first = producer.send(record("v")).await.expect("there is room");
    let large = "v".repeat(900);
    let rest = producer.send(record(&large)).await.expect("there is room");
    // They wait for topics, for room and for a flush, until a topic of this name is asked for. Those that wait for room come
    // last, because whoever comes behind them waits for room too.
    let no_topic = producer.send(Record::to("unknown").value("v"));
    let poisons = producer.send(Record::to(POISON).value("v"));
    let no_room = producer.send(record("v"));
    let flush = producer.flush();
    let (no_topic, poisons, no_room, flushed) = join4(no_topic, poisons, no_room, flush).await;
    for sent in [no_room, no_topic, poisons] {
        ended(sent.expect_err("nobody makes room"));
    }
    assert!(flushed.expect_err("not all is known").is_cut);
    for delivery in [first, rest] {
        lost(delivery).await;
    }
    ended(producer.send(record("v")).await.expect_err("the task is gone"));
    assert!(producer.is_closed());
    let cut = producer.close(Duration::from_secs(10)).await.expect_err("not all is known");
    assert!(cut.is_cut && cut.to_string().contains("panicked"), "{cut}");
}

fn ended(error: SendError) {
    assert_eq!(error, SendError::Ended);
    assert!(error.to_string().contains("panicked"), "{error}");
}

async fn lost(delivery: Delivery) {
    let error = delivery.await.expect_err("nobody knows");
    assert!(error.error().is_none() && error.fate() == Fate::MaybeApplied, "{error:?}");
    assert!(error.to_string().contains("panicked"), "{error}");
}

async fn everything_ends_when_a_stream_of_the_producer_panics<H: On>() {
    assert_all_ends::<H::Rt>().await;
}

#[test]
fn everything_ends_when_a_stream_of_the_producer_panics_on_threads() {
    block_on(assert_all_ends::<Threads>());
}

async fn a_producer_is_not_connected_if_the_endpoint_filter_panics<H: On>() {
    let server = brokers();
    let config = ProducerConfig::default().with_cluster(filter_that_panics());
    let error = Producer::<H::Rt>::connect([server.bootstrap()], config).await.expect_err("the task has panicked");
    assert!(matches!(&error, BootstrapError::Failed(failure) if failure.cause == Cause::Abandoned), "{error:?}");
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn clients_of_threads_end_when_the_endpoint_filter_panics() {
    let server = brokers();
    let connected = kafka08_blocking::Cluster::connect([server.bootstrap()], filter_that_panics());
    let cluster = connected.expect("no endpoint is needed for that");
    assert_eq!(abandoned(cluster.call(&ListOffsetsRequest::latest([("t", 0)]))), Fate::NotApplied);
    assert!(cluster.is_closed());
    cluster.close();
    let config = ProducerConfig::default().with_cluster(filter_that_panics());
    let connected = kafka08_blocking::Producer::connect([server.bootstrap()], config);
    assert!(connected.expect_err("the thread has panicked").to_string().contains("panicked"));
}

/// A handler that panics before it is a future, or in its future.
async fn handle(call: Call) {
    assert_ne!(call.decode(), Ok(MetadataRequest::of([POISON])), "a panic on purpose");
    // The client may have gone.
    let _ = call.respond(&MetadataResponse::default());
}

async fn a_handler_that_panics_ends_its_connection_and_no_other<H: On>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let server = Server::<H::Rt>::serve(H::listener(listener), ServeConfig::default(), handle);
    let connect = || Client::<H::Rt>::connect(&target, ClientConfig::default());
    let good = connect().await.expect("it listens");
    for _ in 0..3 {
        // Executors run tasks on few threads, none of which may be lost.
        let bad = connect().await.expect("it listens");
        bad.call(&MetadataRequest::of([POISON])).await.expect_err("the handler panics");
        good.call(&MetadataRequest::all()).await.expect("it is answered");
    }
    connect().await.expect("it listens").call(&MetadataRequest::all()).await.expect("it is answered");
    drop(good);
    assert_eq!(server.stop().await.connections, 5);
}

on_each_runtime! {
    every_call_ends_when_a_stream_of_the_cluster_panics,
    a_call_ends_when_the_endpoint_filter_panics,
    everything_ends_when_a_stream_of_the_producer_panics,
    a_producer_is_not_connected_if_the_endpoint_filter_panics,
    a_handler_that_panics_ends_its_connection_and_no_other,
}
