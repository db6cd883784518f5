//! The server's side, in virtual time over pipes in memory, and over TCP where a listener is needed.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use common::{client, produce, seconds, settle};
use kafka08_tokio::{
    Call, Client, ServeConfig, Server,
    proto::{
        ClientConfig, ServerConfig,
        api::{Broker, MetadataRequest, MetadataResponse, ProduceResponse},
        ids::{Acks, NodeId},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex},
    net::TcpListener,
    sync::Notify,
    time::{Instant, sleep},
};

/// A client, and a server of it with this handler, in memory.
fn pair<H, F>(config: ServeConfig, handler: H) -> (Client, Server)
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (client, far) = client(4096, ClientConfig::default());
    (client, Server::serve_stream(far, config, handler))
}

async fn answer(call: Call) {
    call.respond(&MetadataResponse::default()).expect("the client is there");
}

/// Settings with so many open calls.
fn open_calls(calls: usize) -> ServeConfig {
    ServeConfig::default().with_connection(ServerConfig::default().with_max_open_calls(calls))
}

/// Settings that note why each connection has ended.
fn noting(config: ServeConfig) -> (ServeConfig, Arc<Mutex<Vec<String>>>) {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&reasons);
    let config = config.with_end_hook(move |_, reason| noted.lock().expect("no panic").push(reason.to_string()));
    (config, reasons)
}

fn only(reasons: &Mutex<Vec<String>>) -> String {
    let reasons = reasons.lock().expect("no panic");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.concat()
}

