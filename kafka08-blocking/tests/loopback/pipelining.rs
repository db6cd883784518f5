//! Many requests in flight, and nobody waits for the other.

use std::{io::Write as _, os::unix::net::UnixStream, sync::mpsc, time::Duration};

use crate::peers::{NO_METADATA, answers_at_length, answers_everything, peer, read_request, respond, within};
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client};
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    connection::SendError,
    ids::{Acks, Millis, Offset},
    limits::Limits,
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);
const MEGABYTE: usize = 1_000_000;

fn connect(address: &str) -> Client {
    Client::connect(address, ClientConfig::default()).expect("the peer listens")
}

/// About 2 MB to send, which this peer answers as if it had been a fetch.
fn large_request() -> ProduceRequest {
    let value = vec![7; MEGABYTE - 1000];
    let request = ProduceRequest::new(Acks::LEADER, Millis(1000));
    (0..2).fold(request, |request, partition| request.with("t", partition, MessageSet::of_value(&value)))
}

#[test]
fn a_peer_that_writes_4_mb_for_each_2_mb_before_it_reads_on_cannot_stall_the_client() {
    within(LIMIT, || {
        let address = peer(|stream| answers_at_length(stream, 4 * MEGABYTE));
        let mut client = connect(&address);
        let request = large_request();
        let pending: Vec<_> = (0..8).map(|_| client.send(&request).expect("there is room")).collect();
        for pending in pending {
            // It is an answer to the request, though none that a produce could have: what counts is that it came.
            assert!(matches!(client.wait(pending), Err(CallError::Malformed { .. }) | Ok(_)));
        }
        assert_eq!(client.stats().responses, 8);
    });
}

#[test]
fn the_client_reads_while_a_peer_that_does_not_read_keeps_it_from_writing() {
    // Loopback TCP would not show it: its buffers hold a whole request, and nobody ever waits to write.
    within(LIMIT, || {
        let (socket, peer) = pair();
        std::thread::spawn(|| answers_at_length(peer, 4 * MEGABYTE));
        let mut client = Client::new(socket, ClientConfig::default());
        let request = large_request();
        let pending: Vec<_> = (0..8).map(|_| client.send(&request).expect("there is room")).collect();
        for pending in pending {
            // Not a timeout: it is an answer, though none that a produce could have.
            assert!(matches!(client.wait(pending), Err(CallError::Malformed { .. }) | Ok(_)));
        }
        assert_eq!(client.stats().responses, 8);
    });
}

#[test]
fn sixty_four_requests_in_flight_are_awaited_in_reverse_order() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let mut client = connect(&address);
        let mut pending: Vec<_> =
            (0..64).map(|_| client.send(&MetadataRequest::all()).expect("64 are allowed")).collect();
        assert!(pending.is_sorted_by_key(|pending| pending.id()));
        while let Some(last) = pending.pop() {
            client.wait(last).expect("each is answered");
        }
    });
}

#[test]
fn answers_that_nobody_takes_keep_their_place_and_dropped_claims_give_it_back() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let config = ClientConfig::default().with_max_in_flight(2);
        let mut client = Client::connect(&address, config).expect("the peer listens");
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let second = client.send(&MetadataRequest::all()).expect("there is room");
        assert!(matches!(client.send(&MetadataRequest::all()), Err(CallError::NotSent(SendError::Busy))));
        let id = first.id();
        drop(first);
        let third = client.send(&MetadataRequest::all()).expect("a place is free");
        assert_ne!(third.id(), id);
        client.wait(third).expect("it is answered");
        client.wait(second).expect("it is answered");
        assert_eq!(client.stats().responses, 3);
    });
}

#[test]
fn answers_that_are_here_and_not_taken_refuse_another_request_instead_of_blocking_it() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let config = ClientConfig::default().with_max_in_flight(2);
        let mut client = Client::connect(&address, config).expect("the peer listens");
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let second = client.send(&MetadataRequest::all()).expect("there is room");
        while client.stats().responses < 2 {
            let error = client.send(&MetadataRequest::all()).expect_err("two answers are claimed");
            assert!(matches!(error, CallError::NotSent(SendError::Busy)), "{error:?}");
        }
        let error = client.send(&MetadataRequest::all()).expect_err("two answers are claimed").to_string();
        assert!(error.contains("take answers, then try again"), "{error}");
        client.send_and_forget(&MetadataRequest::all()).expect("its answer is not claimed");
        client.wait(second).expect("it is answered");
        client.call(&MetadataRequest::all()).expect("a place is free");
        client.wait(first).expect("it is answered");
    });
}

