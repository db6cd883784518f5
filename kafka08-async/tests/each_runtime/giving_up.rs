//! Calls that their callers give up: by a timeout, a select, an abort or a panic.

use std::{panic::AssertUnwindSafe, time::Duration};

use kafka08_async::{
    Client,
    proto::{ClientConfig, api::MetadataRequest},
};
use smol::future::FutureExt as _;

use crate::{
    one_byte::OneByte,
    peers::{empty, read_id, serve, serve_one, write_all},
    pipe::{Pipe, pipe},
    runtimes::On,
};

fn client<H: On>(max_in_flight: usize) -> (Client<OneByte<H>>, Pipe) {
    let (near, far) = pipe(4096);
    (Client::new(near, ClientConfig::default().with_max_in_flight(max_in_flight)), far)
}

/// As many requests as may be in flight are sent and answered. What was given up and has been written is answered too.
async fn assert_all_places_are_free<H: On>(client: &Client<OneByte<H>>, far: Pipe) {
    let _server = H::spawn(serve(far));
    let request = MetadataRequest::all();
    let mut claims = Vec::new();
    for _ in 0..client.config().max_in_flight() {
        let sent = H::timeout(Duration::from_secs(10), client.send(&request)).await;
        claims.push(sent.expect("there is a place").expect("the connection works"));
    }
    for claim in claims {
        claim.await.expect("it is answered");
    }
    drop(client.close().await);
}

async fn a_timeout_around_a_call_gives_up_that_call_and_no_other<H: On>() {
    let (client, mut far) = client::<H>(2);
    let request = MetadataRequest::all();
    let kept = client.send(&request).await.expect("there is room");
    assert!(H::timeout(Duration::from_millis(20), client.call(&request)).await.is_none());
    assert_eq!(serve_one(&mut far).await.expect("the client is there"), kept.id().0);
    kept.await.expect("it is answered");
    // The answer to the request that was given up comes late.
    serve_one(&mut far).await.expect("the client is there");
    assert_all_places_are_free::<H>(&client, far).await;
}

async fn the_loser_of_a_select_gives_up_its_call_and_no_other<H: On>() {
    let (client, mut far) = client::<H>(2);
    let request = MetadataRequest::all();
    let kept = client.send(&request).await.expect("there is room");
    let lost = async {
        client.call(&request).await.expect_err("nobody answers");
        (0, 0)
    };
    // It wins when the requests of both have arrived.
    let wins = async {
        let first = read_id(&mut far).await.expect("the client is there");
        (first, read_id(&mut far).await.expect("the client is there"))
    };
    let (first, second) = H::select(lost, wins).await;
    assert_eq!(first, kept.id().0);
    write_all(&mut far, &[empty(first), empty(second)].concat()).await.expect("the client is there");
    kept.await.expect("it is answered");
    assert_all_places_are_free::<H>(&client, far).await;
}

async fn an_aborted_task_of_the_user_gives_up_its_calls_and_a_request_that_waits_goes_on<H: On>() {
    let (client, mut far) = client::<H>(2);
    let holder = H::spawn({
        let client = client.clone();
        async move {
            let request = MetadataRequest::all();
            let first = client.send(&request).await.expect("there is room");
            let second = client.send(&request).await.expect("there is room");
            let third = client.call(&request);
            drop(smol::future::zip(smol::future::zip(first, second), third).await);
        }
    });
    let first = read_id(&mut far).await.expect("the client is there");
    let second = read_id(&mut far).await.expect("the client is there");
    let waiting = H::spawn({
        let client = client.clone();
        async move { client.call(&MetadataRequest::all()).await }
    });
    H::abort(holder).await;
    write_all(&mut far, &[empty(first), empty(second)].concat()).await.expect("the client is there");
    serve_one(&mut far).await.expect("the client is there");
    waiting.await.expect("there was room for it");
    assert_all_places_are_free::<H>(&client, far).await;
}

async fn a_task_of_the_user_that_panics_gives_up_its_calls<H: On>() {
    let (client, mut far) = client::<H>(3);
    let panics = H::spawn({
        let client = client.clone();
        async move {
            let request = MetadataRequest::all();
            let first = client.send(&request).await.expect("there is room");
            let _second = client.send(&request).await.expect("there is room");
            let _third = client.send(&request).await.expect("there is room");
            first.await.expect("it is answered");
            panic!("a task of the user panics with two claims");
        }
    });
    serve_one(&mut far).await.expect("the client is there");
    AssertUnwindSafe(panics).catch_unwind().await.expect_err("it panics");
    assert_all_places_are_free::<H>(&client, far).await;
}

async fn dropping_every_handle_and_claim_ends_the_connection_in_order<H: On>() {
    let (client, far) = client::<H>(3);
    let server = H::spawn(serve(far));
    let request = MetadataRequest::all();
    let claims = [client.send(&request).await, client.send(&request).await];
    drop((client, claims));
    let served = server.await;
    assert!(!format!("{:?}", served.reason).contains("PartOfFrame"), "{served:?}");
}

on_each_runtime! {
    a_timeout_around_a_call_gives_up_that_call_and_no_other,
    the_loser_of_a_select_gives_up_its_call_and_no_other,
    an_aborted_task_of_the_user_gives_up_its_calls_and_a_request_that_waits_goes_on,
    a_task_of_the_user_that_panics_gives_up_its_calls,
    dropping_every_handle_and_claim_ends_the_connection_in_order,
}
