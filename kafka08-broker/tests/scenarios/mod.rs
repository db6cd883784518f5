//! What every server does over TCP, whatever it runs on. The test that includes this module names the server.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{Client, Pending};
use kafka08_broker::{BrokerConfig, Cluster};
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    ids::{Acks, Millis, NodeId, Offset},
    message::MessageSet,
};

use crate::Server;

fn start() -> Server {
    Server::start(BrokerConfig::default()).expect("a free port")
}

fn connect(server: &Server) -> Client {
    Client::connect(&server.host_port(), ClientConfig::default()).expect("the server listens")
}

fn make_topic(client: &mut Client) {
    while client.call(&MetadataRequest::of(["t"])).expect("an answer").leader_of("t", 0).is_err() {}
}

/// Whether the other side closes within a time.
fn closes(mut socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    match socket.read(&mut [0; 16]) {
        Ok(n) => n == 0,
        // A connection that was not accepted yet, or bytes that were not read.
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn it_takes_connections_when_it_is_started_and_frees_its_port_when_stopped() {
    // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
    let server = Server::start(BrokerConfig::default().with_listen(([127, 0, 0, 2], 0).into())).expect("a free port");
    let address = server.address();
    assert!(address.ip().is_loopback());
    connect(&server).call(&MetadataRequest::all()).expect("an answer");
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    let again = Server::start(BrokerConfig::default().with_listen(address)).expect("the port is free");
    assert_eq!(again.address(), address);
    let taken = Server::start(BrokerConfig::default().with_listen(address)).expect_err("the port is taken");
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

#[test]
fn one_connection_waits_for_what_another_produces() {
    let server = start();
    let (mut producer, mut consumer) = (connect(&server), connect(&server));
    make_topic(&mut producer);
    let fetch = FetchRequest::new(Millis(20_000), 1).with("t", 0, Offset(0), 1000);
    let waiting = consumer.send(&fetch).expect("there is room");
    consumer.flush().expect("it is written");
    let produce = ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, MessageSet::of_value(b"v"));
    let produced = producer.call(&produce).expect("an answer");
    assert!(produced.topics.find("t", 0).expect("it is told").error.is_ok());
    let fetched = consumer.wait(waiting).expect("an answer");
    assert_eq!(fetched.topics.find("t", 0).expect("it is told").messages.entries().count(), 1);
}

#[test]
fn an_unknown_key_closes_the_connection_and_only_that() {
    let server = start();
    let bystander = TcpStream::connect(server.address()).expect("the server listens");
    let mut socket = TcpStream::connect(server.address()).expect("the server listens");
    // Length, key 18, version 0, correlation id 1, null client id.
    socket.write_all(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff").expect("it takes the request");
    assert!(closes(&socket));
    connect(&server).call(&MetadataRequest::all()).expect("the server goes on");
    drop(bystander);
}

#[test]
fn a_produce_with_acks_0_that_fails_closes_the_connection() {
    let server = start();
    let mut client = connect(&server);
    make_topic(&mut client);
    let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("missing", 0, MessageSet::of_value(b"v"));
    let id = client.send_and_forget(&produce).expect("it is sent");
    client.call(&MetadataRequest::all()).expect_err("the connection is closed");
    let closed = client.closed().expect("it is closed");
    assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
}

#[test]
fn one_connection_too_many_is_closed_at_once() {
    let server = Server::start(BrokerConfig::default().with_max_connections(1)).expect("a free port");
    let mut first = connect(&server);
    first.call(&MetadataRequest::all()).expect("an answer");
    let second = TcpStream::connect(server.address()).expect("the system takes the connection");
    assert!(closes(&second));
    first.call(&MetadataRequest::all()).expect("the first is still served");
}

#[test]
fn a_request_that_does_not_arrive_in_time_closes_its_connection() {
    let config = BrokerConfig::default().with_frame_timeout(Duration::from_millis(100));
    let server = Server::start(config).expect("a free port");
    let mut slow = TcpStream::connect(server.address()).expect("the server listens");
    slow.write_all(&[0, 0]).expect("it takes the bytes");
    assert!(closes(&slow));
}

/// More than the buffers of a socket that is not read hold, which is 4 MiB for the sender (`tcp_wmem`) and less for the
/// receiver, in messages of [`LARGE`] bytes.
const MANY: usize = 12;
const LARGE: usize = 900_000;

/// A client of a server whose topic "t" holds [`MANY`] messages, and the request for all of them.
fn with_large_answers(server: &Server) -> (Client, FetchRequest) {
    let mut client = connect(server);
    make_topic(&mut client);
    let large = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(&vec![0; LARGE]));
    for _ in 0..MANY {
        client.call(&large).expect("an answer");
    }
    (client, FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 50_000_000))
}

#[test]
fn an_answer_larger_than_the_buffers_reaches_a_client_that_reads_late() {
    let server = start();
    let (_, fetch) = with_large_answers(&server);
    let mut client = connect(&server);
    let pending = client.send(&fetch).expect("there is room");
    thread::sleep(Duration::from_millis(200));
    let fetched = client.wait(pending).expect("an answer");
    assert_eq!(fetched.topics.find("t", 0).expect("it is told").messages.entries().count(), MANY);
}

#[test]
fn clients_that_dawdle_do_not_hold_up_an_honest_one() {
    let server = start();
    let (mut client, fetch) = with_large_answers(&server);
    let mut idle = Vec::new();
    let mut deaf = Vec::new();
    for _ in 0..5 {
        // Half a request that never goes on, and an answer that is never read.
        let mut half = TcpStream::connect(server.address()).expect("the server listens");
        half.write_all(&[0, 0, 1, 0, 0]).expect("it takes the bytes");
        idle.push(half);
        let mut client = connect(&server);
        let pending = client.send(&fetch).expect("there is room");
        deaf.push((client, pending));
    }
    let started = Instant::now();
    for _ in 0..20 {
        client.call(&MetadataRequest::all()).expect("an answer");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // None of them was cut short, and each is served when it reads at last.
    for (mut client, pending) in deaf {
        let fetched = client.wait(pending).expect("an answer");
        assert_eq!(fetched.topics.find("t", 0).expect("it is told").messages.entries().count(), MANY);
    }
}

/// A connection with a fetch that waits at its server for so many milliseconds.
fn waiting(server: &Server, millis: i32) -> (Client, Pending<FetchRequest>) {
    let mut client = connect(server);
    make_topic(&mut client);
    let fetch = FetchRequest::new(Millis(millis), 1).with("t", 0, Offset(0), 1000);
    let pending = client.send(&fetch).expect("there is room");
    client.flush().expect("it is written");
    (client, pending)
}

#[test]
fn a_fetch_that_nothing_satisfies_is_answered_when_its_wait_is_over() {
    let server = start();
    let started = Instant::now();
    let (mut client, pending) = waiting(&server, 300);
    client.wait(pending).expect("an answer");
    let waited = started.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[test]
fn a_client_that_resets_its_connection_while_its_fetch_waits_is_forgotten_at_once() {
    let server = start();
    server.create_topic("t", 1).expect("a topic");
    let mut socket = TcpStream::connect(server.address()).expect("the server listens");
    // Length, key 1, version 0, correlation id 1, null client id; replica -1, wait 60,000 ms, 1 byte.
    socket
        .write_all(b"\0\0\0\x31\0\x01\0\0\0\0\0\x01\xff\xff\xff\xff\xff\xff\0\0\xea\x60\0\0\0\x01")
        .expect("it takes them");
    // One topic "t" with one partition: 0, offset 0, 1,000 bytes.
    socket.write_all(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\xe8").expect("it takes them");
    let waits = |cluster: &Cluster| cluster.snapshot().connections.iter().any(|connection| connection.waiting == 1);
    server.wait_until(Duration::from_secs(10), waits).expect("the fetch waits");
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    drop(socket);
    server.wait_until(Duration::from_secs(10), |cluster| cluster.connections() == 0).expect("it is noticed");
}

#[test]
fn stopping_does_not_wait_for_clients() {
    let server = start();
    let (mut client, pending) = waiting(&server, 60_000);
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    client.wait(pending).expect_err("the connection is closed");
}

#[test]
fn a_killed_broker_closes_its_port_and_a_started_one_has_the_same() {
    let server = Server::start(BrokerConfig::default().with_brokers(2)).expect("free ports");
    let (first, second) = (NodeId(1), NodeId(2));
    let address = server.address_of(second).expect("there are two");
    assert_eq!(server.bootstrap(), format!("{},{address}", server.host_port()));
    let bystander = TcpStream::connect(address).expect("it listens");
    server.kill(second);
    assert!(closes(&bystander));
    // The port is closed soon after the command.
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_ok_and(|socket| !closes(&socket)) {
        assert!(Instant::now() < end, "the port is still open");
    }
    TcpStream::connect(server.address_of(first).expect("there are two")).expect("the other goes on");
    server.start_again(second);
    let mut client = loop {
        assert!(Instant::now() < end, "the port is still closed");
        let Ok(mut client) = Client::connect(&address.to_string(), ClientConfig::default()) else { continue };
        if client.call(&MetadataRequest::all()).is_ok() {
            break client;
        }
    };
    client.call(&MetadataRequest::all()).expect("it serves again");
}

#[test]
fn a_connection_without_a_request_is_closed_when_it_was_idle_for_too_long() {
    let config = BrokerConfig::default().with_idle_timeout(Duration::from_millis(100));
    let server = Server::start(config).expect("a free port");
    let idle = TcpStream::connect(server.address()).expect("the server listens");
    assert!(closes(&idle));
    assert_eq!(server.with(|cluster, _| cluster.limit_stats().idle), 1);
}

#[test]
fn a_client_that_reads_no_answer_is_disconnected_in_time() {
    let config = BrokerConfig::default().with_write_timeout(Duration::from_millis(200));
    let server = Server::start(config).expect("a free port");
    let (_, fetch) = with_large_answers(&server);
    let mut client = connect(&server);
    let _pending = client.send(&fetch).expect("there is room");
    client.flush().expect("it is written");
    server.wait_until(Duration::from_secs(10), |cluster| cluster.limit_stats().slow == 1).expect("it is noticed");
}

#[test]
fn a_topic_whose_name_is_not_allowed_is_reported() {
    let error = Server::start(BrokerConfig::default().with_topic("a b", 1)).expect_err("a space is not allowed");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"a b\""), "{error}");
}