#[test]
fn a_connection_that_has_ended_says_so_although_every_place_is_claimed() {
    within(LIMIT, || {
        let address = peer(|mut stream| {
            let request = read_request(&mut stream).expect("a request comes");
            respond(&mut stream, request.id, NO_METADATA).expect("the client is there");
        });
        let config = ClientConfig::default().with_max_in_flight(2);
        let mut client = Client::connect(&address, config).expect("the peer listens");
        let answered = client.send(&MetadataRequest::all()).expect("there is room");
        let lost = client.send(&MetadataRequest::all()).expect("there is room");
        while client.closed().is_none() {
            client.turn();
        }
        let error = client.send(&MetadataRequest::all()).expect_err("it has ended");
        assert!(matches!(error, CallError::NotSent(SendError::Closed(_))), "{error:?}");
        client.wait(answered).expect("it came before the end");
        client.wait(lost).expect_err("it did not");
    });
}

#[test]
fn an_answer_of_32_mb_comes_whole() {
    within(LIMIT, || {
        let address = peer(|stream| answers_at_length(stream, 32 * MEGABYTE));
        let mut client = connect(&address);
        let response = client
            .call(&FetchRequest::new(Millis(0), 1).with("t", 0, Offset(0), 32 << 20))
            .expect("it is a fetch response");
        assert_eq!(response.topics.iter().count(), 1);
        assert_eq!(client.stats().responses, 1);
    });
}

#[test]
fn a_client_and_its_claims_may_move_to_another_thread() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let mut client = connect(&address);
        let kept = client.send(&MetadataRequest::all()).expect("there is room");
        let dropped = client.send(&MetadataRequest::all()).expect("there is room");
        std::thread::spawn(move || drop(dropped)).join().expect("it is dropped elsewhere");
        std::thread::spawn(move || client.wait(kept).map(drop))
            .join()
            .expect("it is awaited elsewhere")
            .expect("it is answered");
    });
}

#[test]
fn a_claim_that_was_dropped_is_forgotten_without_anything_being_sent() {
    within(LIMIT, || {
        let (go, wait) = mpsc::channel();
        let address = peer(move |stream| {
            wait.recv().expect("the test goes on");
            answers_everything(stream);
        });
        let mut client = connect(&address);
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        let second = client.send(&MetadataRequest::all()).expect("there is room");
        drop(first);
        let second = client.try_wait(second).expect_err("nothing was answered yet");
        go.send(()).expect("the peer waits");
        client.wait(second).expect("it is answered");
        assert_eq!(client.stats().dropped_responses, 1);
    });
}

#[test]
fn dropping_a_claim_does_not_outrun_a_late_answer_that_is_in_the_socket() {
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::new(socket, ClientConfig::default());
        let hasty =
            client.send_with_timeout(&MetadataRequest::all(), Duration::from_millis(50)).expect("there is room");
        let patient = client.send(&MetadataRequest::all()).expect("there is room");
        let ids = [hasty.id(), patient.id()];
        client.wait(hasty).expect_err("it is late");
        for id in ids {
            peer.write_all(&[&[0, 0, 0, 12][..], &id.0.to_be_bytes(), NO_METADATA].concat()).expect("there is room");
        }
        drop(patient);
        client.send(&MetadataRequest::all()).map(drop).expect("the late answer was here, and the connection is sound");
        assert!(client.closed().is_none());
    });
}

/// An answer so large that a read ends with it, to a request that does not care.
fn write_large_answer(peer: &mut UnixStream, id: i32) {
    respond(peer, id, &vec![0; 50_000]).expect("there is room");
}

#[test]
fn answers_that_are_here_beat_their_deadlines_although_they_take_several_reads() {
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::of_socket(socket, ClientConfig::default());
        let timeout = Duration::from_millis(30);
        let pending =
            [(); 3].map(|()| client.send_with_timeout(&MetadataRequest::all(), timeout).expect("there is room"));
        while client.turn() {}
        for pending in &pending {
            write_large_answer(&mut peer, pending.id().0);
        }
        std::thread::sleep(2 * timeout);
        for pending in pending {
            let answer = client.wait(pending);
            assert!(matches!(answer, Ok(_) | Err(CallError::Malformed { .. })), "{answer:?}");
        }
    });
}

