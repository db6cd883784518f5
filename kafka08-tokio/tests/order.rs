//! In which order requests that wait for room are sent, and who is woken when. Time is paused.

mod common;

use std::task::Poll;

use common::{answer, client, poll_once, produce, read_id, seconds, serve_one, settle};
use kafka08_tokio::{
    Client, Pending,
    proto::{ClientConfig, api::MetadataRequest, ids::Acks},
};
use tokio::{io::DuplexStream, time::timeout};

/// A client whose places are all taken by answers that are here.
async fn without_a_place(places: usize) -> (Client, DuplexStream, Vec<Pending<MetadataRequest>>) {
    let (client, mut far) = client(4096, ClientConfig::default().with_max_in_flight(places));
    let mut answered = Vec::new();
    for _ in 0..places {
        answered.push(client.send(&MetadataRequest::all()).await.expect("there is room"));
        serve_one(&mut far).await;
    }
    settle().await;
    (client, far, answered)
}

#[tokio::test(start_paused = true)]
async fn a_new_request_does_not_overtake_one_that_waits_for_the_place_that_has_become_free() {
    let (client, mut far, mut answered) = without_a_place(2).await;
    let request = MetadataRequest::all();
    let mut waiting = Box::pin(client.send(&request));
    assert!(poll_once(&mut waiting).is_pending(), "no place is free");
    settle().await;
    answered.pop().expect("two were sent").await.expect("it is answered");
    // The connection's task has not run since.
    let mut claimed = Box::pin(client.send(&request));
    assert!(poll_once(&mut claimed).is_pending(), "the place is for the one that waits");
    let mut forgotten = Box::pin(client.send_and_forget(&request));
    assert!(poll_once(&mut forgotten).is_pending(), "it could be sent at once, and so could the one that waits");
    settle().await;
    let Poll::Ready(Ok(first)) = poll_once(&mut waiting) else { panic!("it has the place") };
    let Poll::Ready(Ok(second)) = poll_once(&mut forgotten) else { panic!("it needs no place") };
    assert_eq!(read_id(&mut far).await, first.id().0);
    assert_eq!(read_id(&mut far).await, second.0);
    assert!(poll_once(&mut claimed).is_pending(), "no place is free again");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_nobody_takes_is_staged_at_once_although_others_wait_for_a_place() {
    let (client, mut far, _answered) = without_a_place(1).await;
    let request = MetadataRequest::all();
    let mut waiting = Box::pin(client.send(&request));
    assert!(poll_once(&mut waiting).is_pending(), "no place is free");
    let Poll::Ready(Ok(id)) = poll_once(&mut Box::pin(client.send_and_forget(&request))) else {
        panic!("it needs no place")
    };
    assert_eq!(serve_one(&mut far).await, id.0);
    assert!(poll_once(&mut waiting).is_pending(), "its place was not taken");
}

/// A client to a peer that does not read, with something staged in front.
async fn behind_a_large_request(config: ClientConfig) -> (Client, DuplexStream, i32) {
    let (client, far) = client(16, config.with_max_staged(6000));
    let large = client.send_and_forget(&produce(Acks::NONE, 5000)).await.expect("there is room");
    settle().await;
    (client, far, large.0)
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_room_are_sent_in_the_order_of_the_calls() {
    let (client, mut far, large) = behind_a_large_request(ClientConfig::default()).await;
    let filler = client.send_and_forget(&produce(Acks::NONE, 2000)).await.expect("there is room");
    let request = MetadataRequest::all();
    let mut forgotten = [Box::pin(client.send_and_forget(&request)), Box::pin(client.send_and_forget(&request))];
    let mut claimed = [Box::pin(client.send(&request)), Box::pin(client.send(&request))];
    for (forgotten, claimed) in forgotten.iter_mut().zip(&mut claimed) {
        assert!(poll_once(forgotten).is_pending() && poll_once(claimed).is_pending(), "there is no room");
    }
    assert_eq!((read_id(&mut far).await, read_id(&mut far).await), (large, filler.0));
    let mut read = Vec::new();
    for _ in 0..4 {
        read.push(read_id(&mut far).await);
    }
    let mut sent = Vec::new();
    let mut kept = Vec::new();
    for (forgotten, claimed) in forgotten.iter_mut().zip(&mut claimed) {
        let Poll::Ready(Ok(id)) = poll_once(forgotten) else { panic!("it was sent") };
        let Poll::Ready(Ok(pending)) = poll_once(claimed) else { panic!("it was sent") };
        sent.extend([id.0, pending.id().0]);
        kept.push(pending);
    }
    assert_eq!(read, sent);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_got_its_room_is_taken_back_with_its_future() {
    for is_claimed in [false, true] {
        let (client, mut far, large) = behind_a_large_request(ClientConfig::default()).await;
        let staged = client.send(&produce(Acks::LEADER, 2000)).await.expect("there is room");
        let request = MetadataRequest::all();
        let mut forgotten = Box::pin(client.send_and_forget(&request));
        let mut claimed = Box::pin(client.send(&request));
        let polled =
            if is_claimed { poll_once(&mut claimed).is_pending() } else { poll_once(&mut forgotten).is_pending() };
        assert!(polled, "there is no room");
        drop(staged);
        settle().await;
        // It is staged now, and its future does not know.
        drop((forgotten, claimed));
        settle().await;
        let last = client.send_and_forget(&request).await.expect("there is room");
        assert_eq!(read_id(&mut far).await, large);
        assert_eq!(read_id(&mut far).await, last.0, "claimed: {is_claimed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_polled_by_one_task_and_then_by_another_wakes_the_other() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let mut pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    assert!(poll_once(&mut pending).is_pending());
    let waiting = tokio::spawn(pending);
    let id = read_id(&mut far).await;
    settle().await;
    answer(&mut far, id).await;
    timeout(seconds(1), waiting).await.expect("it is woken").expect("no panic").expect("it is answered");
}

#[tokio::test(start_paused = true)]
async fn flushes_that_wait_at_the_same_time_all_return() {
    let (client, mut far) = client(64, ClientConfig::default());
    let id = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let flushes = [(); 3].map(|()| {
        let client = client.clone();
        tokio::spawn(async move { client.flush().await })
    });
    settle().await;
    assert_eq!(read_id(&mut far).await, id.0);
    for flush in flushes {
        timeout(seconds(1), flush).await.expect("it is woken").expect("no panic").expect("it has left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_whose_time_is_over_tells_the_end_of_the_connection_if_that_has_come_too() {
    let (client, far) = client(16, ClientConfig::default().with_request_timeout(seconds(5)));
    // A long poll's own time is longer than that of the flush, and it does not fit the pipe.
    client.send_and_forget(&common::long_poll(60)).await.expect("there is room");
    let mut flush = Box::pin(client.flush());
    assert!(poll_once(&mut flush).is_pending());
    tokio::time::sleep(seconds(6)).await;
    drop(far);
    settle().await;
    let Poll::Ready(Err(error)) = poll_once(&mut flush) else { panic!("its time is over") };
    assert!(error.closed.is_some() && error.timed_out.is_none(), "{error:?}");
}