#[tokio::test(start_paused = true)]
async fn calls_may_be_answered_in_any_order_and_responses_keep_that_of_the_requests() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&kept);
    let (client, _server) = pair(open_calls(3), move |call| {
        calls.lock().expect("no panic").push(call);
        std::future::ready(())
    });
    let mut pending = Vec::new();
    for _ in 0..3 {
        pending.push(client.send(&MetadataRequest::all()).await.expect("there is room"));
    }
    settle().await;
    let mut calls = std::mem::take(&mut *kept.lock().expect("no panic"));
    assert_eq!(calls.len(), 3);
    while let Some(call) = calls.pop() {
        answer(call).await;
    }
    for pending in pending {
        pending.await.expect("it is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_one_after_the_other_are_served_without_a_timer() {
    let (client, _server) = pair(ServeConfig::default(), answer);
    let started = Instant::now();
    for _ in 0..10 {
        client.call(&MetadataRequest::all()).await.expect("it is answered");
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn as_many_calls_are_open_as_the_settings_allow() {
    let most = Arc::new(AtomicUsize::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let (counted, open) = (Arc::clone(&most), Arc::clone(&now));
    let (client, _server) = pair(open_calls(2), move |call| {
        let (most, now) = (Arc::clone(&counted), Arc::clone(&open));
        async move {
            most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
            sleep(seconds(1)).await;
            now.fetch_sub(1, Relaxed);
            answer(call).await;
        }
    });
    let mut pending = Vec::new();
    for _ in 0..10 {
        pending.push(client.send(&MetadataRequest::all()).await.expect("there is room"));
    }
    for pending in pending {
        pending.await.expect("it is answered");
    }
    assert_eq!(most.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_closes_the_connection_if_its_client_waits() {
    let (config, reasons) = noting(ServeConfig::default());
    let (client, server) = pair(config, |call| async move { drop(call) });
    client.send_and_forget(&produce(Acks::NONE, 10)).await.expect("there is room");
    client.flush().await.expect("it is written");
    settle().await;
    assert!(client.closed().is_none(), "nobody waits for a response to acks = 0");
    let started = Instant::now();
    client.call(&MetadataRequest::all()).await.expect_err("it is not answered");
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(server.wait_ended().await.connections, 1);
    assert_eq!(only(&reasons), "the connection was closed on this side");
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_connection_and_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let server = Server::serve(listener, ServeConfig::default(), |call| async move {
        assert_eq!(call.decode(), Ok(MetadataRequest::all()), "a panic on purpose");
        answer(call).await;
    });
    let connect = || Client::connect(&target, ClientConfig::default());
    let (good, bad) = (connect().await.expect("it listens"), connect().await.expect("it listens"));
    bad.call(&MetadataRequest::of(["topic"])).await.expect_err("the handler panics");
    good.call(&MetadataRequest::all()).await.expect("it is answered");
    connect().await.expect("it listens").call(&MetadataRequest::all()).await.expect("it is answered");
    drop(good);
    assert_eq!(server.stop().await.connections, 3);
}

#[tokio::test]
async fn a_server_that_stops_answers_open_calls_and_frees_its_port() {
    // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
    let listener = TcpListener::bind("127.0.0.2:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (has_come, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (comes, goes) = (Arc::clone(&has_come), Arc::clone(&may_go));
    let server = Server::serve(listener, ServeConfig::default(), move |call| {
        let (comes, goes) = (Arc::clone(&comes), Arc::clone(&goes));
        async move {
            comes.notify_one();
            goes.notified().await;
            answer(call).await;
        }
    });
    let client = Client::connect(&address.to_string(), ClientConfig::default()).await.expect("it listens");
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    // It waits in the server's socket, because one call is open at a time.
    let second = client.send(&MetadataRequest::all()).await.expect("there is room");
    has_come.notified().await;
    let (stats, first) = tokio::join!(server.stop(), async {
        may_go.notify_one();
        first.await
    });
    first.expect("an open call is answered");
    second.await.expect_err("a server that stops reads no further request");
    assert_eq!((stats.connections, stats.cut_off), (1, 0));
    TcpListener::bind(address).await.expect("the port is free");
}

#[tokio::test(start_paused = true)]
async fn a_server_waits_for_a_handler_until_its_time_to_stop_is_over() {
    let (config, reasons) = noting(ServeConfig::default().with_stop_timeout(seconds(5)));
    let (client, server) = pair(config, |call| async move {
        sleep(seconds(3600)).await;
        answer(call).await;
    });
    let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    settle().await;
    let started = Instant::now();
    assert_eq!(server.stop().await.cut_off, 1);
    assert_eq!(started.elapsed(), seconds(5));
    pending.await.expect_err("it is not answered");
    assert!(only(&reasons).contains("timed out"), "{reasons:?}");
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let server = Server::serve(listener, ServeConfig::default().with_max_connections(1), answer);
    let first = Client::connect(&target, ClientConfig::default()).await.expect("it listens");
    first.call(&MetadataRequest::all()).await.expect("it is answered");
    let second = Client::connect(&target, ClientConfig::default()).await.expect("the system accepts");
    second.call(&MetadataRequest::all()).await.expect_err("it is one too many");
    first.call(&MetadataRequest::all()).await.expect("the first is still served");
    assert_eq!((server.stats().connections, server.stats().refused), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_in_ends_the_connection_at_the_frame_deadline() {
    let (mut near, far) = duplex(64);
    let (config, reasons) = noting(ServeConfig::default());
    let server = Server::serve_stream(far, config, answer);
    let started = Instant::now();
    // The length promises 100 bytes, and one comes every 7 seconds.
    near.write_all(&[0, 0, 0, 100]).await.expect("there is room");
    while near.write_all(&[0]).await.is_ok() {
        sleep(seconds(7)).await;
    }
    server.wait_ended().await;
    assert!((seconds(30)..seconds(38)).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert!(only(&reasons).contains("only 9 bytes"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_too_long_is_closed_and_a_handler_may_take_its_time() {
    let (config, reasons) = noting(ServeConfig::default().with_idle_timeout(seconds(60)));
    let (client, server) = pair(config, |call| async move {
        sleep(seconds(300)).await;
        answer(call).await;
    });
    let patient = client.send_with_timeout(&MetadataRequest::all(), seconds(1000)).await.expect("there is room");
    patient.await.expect("the handler has its time");
    let started = Instant::now();
    server.wait_ended().await;
    assert_eq!(started.elapsed(), seconds(60));
    assert!(only(&reasons).contains("timed out"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_served_no_further_and_closed_in_the_end() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let (mut near, far) = duplex(4096);
    let config = ServeConfig::default().with_idle_timeout(seconds(60));
    let server = Server::serve_stream(far, config, move |call: Call| {
        count.fetch_add(1, Relaxed);
        // 1 MiB, of which the pipe takes 4 KiB.
        call.respond_raw(vec![0; 1 << 20].into()).expect("the client is there");
        std::future::ready(())
    });
    // Metadata for all topics: length, key, version, correlation id, no client id, no topics.
    let request = [&[0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 255, 255][..], &[0; 4]].concat();
    let mut written = 0;
    while near.write_all(&request).await.is_ok() {
        written += 1;
        if written == 100 {
            break;
        }
    }
    let started = Instant::now();
    server.wait_ended().await;
    assert_eq!(started.elapsed(), seconds(60));
    assert_eq!(served.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_served_even_if_its_client_has_left() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let (client, server) = pair(ServeConfig::default(), move |call: Call| {
        let count = Arc::clone(&count);
        async move {
            sleep(seconds(5)).await;
            count.fetch_add(1, Relaxed);
            call.finish();
        }
    });
    client.send_and_forget(&produce(Acks::NONE, 10)).await.expect("there is room");
    client.close().await;
    server.wait_ended().await;
    assert_eq!(served.load(Relaxed), 1);
}

/// A stream that gives these bytes, and then fails.
struct Resetting(Vec<u8>);

impl AsyncRead for Resetting {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        space.put_slice(&std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Resetting {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_together_with_a_reset_is_served() {
    for calls in [1, 2] {
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        // Metadata for all topics: length, key, version, correlation id, no client id, no topics.
        let request = [&[0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 255, 255][..], &[0; 4]].concat();
        let server = Server::serve_stream(Resetting(request), open_calls(calls), move |call| {
            count.fetch_add(1, Relaxed);
            call.finish();
            std::future::ready(())
        });
        server.wait_ended().await;
        assert_eq!(served.load(Relaxed), 1, "{calls} open calls");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_server_stops_it_in_the_background() {
    let (client, server) = pair(ServeConfig::default(), |call| async move {
        sleep(seconds(1)).await;
        answer(call).await;
    });
    let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    settle().await;
    drop(server);
    pending.await.expect("an open call is answered");
    client.wait_closed().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_requests_end_the_connection_with_their_reason() {
    let (mut near, far) = duplex(64);
    let (config, reasons) = noting(ServeConfig::default());
    let server = Server::serve_stream(far, config, answer);
    near.write_all(b"GET / HTTP/1.1\r\n").await.expect("there is room");
    server.wait_ended().await;
    assert!(only(&reasons).contains("HTTP"), "{reasons:?}");
    let mut rest = Vec::new();
    assert!(near.read_to_end(&mut rest).await.is_ok_and(|n| n == 0));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_the_wire_cannot_hold_closes_the_connection() {
    let failed = Arc::new(Mutex::new(None));
    let error = Arc::clone(&failed);
    let (client, _server) = pair(ServeConfig::default(), move |call: Call| {
        let broker = Broker { node: NodeId(0), host: "h".repeat(40_000).into(), raw_port: 9092 };
        let response = MetadataResponse::new(vec![broker], Vec::new());
        *error.lock().expect("no panic") = call.respond(&response).err();
        std::future::ready(())
    });
    client.call(&MetadataRequest::all()).await.expect_err("it is not answered");
    assert!(failed.lock().expect("no panic").is_some());
}

#[tokio::test]
async fn a_call_names_its_request() {
    let (client, _server) = pair(ServeConfig::default(), |call: Call| async move {
        assert_eq!(call.api().to_string(), "Produce v0");
        assert!(call.expects_response() && call.request().header.client_id.is_some());
        call.respond(&ProduceResponse::default()).expect("the client is there");
    });
    client.call(&produce(Acks::LEADER, 10)).await.expect("it is answered");
}
