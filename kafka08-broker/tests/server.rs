//! The server, over TCP.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    ids::{Acks, Millis, Offset},
    message::MessageSet,
};

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
    matches!(socket.read(&mut [0; 16]), Ok(0))
        || socket.read(&mut [0; 16]).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset)
}

#[test]
fn it_takes_connections_when_it_is_started_and_frees_its_port_when_stopped() {
    let server = start();
    let address = server.address();
    assert!(address.ip().is_loopback());
    connect(&server).call(&MetadataRequest::all()).expect("an answer");
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    let again = Server::start(BrokerConfig::default().with_listen(address)).expect("the port is free");
    assert_eq!(again.address(), address);
    let taken = Server::start(BrokerConfig::default().with_listen(address)).expect_err("the port is taken");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
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
