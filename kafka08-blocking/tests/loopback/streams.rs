//! Streams with ways of their own: what a TLS layer or a proxy may do between the client and the socket.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::peers::{NO_METADATA, within};
use kafka08_blocking::Client;
use kafka08_proto::{ClientConfig, api::MetadataRequest};

const LIMIT: Duration = Duration::from_secs(60);

/// A stream that keeps what is written until it is flushed, and whose first flushes would block.
struct Buffering {
    socket: UnixStream,
    kept: Vec<u8>,
    blocked_flushes: usize,
}

impl Read for Buffering {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.socket.read(space)
    }
}

impl Write for Buffering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(left) = self.blocked_flushes.checked_sub(1) {
            self.blocked_flushes = left;
            return Err(ErrorKind::WouldBlock.into());
        }
        while !self.kept.is_empty() {
            let n = self.socket.write(&self.kept)?;
            self.kept.drain(..n);
        }
        Ok(())
    }
}

impl AsFd for Buffering {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A client on a stream whose first flushes would block, and the peer's end of it.
fn buffering(blocked_flushes: usize) -> (Client<Buffering>, UnixStream) {
    let (socket, peer) = UnixStream::pair().expect("a pair of sockets");
    socket.set_nonblocking(true).expect("a setting");
    let config = ClientConfig::default().with_request_timeout(Duration::from_secs(5));
    (Client::new(Buffering { socket, kept: Vec::new(), blocked_flushes }, config), peer)
}

/// The length of a Metadata request for all topics, with the client id "kafka08".
const REQUEST: usize = 4 + 2 + 2 + 4 + 2 + 7 + 4;

/// Reads one request and answers it.
fn serve_one(peer: &mut UnixStream) {
    let mut request = [0; REQUEST];
    peer.read_exact(&mut request).expect("the request comes whole");
    let id = request.get(8..12).expect("it is long enough");
    peer.write_all(&[&[0, 0, 0, 12][..], id, NO_METADATA].concat()).expect("the client is there");
}

#[test]
fn a_stream_whose_flush_would_block_is_told_again_until_it_lets_go() {
    within(LIMIT, || {
        let (mut client, mut peer) = buffering(3);
        let server = std::thread::spawn(move || {
            serve_one(&mut peer);
            peer
        });
        client.call(&MetadataRequest::all()).expect("it left, and is answered");
        drop(server.join().expect("the peer was content"));
    });
}

#[test]
fn flush_and_close_wait_for_what_the_stream_holds_back() {
    within(LIMIT, || {
        let (mut client, mut peer) = buffering(3);
        client.send_and_forget(&MetadataRequest::all()).expect("it is sent");
        client.flush().expect("the peer is there");
        peer.set_nonblocking(true).expect("a setting");
        peer.read_exact(&mut [0; REQUEST]).expect("the request was let go before flush returned");

        let (mut client, mut peer) = buffering(3);
        client.send_and_forget(&MetadataRequest::all()).expect("it is sent");
        client.close();
        peer.read_exact(&mut [0; REQUEST]).expect("the request was let go before close returned");
    });
}
