//! Every request that was taken ends by name: what flush and close tell.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

use crate::peers::{NO_METADATA, answers_everything, read_request, respond, within};
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client, MAX_UNTOLD};
use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    connection::SendError,
    ids::{Acks, CorrelationId, Millis},
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// A client on a Unix socket, and the peer's end of it.
fn client(config: ClientConfig) -> (Client<UnixStream>, UnixStream) {
    let (socket, peer) = pair();
    (Client::of_socket(socket, config), peer)
}

/// More than the buffers of a Unix socket hold, in bytes.
const LARGE: usize = 900_000;

/// A produce with acks = 0.
fn produce(len: usize) -> ProduceRequest {
    ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&vec![7; len]))
}

/// Settings that take more requests behind a large one.
fn roomy() -> ClientConfig {
    ClientConfig::default().with_max_staged(1 << 30).with_max_in_flight(2 * MAX_UNTOLD)
}

fn fates(failed: &[CallError]) -> Vec<(CorrelationId, Fate)> {
    failed.iter().map(|error| (error.id().expect("each has an id"), error.fate())).collect()
}

fn not_applied(ids: impl IntoIterator<Item = CorrelationId>) -> Vec<(CorrelationId, Fate)> {
    ids.into_iter().map(|id| (id, Fate::NotApplied)).collect()
}

/// Ninety requests with acks = 0 that expire behind a large one to a peer that does not read, and then the large one.
fn ninety_and_the_one_in_front(client: &mut Client<UnixStream>) -> Vec<CorrelationId> {
    let large = client.send_and_forget_with_timeout(&produce(LARGE), 10 * SHORT).expect("there is room");
    let send = |_| client.send_and_forget_with_timeout(&produce(1), SHORT).expect("there is room");
    let mut ids: Vec<_> = (0..90).map(send).collect();
    ids.push(large);
    ids
}

#[test]
fn flush_lists_every_request_that_failed_and_each_one_once() {
    within(LIMIT, || {
        let (mut client, _peer) = client(roomy());
        let ids = ninety_and_the_one_in_front(&mut client);
        let error = client.flush().expect_err("the peer does not read");
        assert_eq!(fates(&error.failed), not_applied(ids));
        let again = client.flush().expect_err("the connection has ended");
        assert!(again.failed.is_empty() && again.closed.is_some(), "{again:?}");
    });
}

#[test]
fn close_lists_every_request_that_failed_although_nothing_of_it_was_written() {
    within(LIMIT, || {
        let (mut client, _peer) = client(roomy());
        let ids = ninety_and_the_one_in_front(&mut client);
        let report = client.close();
        assert_eq!(fates(&report.failed), not_applied(ids));
        assert!(report.closed.unconfirmed.is_empty());
    });
}

#[test]
fn a_failure_that_nobody_waits_for_is_told_by_the_next_flush_and_the_connection_lives() {
    within(LIMIT, || {
        let (mut client, mut peer) = client(roomy());
        client.send_and_forget(&produce(LARGE)).expect("there is room");
        let ids = [(); 3].map(|()| client.send_and_forget_with_timeout(&produce(1), SHORT).expect("there is room"));
        // Somebody who drops a claim does not hear of an answer, but of a request that was not sent.
        let dropped = client.send_with_timeout(&MetadataRequest::all(), SHORT).expect("there is room");
        let dropped_id = dropped.id();
        drop(dropped);
        thread::sleep(2 * SHORT);
        client.turn();
        let server = thread::spawn(move || read_request(&mut peer).map(|_| answers_everything(peer)));
        let error = client.flush().expect_err("four have failed");
        assert_eq!(fates(&error.failed), not_applied(ids.into_iter().chain([dropped_id])));
        assert!(error.closed.is_none(), "{error}");
        client.flush().expect("all is told");
        client.call(&MetadataRequest::all()).expect("the connection is sound");
        drop(client);
        server.join().expect("the peer was content");
    });
}

#[test]
fn the_failure_of_a_request_whose_claim_is_dropped_later_is_told() {
    within(LIMIT, || {
        let (mut client, _peer) = client(roomy());
        client.send_and_forget(&produce(LARGE)).expect("there is room");
        let pending = client.send_with_timeout(&MetadataRequest::all(), SHORT).expect("there is room");
        let id = pending.id();
        thread::sleep(2 * SHORT);
        client.turn();
        drop(pending);
        client.turn();
        drop(_peer);
        let error = client.flush().expect_err("it has failed");
        assert_eq!(fates(&error.failed).first(), Some(&(id, Fate::NotApplied)));
    });
}

