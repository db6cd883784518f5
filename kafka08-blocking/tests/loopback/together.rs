//! Several clients in one thread.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::peers::{NO_METADATA, peer, read_request, respond, within};
use kafka08_blocking::Client;
use kafka08_proto::{ClientConfig, api::MetadataRequest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const LIMIT: Duration = Duration::from_secs(60);

/// A client of a peer that answers each request after a while.
fn client_of(delay: Duration) -> Client {
    let address = peer(move |mut stream| {
        while let Some(request) = read_request(&mut stream) {
            std::thread::sleep(delay);
            if respond(&mut stream, request.id, NO_METADATA).is_err() {
                return;
            }
        }
    });
    Client::connect(&address, ClientConfig::default()).expect("the peer listens")
}

/// A client of a peer that answers one request, when it is told to.
fn client_of_a_peer_that_waits() -> (Client, mpsc::Sender<()>) {
    let (answer, told) = mpsc::channel();
    let address = peer(move |mut stream| {
        let request = read_request(&mut stream).expect("a request");
        told.recv().expect("the test goes on");
        respond(&mut stream, request.id, NO_METADATA).expect("the client is there");
    });
    (Client::connect(&address, ClientConfig::default()).expect("the peer listens"), answer)
}

/// Waits until one of these clients has something to do.
fn wait(clients: &[&mut Client]) {
    let deadline = clients.iter().filter_map(|client| client.next_deadline()).min();
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    let flags = |client: &Client| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, client.wants_read());
        flags.set(PollFlags::OUT, client.wants_write());
        flags
    };
    let mut sockets: Vec<_> = clients.iter().map(|client| PollFd::new(&**client, flags(client))).collect();
    poll(&mut sockets, timeout.as_ref()).expect("it is not interrupted");
}

#[test]
fn two_clients_are_waited_for_together_and_each_answer_is_taken_when_it_comes() {
    within(LIMIT, || {
        let (mut slow, answer) = client_of_a_peer_that_waits();
        let mut fast = client_of(Duration::from_millis(5));
        let mut slow_pending = Some(slow.send(&MetadataRequest::all()).expect("there is room"));
        let mut answers_of_fast = 0;
        let mut turns = 0;
        let mut fast_pending = Some(fast.send(&MetadataRequest::all()).expect("there is room"));
        while slow_pending.is_some() {
            wait(&[&mut slow, &mut fast]);
            turns += 1;
            slow_pending = match slow_pending.take().map(|pending| slow.try_wait(pending)) {
                Some(Err(pending)) => Some(pending),
                Some(Ok(answer)) => {
                    answer.expect("it is answered");
                    None
                }
                None => None,
            };
            match fast_pending.take().map(|pending| fast.try_wait(pending)) {
                Some(Err(pending)) => fast_pending = Some(pending),
                _ => {
                    answers_of_fast += 1;
                    // The slow one is answered only after these, so they were taken while it waited.
                    if answers_of_fast == 3 {
                        answer.send(()).expect("the peer waits");
                    }
                    fast_pending = Some(fast.send(&MetadataRequest::all()).expect("there is room"));
                }
            }
        }
        // Each turn had its reason: an answer, or a part of one.
        assert!(turns < 20 * (answers_of_fast + 1), "{turns} for {answers_of_fast}");
    });
}

#[test]
fn the_next_deadline_is_the_earliest_and_a_turn_ends_what_is_due() {
    within(LIMIT, || {
        let mut clients = [client_of(LIMIT), client_of(LIMIT)];
        let timeouts = [Duration::from_secs(30), Duration::from_millis(50)];
        let mut pending = Vec::new();
        for (client, timeout) in clients.iter_mut().zip(timeouts) {
            pending.push(client.send_with_timeout(&MetadataRequest::all(), timeout).expect("there is room"));
            assert!(client.next_deadline().is_some_and(|deadline| deadline <= Instant::now() + timeout));
        }
        let started = Instant::now();
        let [patient, hasty] = &mut clients;
        let mut claim = pending.pop().expect("two were sent");
        let error = loop {
            wait(&[patient, hasty]);
            match hasty.try_wait(claim) {
                Ok(answer) => break answer.expect_err("nobody answers"),
                Err(pending) => claim = pending,
            }
        };
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(error.to_string().contains("it timed out"), "{error}");
        assert!(patient.closed().is_none());
        assert!(!hasty.wants_read() && !hasty.wants_write(), "it has ended, and is not polled any more");
    });
}
