//! How much is read at a time, and what a stream may hold that no poll knows of.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    iter::{once, repeat},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::peers::{NO_METADATA, answers_everything, read_request, respond, within};
use crate::sockets::pair;
use kafka08_blocking::{Client, Driver};
use kafka08_proto::{ClientConfig, ServerConfig, ServerConnection, api::MetadataRequest, ids::ConnectionId};

const LIMIT: Duration = Duration::from_secs(60);

/// A socket under a layer that reads in its own way.
struct Layered<F> {
    socket: UnixStream,
    read: F,
}

impl<F: FnMut(&mut UnixStream, &mut [u8]) -> io::Result<usize>> Read for Layered<F> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        (self.read)(&mut self.socket, space)
    }
}

impl<F> Write for Layered<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F> AsFd for Layered<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A layered socket that does not block, and the peer's end of it.
fn layered<F>(read: F) -> (Layered<F>, UnixStream) {
    let (socket, peer) = pair();
    (Layered { socket, read }, peer)
}

#[test]
fn a_stream_that_has_taken_everything_from_its_socket_is_read_to_its_end() {
    within(LIMIT, || {
        // As a TLS layer, which decrypts a record and hands it out in parts.
        let mut held = Vec::new();
        let (stream, peer) = layered(move |socket: &mut UnixStream, space: &mut [u8]| {
            if held.is_empty() {
                let mut record = [0; 1000];
                let n = socket.read(&mut record)?;
                held.extend_from_slice(record.get(..n).unwrap_or_default());
            }
            let n = held.len().min(space.len()).min(5);
            space.iter_mut().zip(held.drain(..n)).for_each(|(to, byte)| *to = byte);
            Ok(n)
        });
        thread::spawn(|| answers_everything(peer));
        let mut client = Client::new(stream, ClientConfig::default());
        let started = Instant::now();
        client.call(&MetadataRequest::all()).expect("it is answered");
        // A poll would not return before the request has timed out, after 30 s.
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    });
}

#[test]
fn each_of_many_answers_costs_one_read_of_a_bare_socket() {
    const ANSWERS: usize = 30;
    within(LIMIT, || {
        let reads = Arc::new(AtomicUsize::new(0));
        let count = reads.clone();
        let (stream, mut peer) = layered(move |socket: &mut UnixStream, space: &mut [u8]| {
            count.fetch_add(1, Ordering::Relaxed);
            socket.read(space)
        });
        let mut client = Client::of_socket(stream, ClientConfig::default());
        let pending: Vec<_> =
            (0..ANSWERS).map(|_| client.send(&MetadataRequest::all()).expect("there is room")).collect();
        while client.turn() {}
        thread::spawn(move || {
            while let Some(request) = read_request(&mut peer) {
                thread::sleep(Duration::from_millis(5));
                respond(&mut peer, request.id, NO_METADATA).expect("the client is there");
            }
        });
        reads.store(0, Ordering::Relaxed);
        for pending in pending.into_iter().rev() {
            client.wait(pending).expect("it is answered");
        }
        let reads = reads.load(Ordering::Relaxed);
        assert!(reads < ANSWERS + ANSWERS / 2, "{reads} reads of {ANSWERS} answers");
    });
}

#[test]
fn a_read_returns_after_a_mebibyte_although_more_is_here() {
    const MEBIBYTE: usize = 1 << 20;
    const PART: usize = 4096;
    within(LIMIT, || {
        // A request of 8 MiB, in parts.
        let mut parts = once((8u32 << 20).to_be_bytes().to_vec()).chain(repeat(vec![0; PART]));
        let sum = Rc::new(Cell::new(0));
        let count = sum.clone();
        let (stream, _peer) = layered(move |_: &mut UnixStream, space: &mut [u8]| {
            let part = parts.next().unwrap_or_default();
            let n = part.len().min(space.len());
            space.iter_mut().zip(part).for_each(|(to, byte)| *to = byte);
            count.set(count.get() + n);
            Ok(n)
        });
        let mut connection = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
        let mut driver = Driver::new(stream);
        for _ in 0..3 {
            assert!(driver.read(Instant::now(), &mut connection), "something came");
            assert!((MEBIBYTE..MEBIBYTE + PART).contains(&sum.take()), "a mebibyte, and less than a part more");
        }
    });
}

#[test]
fn a_bare_socket_that_fills_the_room_it_is_given_is_read_on() {
    within(LIMIT, || {
        // A request of 8 MiB, of which more is always here.
        let mut head = (8u32 << 20).to_be_bytes().to_vec();
        let sum = Rc::new(Cell::new(0));
        let count = sum.clone();
        let (stream, _peer) = layered(move |_: &mut UnixStream, space: &mut [u8]| {
            space.fill(0);
            space.iter_mut().zip(head.drain(..)).for_each(|(to, byte)| *to = byte);
            count.set(count.get() + space.len());
            Ok(space.len())
        });
        let mut connection = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
        assert!(Driver::of_socket(stream).read(Instant::now(), &mut connection), "something came");
        assert!(sum.get() >= 1 << 20, "{} bytes are no mebibyte", sum.get());
    });
}

#[test]
fn a_stream_that_has_panicked_is_not_touched_again() {
    within(LIMIT, || {
        let fails = Arc::new(AtomicBool::new(false));
        let has_failed = fails.clone();
        let (stream, _peer) = layered(move |socket: &mut UnixStream, space: &mut [u8]| {
            assert!(!has_failed.load(Ordering::Relaxed), "a bug");
            socket.read(space)
        });
        let mut client = Client::new(stream, ClientConfig::default());
        client.send(&MetadataRequest::all()).map(drop).expect("there is room");
        client.send(&MetadataRequest::all()).map(drop).expect("there is room");
        assert!(client.wants_write(), "the second one is staged");
        fails.store(true, Ordering::Relaxed);
        // A second panic, while the client is dropped, would end the process.
        let ended = catch_unwind(AssertUnwindSafe(move || client.turn()));
        assert!(ended.is_err(), "the panic comes out");
    });
}
