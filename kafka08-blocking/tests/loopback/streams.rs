//! Streams with ways of their own: what a TLS layer or a proxy may do between the client and the socket.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::peers::{NO_METADATA, within};
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client};
use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    ids::{Acks, Millis},
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);

/// A stream that keeps what is written until it is flushed, and whose first flushes would block.
struct Buffering {
    socket: UnixStream,
    kept: Vec<u8>,
    /// What the first flushes say.
    failing: Box<dyn Iterator<Item = ErrorKind> + Send>,
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
        if let Some(kind) = self.failing.next() {
            return Err(kind.into());
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
fn buffering(blocked_flushes: usize, timeout: Duration) -> (Client<Buffering>, UnixStream) {
    failing_to_flush(std::iter::repeat_n(ErrorKind::WouldBlock, blocked_flushes), timeout)
}

/// A client on a stream whose first flushes fail so, and the peer's end of it.
fn failing_to_flush(
    failing: impl Iterator<Item = ErrorKind> + Send + 'static,
    timeout: Duration,
) -> (Client<Buffering>, UnixStream) {
    let (socket, peer) = pair();
    let config = ClientConfig::default().with_request_timeout(timeout);
    (Client::new(Buffering { socket, kept: Vec::new(), failing: Box::new(failing) }, config), peer)
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
        let (mut client, mut peer) = buffering(3, LIMIT);
        let server = std::thread::spawn(move || {
            serve_one(&mut peer);
            peer
        });
        client.call(&MetadataRequest::all()).expect("it left, and is answered");
        drop(server.join().expect("the peer was content"));
    });
}

#[test]
fn a_flush_that_is_interrupted_is_tried_again_and_one_that_fails_is_told() {
    within(LIMIT, || {
        let (mut client, mut peer) = failing_to_flush([ErrorKind::Interrupted; 3].into_iter(), LIMIT);
        client.send_and_forget(&MetadataRequest::all()).expect("it is sent");
        let mut request = [0; REQUEST];
        peer.read_exact(&mut request).expect("it left at once, with nobody to tell the stream again");

        let (mut client, peer) = failing_to_flush([ErrorKind::ConnectionReset].into_iter(), LIMIT);
        let pending = client.send(&MetadataRequest::all()).expect("there is room");
        client.send(&MetadataRequest::all()).expect_err("nothing is sent any more");
        // Until then an answer might come.
        drop(peer);
        let error = client.wait(pending).expect_err("flushing has failed");
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::ConnectionReset),
            "{error:?}"
        );
    });
}

#[test]
fn flush_and_close_wait_for_what_the_stream_holds_back() {
    within(LIMIT, || {
        let (mut client, mut peer) = buffering(3, LIMIT);
        client.send_and_forget(&MetadataRequest::all()).expect("it is sent");
        client.flush().expect("the peer is there");
        peer.set_nonblocking(true).expect("a setting");
        peer.read_exact(&mut [0; REQUEST]).expect("the request was let go before flush returned");

        let (mut client, mut peer) = buffering(3, LIMIT);
        client.send_and_forget(&MetadataRequest::all()).expect("it is sent");
        client.close();
        peer.read_exact(&mut [0; REQUEST]).expect("the request was let go before close returned");
    });
}

/// A stream that fails as a script says: what each write does before the socket gets it.
struct Scripted {
    socket: UnixStream,
    writes: Vec<Result<usize, ErrorKind>>,
    reads: Vec<ErrorKind>,
}

impl Read for Scripted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop() {
            Some(kind) => Err(kind.into()),
            None => self.socket.read(space),
        }
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.writes.pop() {
            Some(Ok(most)) => self.socket.write(bytes.get(..most).unwrap_or(bytes)),
            Some(Err(kind)) => Err(kind.into()),
            None => self.socket.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(slices.first().map_or(&[], |slice| slice))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Scripted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A client on a scripted stream, and the peer's end of it.
fn scripted(writes: Vec<Result<usize, ErrorKind>>, reads: Vec<ErrorKind>) -> (Client<Scripted>, UnixStream) {
    let (socket, peer) = pair();
    (Client::new(Scripted { socket, writes, reads }, ClientConfig::default()), peer)
}

#[test]
fn interrupted_blocked_and_short_writes_and_reads_change_nothing() {
    within(LIMIT, || {
        let writes = vec![Err(ErrorKind::Interrupted), Ok(3), Err(ErrorKind::WouldBlock), Ok(1), Ok(1)];
        let reads = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted, ErrorKind::WouldBlock];
        let (mut client, mut peer) = scripted(writes, reads);
        let server = std::thread::spawn(move || {
            let mut request = [0; 4 + 2 + 2 + 4 + 2 + 7 + 4];
            peer.read_exact(&mut request).expect("the request comes whole");
            let id = request.get(8..12).expect("it is long enough");
            peer.write_all(&[&[0, 0, 0, 12][..], id, NO_METADATA].concat()).expect("the client is there");
            peer
        });
        client.call(&MetadataRequest::all()).expect("it is answered");
        drop(server.join().expect("the peer was content"));
    });
}

#[test]
fn answers_that_wait_behind_a_failed_write_still_come_out() {
    within(LIMIT, || {
        let (mut client, mut peer) = scripted(vec![], vec![]);
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let id = first.id().0;
        peer.write_all(&[&[0, 0, 0, 12][..], &id.to_be_bytes(), NO_METADATA].concat()).expect("the client is there");
        // The peer is gone: the next write fails, and its answer to the first is still in the socket.
        drop(peer);
        let second = client.send(&MetadataRequest::all()).expect("it is staged");
        client.wait(first).expect("its answer was there");
        let error = client.wait(second).expect_err("it was never written");
        assert_eq!(error.fate(), Fate::NotApplied);
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::BrokenPipe),
            "{error:?}"
        );
    });
}