#[test]
fn many_answers_that_are_here_beat_their_deadlines() {
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::of_socket(socket, ClientConfig::default());
        let timeout = Duration::from_millis(30);
        let pending =
            [(); 40].map(|()| client.send_with_timeout(&MetadataRequest::all(), timeout).expect("there is room"));
        while client.turn() {}
        for pending in &pending {
            respond(&mut peer, pending.id().0, NO_METADATA).expect("there is room");
        }
        std::thread::sleep(2 * timeout);
        for pending in pending {
            client.wait(pending).expect("the answer was here");
        }
    });
}

#[test]
fn dropping_a_claim_does_not_outrun_several_late_answers_that_are_in_the_socket() {
    within(LIMIT, || {
        let (socket, mut peer) = pair();
        let mut client = Client::of_socket(socket, ClientConfig::default());
        let timeout = Duration::from_millis(30);
        let hasty =
            [(); 2].map(|()| client.send_with_timeout(&MetadataRequest::all(), timeout).expect("there is room"));
        let ids = hasty.each_ref().map(|pending| pending.id().0);
        let patient = client.send(&MetadataRequest::all()).expect("there is room");
        for pending in hasty {
            client.wait(pending).expect_err("it is late");
        }
        for id in ids {
            write_large_answer(&mut peer, id);
        }
        drop(patient);
        client.turn();
        assert!(client.closed().is_none(), "{:?}", client.closed());
        assert_eq!(client.stats().dropped_responses, 2);
    });
}

#[test]
fn an_answer_is_taken_without_waiting_when_it_is_here() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let mut client = connect(&address);
        let mut pending = client.send(&MetadataRequest::all()).expect("there is room");
        loop {
            match client.try_wait(pending) {
                Ok(answer) => break drop(answer.expect("it is answered")),
                Err(claim) => pending = claim,
            }
        }
    });
}

#[test]
fn a_late_answer_is_swallowed_and_the_connection_is_sound_again() {
    within(LIMIT, || {
        let (answer, told) = mpsc::channel();
        let address = peer(move |mut stream| {
            let first = read_request(&mut stream).expect("a request");
            let second = read_request(&mut stream).expect("a request");
            told.recv().expect("the test goes on");
            respond(&mut stream, first.id, NO_METADATA).expect("the client is there");
            respond(&mut stream, second.id, NO_METADATA).expect("the client is there");
            answers_everything(stream);
        });
        let mut client = connect(&address);
        // Long enough for the second request: there is no room behind one that has timed out.
        let hasty =
            client.send_with_timeout(&MetadataRequest::all(), Duration::from_millis(500)).expect("there is room");
        let patient = client.send(&MetadataRequest::all()).expect("there is room");
        let error = client.wait(hasty).expect_err("it is late");
        assert!(error.to_string().contains("it timed out after"), "{error}");
        answer.send(()).expect("the peer waits");
        client.wait(patient).expect("it is answered");
        client.call(&MetadataRequest::all()).expect("the connection is sound");
        assert_eq!(client.stats().dropped_responses, 1);
    });
}

#[test]
fn a_claim_of_another_client_is_refused() {
    within(LIMIT, || {
        let (one, two) = (peer(answers_everything), peer(answers_everything));
        let (mut one, mut two) = (connect(&one), connect(&two));
        let pending = one.send(&MetadataRequest::all()).expect("there is room");
        let same_id = two.send(&MetadataRequest::all()).expect("there is room");
        assert_eq!(pending.id(), same_id.id());
        assert!(matches!(two.wait(pending), Err(CallError::NotOutstanding(_))));
        two.wait(same_id).expect("its own claim is still good");
    });
}

#[test]
fn a_request_without_an_answer_cannot_be_waited_for() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let mut client = connect(&address);
        let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
        let error = client.call(&request).expect_err("nothing will come");
        assert!(error.to_string().contains("send_and_forget"), "{error}");
        assert_eq!(client.stats().sent, 0);
    });
}

#[test]
fn a_fetch_that_could_exceed_the_frame_limit_is_refused_before_it_is_sent() {
    within(LIMIT, || {
        let address = peer(answers_everything);
        let config = ClientConfig::default().with_limits(Limits::default().with_max_frame(1000));
        let mut client = Client::connect(&address, config).expect("the peer listens");
        let error = client.call(&FetchRequest::new(Millis(0), 1).with("t", 0, Offset(0), 1001)).expect_err("too much");
        assert!(error.to_string().contains("lower max_bytes"), "{error}");
        assert_eq!(client.stats().sent, 0);
    });
}