#[test]
fn the_failure_of_a_staged_request_is_told_although_its_claim_was_dropped_turns_ago() {
    within(LIMIT, || {
        let (mut client, mut peer) = client(roomy());
        client.send_and_forget(&produce(LARGE)).expect("there is room");
        let pending = client.send_with_timeout(&MetadataRequest::all(), 5 * SHORT).expect("there is room");
        let id = pending.id();
        drop(pending);
        client.turn();
        thread::sleep(10 * SHORT);
        client.turn();
        let server = thread::spawn(move || read_request(&mut peer).map(|_| answers_everything(peer)));
        let error = client.flush().expect_err("it was not written in its time");
        assert_eq!(fates(&error.failed), not_applied([id]));
        assert!(error.closed.is_none(), "{error}");
        drop(client);
        server.join().expect("the peer was content");
    });
}

#[test]
fn an_answered_request_is_told_by_nobody_and_a_given_up_one_by_close() {
    within(LIMIT, || {
        let (mut client, mut peer) = client(ClientConfig::default());
        let answered = client.send_and_forget(&MetadataRequest::all()).expect("there is room");
        assert_eq!(read_request(&mut peer).expect("it left").id, answered.0);
        respond(&mut peer, answered.0, NO_METADATA).expect("the client is there");
        client.flush().expect("nothing has failed");
        let claimed = client.send(&MetadataRequest::all()).expect("there is room");
        let forgotten = client.send_and_forget(&MetadataRequest::all()).expect("there is room");
        drop(client.send(&MetadataRequest::all()).expect("there is room"));
        let report = client.close();
        assert_eq!(fates(&report.failed), not_applied([claimed.id(), forgotten]));
        assert!(report.to_string().contains("closed on this side"), "{report}");
    });
}

#[test]
fn sending_is_refused_as_busy_when_too_many_failures_are_untold_until_a_flush_has_told_them() {
    within(LIMIT, || {
        let (mut client, mut peer) = client(roomy());
        client.send_and_forget(&produce(LARGE)).expect("there is room");
        let let_fail = |client: &mut Client<UnixStream>, count| -> Vec<CorrelationId> {
            let send = |_| client.send_and_forget_with_timeout(&produce(1), SHORT).expect("there is room");
            let ids = (0..count).map(send).collect();
            thread::sleep(2 * SHORT);
            client.turn();
            ids
        };
        let mut sent = let_fail(&mut client, MAX_UNTOLD - 1);
        sent.extend(let_fail(&mut client, 1));
        let is_busy = |result| matches!(result, Err(CallError::NotSent(SendError::Busy)));
        assert!(is_busy(client.send_and_forget(&produce(1)).map(|_| ())));
        assert!(is_busy(client.send(&MetadataRequest::all()).map(drop)));
        let server = thread::spawn(move || {
            read_request(&mut peer).expect("the large one");
            answers_everything(peer);
        });
        let error = client.flush().expect_err("many have failed");
        assert_eq!(fates(&error.failed), not_applied(sent));
        client.call(&MetadataRequest::all()).expect("there is room again");
        drop(client);
        server.join().expect("the peer was content");
    });
}

/// A stream whose writes fail after the first.
struct FailsLater {
    socket: UnixStream,
    writes: usize,
}

impl Read for FailsLater {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.socket.read(space)
    }
}

impl Write for FailsLater {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.writes == 1 { self.socket.write(bytes) } else { Err(ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for FailsLater {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[test]
fn after_a_failed_write_what_is_unsent_fails_at_once_and_answers_are_still_read() {
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::of_socket(FailsLater { socket, writes: 0 }, ClientConfig::default());
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let started = Instant::now();
        let second = client.send_and_forget(&produce(1)).expect("it is staged");
        let error = client.flush().expect_err("it was not written");
        assert_eq!(fates(&error.failed), not_applied([second]));
        assert!(matches!(client.send(&MetadataRequest::all()), Err(CallError::NotSent(SendError::Closed(_)))));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        let id = read_request(&mut peer).expect("the first one").id;
        respond(&mut peer, id, NO_METADATA).expect("the client is there");
        client.wait(first).expect("it was written, and is answered");
        assert!(client.closed().is_some(), "no answer is owed any more");
    });
}