#[test]
fn an_answer_that_comes_after_a_write_has_failed_is_waited_for() {
    within(LIMIT, || {
        let (mut client, mut peer) = scripted(vec![Err(ErrorKind::BrokenPipe), Ok(REQUEST)], vec![]);
        let first = client.send(&MetadataRequest::all()).expect("it is written");
        let second = client.send(&MetadataRequest::all()).expect("it is staged");
        // The stream has nothing to read yet.
        let first = client.try_wait(first).expect_err("the peer has not answered");
        let server = std::thread::spawn(move || serve_one(&mut peer));
        client.wait(first).expect("it was written, and is answered");
        server.join().expect("the peer was content");
        let error = client.wait(second).expect_err("it was never written");
        assert_eq!(error.fate(), Fate::NotApplied);
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::BrokenPipe),
            "{error:?}"
        );
    });
}

#[test]
fn a_stream_that_takes_no_byte_has_failed() {
    within(LIMIT, || {
        let (mut client, peer) = scripted(vec![Ok(0)], vec![]);
        let pending = client.send(&MetadataRequest::all()).expect("it is staged");
        drop(peer);
        let error = client.wait(pending).expect_err("it was never written");
        assert_eq!(error.fate(), Fate::NotApplied);
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::WriteZero),
            "{error:?}"
        );
    });
}

#[test]
fn a_failed_read_is_told_with_what_the_system_said() {
    within(LIMIT, || {
        // Nothing is here when the client looks before it sends.
        let (mut client, _peer) = scripted(vec![], vec![ErrorKind::ConnectionReset, ErrorKind::WouldBlock]);
        let error = client.call(&MetadataRequest::all()).expect_err("reading fails");
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::ConnectionReset),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("the peer reset the connection instead of answering Metadata v0"), "{text}");
    });
}

#[test]
fn what_a_stream_never_lets_go_ends_the_connection_after_the_time_of_one_request() {
    within(LIMIT, || {
        let (mut client, _peer) = buffering(usize::MAX, Duration::from_millis(200));
        client.send_and_forget(&unanswered(1)).expect("it is sent");
        let error = client.flush().expect_err("the stream does not let go");
        assert!(error.failed.is_empty(), "{error:?}");
        assert!(error.to_string().contains("the connection failed (timed out)"), "{error}");
        assert_eq!(client.closed().map(|closed| closed.unconfirmed.len()), Some(1));
    });
}

#[test]
fn a_peer_that_never_reads_does_not_hold_up_flush_or_close_beyond_the_timeout() {
    within(LIMIT, || {
        let config = ClientConfig::default().with_request_timeout(Duration::from_millis(200));
        let large = unanswered(200);
        let stalled = || {
            let (socket, peer) = pair();
            (Client::of_socket(socket, config.clone()), peer)
        };
        let (mut client, _peer) = stalled();
        let id = client.send_and_forget(&large).expect("it is staged");
        let error = client.flush().expect_err("the peer does not read");
        assert_eq!(
            error.failed.iter().map(|error| (error.id(), error.fate())).collect::<Vec<_>>(),
            [(Some(id), Fate::NotApplied)]
        );
        assert!(error.closed.is_some(), "part of it was written");
        let (mut client, _peer) = stalled();
        client.send_and_forget(&large).expect("it is staged");
        let text = client.close().to_string();
        assert!(text.contains("the peer does not read"), "{text}");
    });
}

/// A produce with acks = 0 to that many partitions. Each value is [`VALUE`] bytes of the partition's number.
fn unanswered(partitions: u8) -> ProduceRequest {
    (0..partitions).fold(ProduceRequest::new(Acks::NONE, Millis(0)), |request, partition| {
        request.with("t", i32::from(partition), MessageSet::of_value(&[partition; VALUE]))
    })
}

/// Large enough to be a chunk of its own, in bytes.
const VALUE: usize = 3000;

/// A stream that takes at most [`Stingy::MOST`] bytes at once, from as many slices as they come in.
struct Stingy(UnixStream);

impl Stingy {
    /// More than two values, and a multiple of nothing.
    const MOST: usize = 7919;
}

impl Read for Stingy {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.read(space)
    }
}

impl Write for Stingy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.get(..Self::MOST).unwrap_or(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).take(Self::MOST).collect::<Vec<_>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stingy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[test]
fn two_hundred_chunks_leave_whole_and_in_order_in_short_vectored_writes() {
    const PARTITIONS: u8 = 200;
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::of_socket(Stingy(socket), ClientConfig::default());
        let server = std::thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).expect("the client closes in the end");
            received
        });
        client.send_and_forget(&unanswered(PARTITIONS)).expect("it is sent");
        client.flush().expect("the peer reads");
        drop(client);
        let received = server.join().expect("the peer was content");
        let (len, mut rest) = received.split_first_chunk::<4>().expect("a frame has a length");
        assert_eq!(usize::try_from(u32::from_be_bytes(*len)), Ok(rest.len()));
        for partition in 0..PARTITIONS {
            let at = rest.windows(VALUE).position(|window| window.iter().all(|byte| *byte == partition));
            let at = at.unwrap_or_else(|| panic!("the value of partition {partition} is missing or out of order"));
            rest = rest.get(at + VALUE..).expect("it was found before the end");
        }
    });
}
