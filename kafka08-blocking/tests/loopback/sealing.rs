//! A stream that does as TLS layers do: bytes of a write that would block are sealed already, and leave later.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::peers::{NO_METADATA, read_request, respond, within};
use crate::sockets::pair;
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    ids::{Acks, Millis},
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_millis(50);

/// The most bytes that are sealed at once, as in a TLS record.
const RECORD: usize = 16 << 10;

struct Sealing {
    socket: UnixStream,
    /// Whether the transport below takes nothing.
    is_blocked: Arc<AtomicBool>,
    /// What was offered, sealed, and reported as blocked. The next write must offer it again.
    unreported: Vec<u8>,
    /// What of it has not left yet.
    sealed: Vec<u8>,
}

impl Sealing {
    fn emit(&mut self) -> io::Result<()> {
        if self.is_blocked.load(Ordering::SeqCst) {
            return Err(ErrorKind::WouldBlock.into());
        }
        while !self.sealed.is_empty() {
            let n = self.socket.write(&self.sealed)?;
            self.sealed.drain(..n);
        }
        Ok(())
    }
}

impl Read for Sealing {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        // What is sealed leaves when it can, whoever asks.
        if !self.sealed.is_empty() {
            let _ = self.emit();
        }
        self.socket.read(space)
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(bytes.starts_with(&self.unreported), "other bytes are offered than those that are sealed");
        if self.unreported.is_empty() {
            self.unreported = bytes.get(..RECORD).unwrap_or(bytes).to_vec();
            self.sealed.clone_from(&self.unreported);
        }
        self.emit()?;
        Ok(std::mem::take(&mut self.unreported).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Sealing {
    /// As layers do that say goodbye.
    fn drop(&mut self) {
        let _ = self.emit();
    }
}

impl AsFd for Sealing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A client on such a stream, which is blocked, the switch that unblocks it, and the peer's end.
fn blocked() -> (Client<Sealing>, Arc<AtomicBool>, UnixStream) {
    let (socket, peer) = pair();
    let is_blocked = Arc::new(AtomicBool::new(true));
    let stream = Sealing { socket, is_blocked: is_blocked.clone(), unreported: Vec::new(), sealed: Vec::new() };
    (Client::new(stream, ClientConfig::default().with_request_timeout(TIMEOUT)), is_blocked, peer)
}

fn produce(acks: Acks) -> ProduceRequest {
    ProduceRequest::new(acks, Millis(0)).with("t", 0, MessageSet::of_value(b"v"))
}

/// The ids of the whole requests that a peer has got, when the client's end is closed.
fn ids(mut peer: UnixStream) -> Vec<i32> {
    let ids = std::iter::from_fn(|| read_request(&mut peer)).map(|request| request.id).collect();
    assert_eq!(peer.read(&mut [0]).ok(), Some(0), "nothing may follow the last whole frame");
    ids
}

#[test]
fn a_request_that_was_sealed_may_have_been_applied_when_its_deadline_passes() {
    within(LIMIT, || {
        let (mut client, is_blocked, peer) = blocked();
        let pending = client.send(&produce(Acks::LEADER)).expect("there is room");
        let id = pending.id().0;
        let error = client.wait(pending).expect_err("it is stuck");
        assert_eq!(error.fate(), Fate::MaybeApplied);
        assert!(client.closed().is_some(), "nothing may follow what is sealed");
        // And so it is: it leaves after all.
        is_blocked.store(false, Ordering::SeqCst);
        drop(client);
        assert_eq!(ids(peer), [id]);
    });
}

#[test]
fn a_request_that_was_sealed_is_written_whole_when_its_claim_is_dropped() {
    within(LIMIT, || {
        let (mut client, is_blocked, mut peer) = blocked();
        let first = client.send(&produce(Acks::LEADER)).expect("there is room");
        let first_id = first.id().0;
        drop(first);
        let second = client.send_with_timeout(&MetadataRequest::all(), Duration::from_secs(30)).expect("there is room");
        let second_id = second.id().0;
        let server = thread::spawn(move || {
            let ids = [(), ()].map(|()| read_request(&mut peer).expect("a whole request").id);
            respond(&mut peer, ids[0], &[0; 4]).expect("the client is there");
            respond(&mut peer, ids[1], NO_METADATA).expect("the client is there");
            ids
        });
        is_blocked.store(false, Ordering::SeqCst);
        client.wait(second).expect("it is answered");
        assert_eq!(server.join().expect("the peer was content"), [first_id, second_id]);
    });
}

#[test]
fn a_request_behind_a_sealed_one_that_was_never_offered_is_taken_back() {
    within(LIMIT, || {
        let (mut client, is_blocked, mut peer) = blocked();
        let patient =
            client.send_with_timeout(&MetadataRequest::all(), Duration::from_secs(30)).expect("there is room");
        let hasty = client.send(&produce(Acks::LEADER)).expect("it is staged behind");
        thread::sleep(2 * TIMEOUT);
        let error = client.wait(hasty).expect_err("its time is over");
        assert_eq!(error.fate(), Fate::NotApplied);
        is_blocked.store(false, Ordering::SeqCst);
        let id = patient.id().0;
        let server = thread::spawn(move || {
            let request = read_request(&mut peer).expect("a whole request");
            respond(&mut peer, request.id, NO_METADATA).expect("the client is there");
            (request.id, ids(peer))
        });
        client.wait(patient).expect("it is answered");
        drop(client);
        assert_eq!(server.join().expect("the peer was content"), (id, vec![]));
    });
}

#[test]
fn what_was_sealed_and_did_not_leave_in_time_is_listed_as_maybe_applied_by_flush_and_close() {
    within(LIMIT, || {
        let (mut client, _is_blocked, _peer) = blocked();
        let id = client.send_and_forget(&produce(Acks::NONE)).expect("there is room");
        let error = client.flush().expect_err("it is stuck");
        let failed: Vec<_> = error.failed.iter().map(|error| (error.id(), error.fate())).collect();
        assert_eq!(failed, [(Some(id), Fate::MaybeApplied)]);
        assert!(error.closed.is_some());

        let (mut client, _is_blocked, _peer) = blocked();
        let id = client.send_and_forget(&produce(Acks::NONE)).expect("there is room");
        let report = client.close();
        let failed: Vec<_> = report.failed.iter().map(|error| (error.id(), error.fate())).collect();
        assert_eq!(failed, [(Some(id), Fate::MaybeApplied)]);
    });
}

#[test]
fn what_was_sealed_leaves_whole_before_a_close_when_the_stream_is_free_again() {
    within(LIMIT, || {
        let (mut client, is_blocked, peer) = blocked();
        let forgotten: Vec<_> =
            (0..3).map(|_| client.send_and_forget(&produce(Acks::NONE)).expect("there is room").0).collect();
        is_blocked.store(false, Ordering::SeqCst);
        let report = client.close();
        assert!(report.failed.is_empty(), "{report}");
        assert_eq!(report.closed.unconfirmed.len(), 3);
        assert_eq!(ids(peer), forgotten);
    });
}
