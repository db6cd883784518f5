//! When requests leave, and what is looked at before.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use crate::peers::{NO_METADATA, answers_everything, peer, read_request, respond, within};
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client};
use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    connection::SendError,
    ids::{Acks, Millis},
    message::MessageSet,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const LIMIT: Duration = Duration::from_secs(60);

/// The length of a Metadata request for all topics, with the client id "kafka08".
const REQUEST: usize = 4 + 2 + 2 + 4 + 2 + 7 + 4;

/// A socket that counts the calls by which it is written to.
struct Counting {
    socket: UnixStream,
    writes: Arc<AtomicUsize>,
}

impl Read for Counting {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.socket.read(space)
    }
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.socket.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Counting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket that counts, its count, and the peer's end of it.
fn counting() -> (Counting, Arc<AtomicUsize>, UnixStream) {
    let (socket, peer) = pair();
    let writes = Arc::new(AtomicUsize::new(0));
    (Counting { socket, writes: writes.clone() }, writes, peer)
}

/// A client on a Unix socket, and the peer's end of it, which does not block.
fn client() -> (Client<UnixStream>, UnixStream) {
    let (socket, peer) = pair();
    peer.set_nonblocking(true).expect("a setting");
    (Client::of_socket(socket, ClientConfig::default()), peer)
}

