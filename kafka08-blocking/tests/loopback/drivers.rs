//! The driver by itself, at either end of a connection.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use crate::peers::within;
use kafka08_blocking::Driver;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, ServerConfig, ServerConnection, ServerEvent,
    api::{MetadataRequest, MetadataResponse},
    ids::ConnectionId,
};

const LIMIT: Duration = Duration::from_secs(60);

fn ends() -> (ClientConnection, ServerConnection) {
    let id = ConnectionId(0);
    (ClientConnection::new(ClientConfig::default(), id), ServerConnection::new(ServerConfig::default(), id))
}

#[test]
fn a_pump_says_whether_anything_moved_in_either_direction() {
    within(LIMIT, || {
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        near.set_nonblocking(true).expect("a setting");
        far.set_nonblocking(true).expect("a setting");
        let (mut client, mut server) = ends();
        let (mut near, mut far) = (Driver::new(near), Driver::of_socket(far));
        let now = Instant::now();
        assert!(!near.pump(now, &mut client) && !far.pump(now, &mut server), "nothing is here");
        let ticket = client.request(now, &MetadataRequest::all()).expect("there is room");
        assert!(!near.is_flushed(&client) && near.wants_write(&client));
        assert!(near.pump(now, &mut client), "it writes");
        assert!(near.is_flushed(&client) && !near.wants_write(&client));
        assert!(!near.pump(now, &mut client), "nothing is left");
        assert!(far.pump(now, &mut server), "it reads");
        let Some(ServerEvent::Request(request)) = server.poll_event() else { panic!("a request is here") };
        server.respond(request.call, &MetadataResponse::default()).expect("it is open");
        assert!(far.pump(now, &mut server) && near.pump(now, &mut client));
        let Some(ClientEvent::Response(frame)) = client.poll_event() else { panic!("an answer is here") };
        ticket.redeem(frame).expect("it is the answer");
    });
}

#[test]
fn a_wait_ends_when_the_peer_writes_when_it_reads_or_when_it_is_time() {
    within(LIMIT, || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let near = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let (far, _) = listener.accept().expect("it has connected");
        near.set_nonblocking(true).expect("a setting");
        far.set_nonblocking(true).expect("a setting");
        let (mut client, mut server) = ends();
        let (mut near, mut far) = (Driver::of_socket(near), Driver::of_socket(far));
        let started = Instant::now();
        let short = Duration::from_millis(30);
        near.wait(&client, started.checked_add(short));
        assert!(started.elapsed() >= short);

        client.request(started, &MetadataRequest::all()).expect("there is room");
        near.wait(&client, None);
        assert!(near.write(&mut client), "the socket takes it at once");
        far.wait(&server, None);
        assert!(far.read(started, &mut server), "it was waited for");
    });
}
