//! How calls and connections end.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    CallError, ConnectError, HostPort, ServeConfig, SharedClient,
    proto::{
        ClientConfig,
        api::{MetadataRequest, ProduceRequest},
        connection::{Fate, SendError},
        ids::{Acks, Millis},
        message::MessageSet,
    },
};

use crate::{SECOND, connect, connect_with, echo, serve, within};

const SHORT: Duration = Duration::from_millis(200);

/// A client whose peer is a socket of the test.
fn with_peer(config: ClientConfig) -> (SharedClient, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = connect_with(listener.local_addr().expect("it is bound"), config);
    (client, listener.accept().expect("the client connects").0)
}

fn produce() -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(b"value"))
}

#[test]
fn a_call_that_is_not_answered_ends_at_its_deadline() {
    within(10 * SECOND, || {
        let (client, _peer) = with_peer(ClientConfig::default().with_request_timeout(SHORT));
        let started = Instant::now();
        let error = client.call(&produce()).expect_err("nobody answers");
        assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
        assert_eq!(error.fate(), Fate::MaybeApplied, "{error}");
    });
}

#[test]
fn a_peer_that_stops_reading_ends_a_large_request_at_its_deadline() {
    within(20 * SECOND, || {
        let (client, _peer) = with_peer(ClientConfig::default().with_request_timeout(2 * SECOND));
        let part = MessageSet::of_value(&vec![7; 900_000]);
        let large = (0..16).fold(ProduceRequest::new(Acks::LEADER, Millis(0)), |request, partition| {
            request.with("t", partition, part.clone())
        });
        let error = client.call(&large).expect_err("the sockets' buffers are full");
        assert!(matches!(error, CallError::Failed { .. }), "{error}");
        assert_eq!(error.fate(), Fate::NotApplied, "{error}");
        let refused = client.call(&MetadataRequest::all()).expect_err("the connection has ended");
        assert!(matches!(refused, CallError::NotSent(SendError::Closed(_))), "{refused:?}");
    });
}

#[test]
fn a_connection_that_its_peer_has_closed_refuses_a_request_and_does_not_lose_it() {
    within(10 * SECOND, || {
        let (client, peer) = with_peer(ClientConfig::default());
        drop(peer);
        client.wait_closed();
        let error = client.call(&produce()).expect_err("the peer has left");
        assert_eq!(error.fate(), Fate::NotApplied, "{error}");
    });
}

#[test]
fn closing_ends_the_calls_of_all_threads() {
    within(10 * SECOND, || {
        let (client, _peer) = with_peer(ClientConfig::default().with_max_in_flight(2));
        thread::scope(|scope| {
            // Two wait for responses, and two for room.
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| client.call(&MetadataRequest::all()))).collect();
            thread::sleep(SHORT);
            println!("{}", client.close());
            for call in calls {
                call.join().expect("no panic").expect_err("the connection was closed");
            }
        });
    });
}

#[test]
fn dropping_the_last_handle_closes_when_what_is_awaited_has_come() {
    within(10 * SECOND, || {
        let (client, mut peer) = with_peer(ClientConfig::default());
        let pending = client.send(&MetadataRequest::all()).expect("there is room");
        let id = pending.id();
        drop(client);
        let mut request = [0; 25];
        peer.read_exact(&mut request).expect("it is written");
        peer.write_all(&[&[0, 0, 0, 12][..], &id.0.to_be_bytes(), &[0; 8]].concat()).expect("the client reads");
        pending.wait().expect("it is answered");
        assert_eq!(peer.read(&mut request).expect("the client closes"), 0);
    });
}

#[test]
fn a_claim_that_is_dropped_leaves_the_connection_whole() {
    within(10 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        let client = connect(address);
        for _ in 0..100 {
            drop(client.send(&MetadataRequest::of(["dropped"])).expect("there is room"));
            let metadata = client.call(&MetadataRequest::of(["kept"])).expect("it is answered");
            assert!(metadata.topic("kept").is_some());
        }
    });
}

#[test]
fn a_failure_that_nobody_waits_for_is_listed_by_the_next_flush() {
    within(10 * SECOND, || {
        let (client, peer) = with_peer(ClientConfig::default().with_request_timeout(SHORT));
        let id = client.send_and_forget(&MetadataRequest::all()).expect("there is room");
        client.wait_closed();
        drop(peer);
        let error = client.flush().expect_err("the request has failed");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    });
}

#[test]
fn an_address_that_drops_packets_leaves_time_for_the_next_one() {
    within(20 * SECOND, || {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("it is bound");
        // The queue of connections that are not accepted is full, so the system drops further attempts.
        rustix::net::listen(&silent, 0).expect("a shorter queue");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
            queued.push(stream);
        }
        let (_server, live) = serve(ServeConfig::default(), echo);
        let refusing = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let target = HostPort::new("cluster", 9092);
        let config = ClientConfig::default().with_connect_timeout(3 * SECOND);
        let client = SharedClient::connect_addresses(target.clone(), &[address, refusing, live], config.clone());
        client.expect("the last one answers").call(&MetadataRequest::all()).expect("it is answered");
        let error = SharedClient::connect_addresses(target, &[refusing, address], config).expect_err("none answers");
        assert!(matches!(&error, ConnectError::TimedOut { attempts, .. } if attempts.len() == 2), "{error:?}");
    });
}

#[test]
fn what_is_wrong_with_a_target_is_said() {
    within(20 * SECOND, || {
        let config = || ClientConfig::default().with_connect_timeout(5 * SECOND);
        let refused = SharedClient::connect("127.0.0.1:1", config()).expect_err("nobody listens");
        assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
        SharedClient::connect("no port", config()).expect_err("it is no target");
        let unknown = SharedClient::connect("no-such-host.invalid:9092", config()).expect_err("no such host");
        assert!(unknown.to_string().contains("no-such-host.invalid"), "{unknown}");
        let (sender, receiver) = mpsc::channel::<()>();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the client connects");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").expect("the client reads");
            let _ = receiver.recv();
        });
        let error = connect(address).call(&MetadataRequest::all()).expect_err("it speaks HTTP");
        assert!(error.to_string().contains("HTTP"), "{error}");
        drop(sender);
    });
}