/// How many bytes are here.
fn received(peer: &mut UnixStream) -> usize {
    let mut bytes = vec![0; 1 << 20];
    match peer.read(&mut bytes) {
        Ok(n) => n,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}

fn produce(acks: Acks, len: usize) -> ProduceRequest {
    ProduceRequest::new(acks, Millis(1000)).with("t", 0, MessageSet::of_value(&vec![7; len]))
}

#[test]
fn sixty_four_small_requests_in_flight_cost_a_few_writes() {
    within(LIMIT, || {
        for of_stream in [Client::new, Client::of_socket] {
            let (socket, writes, peer) = counting();
            thread::spawn(|| answers_everything(peer));
            let mut client = of_stream(socket, ClientConfig::default());
            let pending: Vec<_> =
                (0..64).map(|_| client.send(&MetadataRequest::all()).expect("there is room")).collect();
            assert_eq!(writes.load(Ordering::Relaxed), 1, "the first, with which nothing was in flight");
            for pending in pending {
                client.wait(pending).expect("it is answered");
            }
            let writes = writes.load(Ordering::Relaxed);
            assert!(writes <= 3, "{writes}");
        }
    });
}

#[test]
fn a_small_request_leaves_at_once_when_nothing_is_in_flight_and_waits_for_others_otherwise() {
    within(LIMIT, || {
        let (mut client, mut peer) = client();
        let _first = client.send(&MetadataRequest::all()).expect("there is room");
        assert_eq!(received(&mut peer), REQUEST);
        let _second = client.send(&MetadataRequest::all()).expect("there is room");
        assert_eq!(received(&mut peer), 0);
        assert!(client.wants_write());
        client.turn();
        assert_eq!(received(&mut peer), REQUEST);
        assert!(!client.wants_write());
    });
}

/// The bytes of a produce request of one message without its value: its head, its body up to the set, and the message.
const PRODUCE: usize = (4 + 2 + 2 + 4 + 2 + 7) + (2 + 4 + 4 + 2 + 1 + 4 + 4 + 4) + (8 + 4 + 4 + 1 + 1 + 4 + 4);

#[test]
fn a_request_waits_for_others_below_16_kib_staged_and_not_from_there_on() {
    within(LIMIT, || {
        for (staged, leaves) in [((16 << 10) - 1, false), (16 << 10, true)] {
            let (mut client, mut peer) = client();
            let _first = client.send(&MetadataRequest::all()).expect("there is room");
            let _small = client.send(&MetadataRequest::all()).expect("there is room");
            let value = staged - REQUEST - PRODUCE;
            let _large = client.send(&produce(Acks::LEADER, value)).expect("there is room");
            assert_eq!(received(&mut peer), REQUEST + if leaves { staged } else { 0 });
        }
    });
}

#[test]
fn every_method_that_moves_bytes_writes_what_is_staged() {
    type Method = fn(Client<UnixStream>);
    const METHODS: [(&str, Method); 7] = [
        ("write", |mut client| assert!(client.write(), "it writes")),
        ("turn", |mut client| assert!(client.turn(), "it writes")),
        ("flush", |mut client| client.flush().expect("the peer is there")),
        ("send_and_forget", |mut client| assert!(client.send_and_forget(&MetadataRequest::all()).is_ok())),
        ("try_wait", |mut client| {
            let pending = client.send(&MetadataRequest::all()).expect("there is room");
            drop(client.try_wait(pending).expect_err("it is not answered"));
        }),
        ("close", |client| drop(client.close())),
        ("drop", drop),
    ];
    within(LIMIT, || {
        for (name, method) in METHODS {
            let (mut client, mut peer) = client();
            drop(client.send(&MetadataRequest::all()).expect("there is room"));
            drop(client.send(&MetadataRequest::all()).expect("there is room"));
            assert_eq!(received(&mut peer), REQUEST, "{name}");
            method(client);
            let received = received(&mut peer);
            assert!(received > 0 && received.is_multiple_of(REQUEST), "{name}: {received}");
        }
    });
}

#[test]
fn a_write_sends_what_is_staged_and_reads_nothing() {
    within(LIMIT, || {
        let (mut client, mut peer) = client();
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let _second = client.send(&MetadataRequest::all()).expect("there is room");
        respond(&mut peer, first.id().0, NO_METADATA).expect("the client is there");
        assert!(client.write() && !client.write());
        assert_eq!(received(&mut peer), 2 * REQUEST);
        let readable = |client: &Client<UnixStream>| {
            poll(&mut [PollFd::new(client, PollFlags::IN)], Some(&Timespec::default())).expect("not interrupted")
        };
        assert_eq!(readable(&client), 1, "the answer was left in the socket");
        assert!(client.turn());
        assert_eq!(readable(&client), 0);
        assert!(client.try_wait(first).is_ok());
    });
}

#[test]
fn a_request_whose_time_is_over_is_not_written() {
    within(LIMIT, || {
        for (of_stream, by_write) in [(false, false), (false, true), (true, false), (true, true)] {
            let of_stream = if of_stream { Client::new } else { Client::of_socket };
            let (socket, _, mut peer) = counting();
            peer.set_nonblocking(true).expect("a setting");
            let mut client = of_stream(socket, ClientConfig::default());
            let _first = client.send(&MetadataRequest::all()).expect("there is room");
            assert_eq!(received(&mut peer), REQUEST);
            let timeout = Duration::from_millis(10);
            let late = client.send_with_timeout(&produce(Acks::LEADER, 1), timeout).expect("there is room");
            thread::sleep(2 * timeout);
            // Both write what is staged: the late one is no part of it any more.
            if by_write {
                client.write();
                assert_eq!(received(&mut peer), 0);
            } else {
                client.send_and_forget(&MetadataRequest::all()).expect("there is room");
                assert_eq!(received(&mut peer), REQUEST);
            }
            let error = client.wait(late).expect_err("its time was over");
            assert_eq!(error.fate(), Fate::NotApplied);
            assert!(error.to_string().contains("the request was not sent"), "{error}");
            assert!(client.closed().is_none());
        }
    });
}

/// A peer that answers one request, and closes when what is returned is dropped.
fn answers_once() -> (String, Sender<()>) {
    let (close, told) = mpsc::channel();
    let address = peer(move |mut stream| {
        let first = read_request(&mut stream).expect("a request");
        respond(&mut stream, first.id, NO_METADATA).expect("the client is there");
        told.recv().expect_err("nothing is sent");
    });
    (address, close)
}

/// Has the peer close, and waits until its end of the connection is here. The client does not look.
fn await_end(client: &Client, close: Sender<()>) {
    drop(close);
    let limit = Timespec::try_from(LIMIT).expect("a short time");
    let is_ready = poll(&mut [PollFd::new(client, PollFlags::IN)], Some(&limit)).expect("it is not interrupted");
    assert_eq!(is_ready, 1, "the peer does not close");
}

/// A client to a peer that has answered one request, and then closed.
fn client_of_a_peer_that_has_closed() -> Client {
    let (address, close) = answers_once();
    let mut client = Client::connect(&address, ClientConfig::default()).expect("the peer listens");
    client.call(&MetadataRequest::all()).expect("it is answered");
    await_end(&client, close);
    client
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, CallError>) {
    let error = result.expect_err("the peer has closed");
    assert_eq!(error.fate(), Fate::NotApplied);
    assert!(matches!(error, CallError::NotSent(SendError::Closed(_))), "{error:?}");
    assert!(error.to_string().contains("not sent"), "{error}");
}

#[test]
fn an_end_that_is_here_refuses_a_request_instead_of_losing_it() {
    within(LIMIT, || {
        let mut client = client_of_a_peer_that_has_closed();
        assert_refused(client.call(&produce(Acks::LEADER, 1)));
        assert_eq!(client.stats().sent, 1);
    });
}

#[test]
fn an_end_that_is_here_refuses_a_produce_with_acks_0() {
    within(LIMIT, || {
        let mut client = client_of_a_peer_that_has_closed();
        assert_refused(client.send_and_forget(&produce(Acks::NONE, 1)));
        assert_eq!(client.stats().sent, 1);
        let report = client.close();
        assert!(report.closed.unconfirmed.is_empty() && report.failed.is_empty(), "{report:?}");
    });
}

#[test]
fn an_end_that_is_here_refuses_a_request_also_when_a_claim_was_dropped() {
    within(LIMIT, || {
        let (address, close) = answers_once();
        let mut client = Client::connect(&address, ClientConfig::default()).expect("the peer listens");
        let pending = client.send(&MetadataRequest::all()).expect("there is room");
        while client.stats().responses < 1 {
            client.turn();
        }
        await_end(&client, close);
        drop(pending);
        assert_refused(client.call(&produce(Acks::LEADER, 1)));
    });
}

#[test]
fn a_flush_finds_an_end_that_is_here_although_nothing_is_staged() {
    within(LIMIT, || {
        let mut client = client_of_a_peer_that_has_closed();
        let error = client.flush().expect_err("the peer has closed");
        assert!(error.failed.is_empty() && error.closed.is_some(), "{error:?}");
    });
}
