//! Requests that are encoded already. Time is paused.

mod common;

use std::task::Poll;

use common::{client, poll_once, produce, seconds, serve_one, settle};
use kafka08_tokio::{
    CallError,
    proto::{
        ClientConfig,
        api::{MetadataRequest, MetadataResponse, ProduceRequest},
        connection::Prepared,
        ids::Acks,
    },
};
use tokio::time::timeout;

fn metadata() -> Prepared {
    Prepared::new(&MetadataRequest::all()).expect("it fits the wire")
}

#[tokio::test(start_paused = true)]
async fn a_prepared_request_is_sent_again_and_again_and_its_answer_is_not_decoded() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let prepared = metadata();
    for _ in 0..2 {
        let pending = client.send_prepared(&prepared).await.expect("there is room");
        assert_eq!(serve_one(&mut far).await, pending.id().0);
        let frame = pending.await.expect("it is answered");
        assert_eq!(&frame.body[..], [0; 8]);
        let forgotten = client.send_prepared_and_forget(&prepared).await.expect("there is room");
        assert_eq!(serve_one(&mut far).await, forgotten.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_given_the_type_of_its_request_and_no_other() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let pending = client.send_prepared(&metadata()).await.expect("there is room");
    serve_one(&mut far).await;
    let pending = pending.typed::<ProduceRequest>().expect_err("it is no produce");
    let pending = pending.typed::<MetadataRequest>().expect("it is one of metadata");
    assert_eq!(pending.await.expect("it is answered"), MetadataResponse::default());
}

#[tokio::test(start_paused = true)]
async fn a_prepared_request_without_an_answer_cannot_be_waited_for() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let silent = Prepared::new(&produce(Acks::NONE, 10)).expect("it fits the wire");
    let error = client.send_prepared(&silent).await.expect_err("it is never answered");
    assert!(matches!(error, CallError::NoResponseExpected), "{error:?}");
    // Nothing was sent: the next request is the first one that the peer sees.
    let next = client.send_prepared(&metadata()).await.expect("there is room");
    assert_eq!(serve_one(&mut far).await, next.id().0);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_request_is_staged_at_once_if_there_is_room() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let prepared = metadata();
    // Polled once, and the connection's task has not run.
    let Poll::Ready(Ok(pending)) = poll_once(&mut Box::pin(client.send_prepared(&prepared))) else {
        panic!("there is room")
    };
    assert_eq!(serve_one(&mut far).await, pending.id().0);
    pending.await.expect("it is answered");
}

#[tokio::test(start_paused = true)]
async fn a_prepared_request_waits_for_room_as_others_do() {
    let (client, mut far) = client(4096, ClientConfig::default().with_max_in_flight(1));
    let first = client.send_prepared(&metadata()).await.expect("there is room");
    // Its answer is here and not taken, so it still has the only place.
    serve_one(&mut far).await;
    settle().await;
    let second = tokio::spawn({
        let client = client.clone();
        async move { client.send_prepared(&metadata()).await }
    });
    settle().await;
    assert!(!second.is_finished(), "the place is taken");
    first.await.expect("it is answered");
    let second = timeout(seconds(1), second).await.expect("it is woken").expect("no panic").expect("there is room");
    assert_eq!(serve_one(&mut far).await, second.id().0);
    second.await.expect("it is answered");
}
