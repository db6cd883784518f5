//! Many requests in flight, and nobody waits for the other.

use std::time::Duration;

use kafka08_proto::{
    ClientConfig,
    api::{MetadataRequest, ProduceRequest},
    connection::SendError,
    ids::{Acks, Millis},
    message::MessageSet,
};
use kafka08_tokio::{CallError, Client};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use crate::peers::{NO_METADATA, answers_at_length, answers_everything, peer, read_request, respond, within};

const LIMIT: Duration = Duration::from_secs(60);
const MEGABYTE: usize = 1_000_000;

/// Runs a test on a runtime of two threads, within the limit.
pub(crate) fn run(test: impl Future<Output = ()> + Send + 'static) {
    within(LIMIT, || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(test);
    });
}

pub(crate) async fn connect(address: &str) -> Client {
    Client::connect(address, ClientConfig::default()).await.expect("the peer listens")
}

#[test]
fn a_peer_that_writes_4_mb_for_each_2_mb_before_it_reads_on_cannot_stall_the_client() {
    run(async {
        let client = connect(&peer(|stream| answers_at_length(stream, 4 * MEGABYTE))).await;
        let value = vec![7; MEGABYTE - 1000];
        let request = ProduceRequest::new(Acks::LEADER, Millis(1000));
        let request =
            (0..2).fold(request, |request, partition| request.with("t", partition, MessageSet::of_value(&value)));
        let mut pending = Vec::new();
        for _ in 0..8 {
            pending.push(client.send(&request).await.expect("there is room"));
        }
        for pending in pending {
            // It is an answer to the request, though none that a produce could have: what counts is that it came.
            assert!(matches!(pending.await, Err(CallError::Malformed { .. }) | Ok(_)));
        }
    });
}

/// The system's buffers are large enough to hide a client that does not read while it writes; these are not.
#[test]
fn through_a_small_pipe_it_reads_while_it_writes() {
    run(async {
        let (near, mut far) = duplex(64 << 10);
        let server = tokio::spawn(async move {
            for _ in 0..8 {
                let len = far.read_u32().await.expect("a length");
                let mut frame = vec![0; usize::try_from(len).expect("a length")];
                far.read_exact(&mut frame).await.expect("a request");
                let id = frame.get(4..8).expect("an id").to_vec();
                let len = u32::try_from(4 * MEGABYTE + 4).expect("a length").to_be_bytes();
                far.write_all(&[&len[..], &id, &vec![0; 4 * MEGABYTE]].concat()).await.expect("the client is there");
            }
        });
        let client = Client::new(near, ClientConfig::default());
        let value = vec![7; MEGABYTE - 1000];
        let request = ProduceRequest::new(Acks::LEADER, Millis(1000));
        let request =
            (0..2).fold(request, |request, partition| request.with("t", partition, MessageSet::of_value(&value)));
        let mut pending = Vec::new();
        for _ in 0..8 {
            pending.push(client.send(&request).await.expect("there is room"));
        }
        for pending in pending {
            assert!(pending.await.expect("it is answered").topics.is_empty());
        }
        server.await.expect("the peer was content");
    });
}

#[test]
fn sixty_four_requests_in_flight_are_awaited_in_reverse_order() {
    run(async {
        let client = connect(&peer(answers_everything)).await;
        let mut pending = Vec::new();
        for _ in 0..64 {
            pending.push(client.send(&MetadataRequest::all()).await.expect("64 are allowed"));
        }
        assert!(pending.is_sorted_by_key(|pending| pending.id()));
        while let Some(last) = pending.pop() {
            last.await.expect("each is answered");
        }
    });
}

#[test]
fn handles_on_many_tasks_share_one_connection() {
    run(async {
        let client = connect(&peer(answers_everything)).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        client.call(&MetadataRequest::all()).await.expect("it is answered");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
}

#[test]
fn answers_that_nobody_takes_keep_their_place_and_dropped_claims_give_it_back() {
    run(async {
        let config = ClientConfig::default().with_max_in_flight(2).with_request_timeout(Duration::from_millis(200));
        let client = Client::connect(&peer(answers_everything), config).await.expect("the peer listens");
        let first = client.send(&MetadataRequest::all()).await.expect("there is room");
        let second = client.send(&MetadataRequest::all()).await.expect("there is room");
        let busy = client.send(&MetadataRequest::all()).await.expect_err("no place is free in time");
        assert!(matches!(busy, CallError::NotSent(SendError::TimedOut { .. })), "{busy:?}");
        drop(first);
        client.call(&MetadataRequest::all()).await.expect("a place is free");
        second.await.expect("it is answered");
    });
}

#[test]
fn a_late_answer_is_swallowed_and_the_connection_is_sound_again() {
    run(async {
        let address = peer(|mut stream| {
            let first = read_request(&mut stream).expect("a request");
            let second = read_request(&mut stream).expect("a request");
            std::thread::sleep(Duration::from_millis(300));
            respond(&mut stream, first.id, NO_METADATA).expect("the client is there");
            respond(&mut stream, second.id, NO_METADATA).expect("the client is there");
            answers_everything(stream);
        });
        let client = connect(&address).await;
        let hasty = client.send_with_timeout(&MetadataRequest::all(), Duration::from_millis(50)).await;
        let patient = client.send(&MetadataRequest::all()).await.expect("there is room");
        let error = hasty.expect("there is room").await.expect_err("it is late");
        assert!(error.to_string().contains("timed out after"), "{error}");
        patient.await.expect("it is answered");
        client.call(&MetadataRequest::all()).await.expect("the connection is sound");
    });
}

#[test]
fn a_request_without_an_answer_cannot_be_waited_for() {
    run(async {
        let client = connect(&peer(answers_everything)).await;
        let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
        let error = client.call(&request).await.expect_err("nothing will come");
        assert!(error.to_string().contains("send_and_forget"), "{error}");
    });
}

#[test]
fn when_the_last_handle_goes_what_is_staged_leaves_and_what_is_awaited_is_answered() {
    run(async {
        let (sender, receiver) = std::sync::mpsc::channel();
        let address = peer(move |mut stream| {
            while let Some(request) = read_request(&mut stream) {
                sender.send(request.id).expect("the test listens");
                std::thread::sleep(Duration::from_millis(50));
                // Acks = 0 wants no answer; only the first request does.
                if request.id >> 27 == 4 {
                    respond(&mut stream, request.id, NO_METADATA).expect("the client is there");
                }
            }
        });
        let client = connect(&address).await;
        let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&vec![0; 900_000]));
        let id = client.send_and_forget(&produce).await.expect("it is staged");
        drop(client);
        let first = pending.id();
        pending.await.expect("it outlives the handle");
        // The peer's loop ends, and the channel with it, only when the connection was closed.
        let seen = tokio::task::spawn_blocking(move || receiver.iter().collect::<Vec<_>>()).await.expect("no panic");
        assert_eq!(seen, [first.0, id.0]);
    });
}
