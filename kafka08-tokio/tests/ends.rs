//! How connections end, and what is left behind: nothing that waits, and no failure that is not told. Time is paused.

mod common;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use common::{
    answer, client, half_dead_client, long_poll, poll_once, produce, read_id, seconds, serve_one, settle, wait_for_end,
};
use kafka08_tokio::{
    CallError, Client, MAX_UNTOLD,
    proto::{
        ClientConfig, Fate,
        api::MetadataRequest,
        connection::{CloseReason, RequestError, SendError},
        ids::Acks,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::{sleep, timeout},
};

fn is_abandoned(error: &CallError) -> bool {
    match error {
        CallError::NotSent(SendError::Closed(closed)) => closed.reason == CloseReason::Abandoned,
        CallError::Failed { error: RequestError::Closed(reason), .. } => *reason == CloseReason::Abandoned,
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_dropped_ends_everything_that_waits_for_it_with_the_true_fate() {
    let (near, _far) = duplex(64);
    let (client, task) = Client::with_task(near, ClientConfig::default().with_max_in_flight(3));
    let mut task = Box::pin(task);
    // Polled by hand: one turn stages, one lets others run, one writes.
    let mut run = || (0..3).for_each(|_| assert!(poll_once(&mut task).is_pending()));
    let mut reads = Box::pin(client.send(&MetadataRequest::all()).await.expect("there is room"));
    let mut changes = Box::pin(client.send(&produce(Acks::LEADER, 1)).await.expect("there is room"));
    run();
    let mut unwritten = Box::pin(client.send(&produce(Acks::LEADER, 1000)).await.expect("there is room"));
    let request = MetadataRequest::all();
    let mut parked = Box::pin(client.send(&request));
    let mut forgotten = Box::pin(client.send_and_forget(&request));
    let mut flush = Box::pin(client.flush());
    let mut close = Box::pin(client.close());
    let mut end = Box::pin(client.wait_closed());
    assert!(poll_once(&mut reads).is_pending() && poll_once(&mut changes).is_pending());
    assert!(poll_once(&mut unwritten).is_pending() && poll_once(&mut parked).is_pending());
    assert!(poll_once(&mut forgotten).is_pending() && poll_once(&mut flush).is_pending());
    assert!(poll_once(&mut close).is_pending() && poll_once(&mut end).is_pending());
    drop(task);

    let failed = |poll: Poll<Result<_, CallError>>| match poll {
        Poll::Ready(Err(error)) if is_abandoned(&error) => error.fate(),
        _ => panic!("it ends, because the task is gone"),
    };
    assert_eq!(failed(poll_once(&mut reads).map_ok(drop)), Fate::NotApplied);
    assert_eq!(failed(poll_once(&mut changes).map_ok(drop)), Fate::MaybeApplied);
    assert_eq!(failed(poll_once(&mut unwritten).map_ok(drop)), Fate::NotApplied);
    assert_eq!(failed(poll_once(&mut parked).map_ok(drop)), Fate::NotApplied);
    assert_eq!(failed(poll_once(&mut forgotten).map_ok(drop)), Fate::NotApplied);
    let Poll::Ready(Err(error)) = poll_once(&mut flush) else { panic!("the task is gone") };
    assert_eq!(error.closed.expect("it has ended").reason, CloseReason::Abandoned);
    let Poll::Ready(report) = poll_once(&mut close) else { panic!("the task is gone") };
    assert_eq!(report.closed.reason, CloseReason::Abandoned);
    let Poll::Ready(closed) = poll_once(&mut end) else { panic!("the task is gone") };
    assert_eq!(closed.reason, CloseReason::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_after_the_task_has_gone_end_at_once() {
    for has_run in [false, true] {
        let (near, _far) = duplex(64);
        let (client, task) = Client::with_task(near, ClientConfig::default());
        let mut task = Box::pin(task);
        if has_run {
            assert!(poll_once(&mut task).is_pending());
        }
        drop(task);
        let request = MetadataRequest::all();
        assert!(is_abandoned(&client.call(&request).await.expect_err("the task is gone")));
        assert!(is_abandoned(&client.send(&request).await.expect_err("the task is gone")));
        assert!(is_abandoned(&client.send_and_forget(&request).await.expect_err("the task is gone")));
        let timed = timeout(seconds(1), client.send_with_timeout(&request, seconds(60))).await;
        assert!(is_abandoned(&timed.expect("it ends at once").expect_err("the task is gone")));
        client.flush().await.expect_err("the task is gone");
        assert_eq!(client.close().await.closed.reason, CloseReason::Abandoned);
        assert_eq!(client.wait_closed().await.reason, CloseReason::Abandoned);
        assert_eq!(client.closed().expect("it has ended").reason, CloseReason::Abandoned);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_aborted_wakes_those_who_wait() {
    let (near, mut far) = duplex(4096);
    let (client, task) = Client::with_task(near, ClientConfig::default());
    let task = tokio::spawn(task);
    let pending = client.send(&produce(Acks::LEADER, 1)).await.expect("there is room");
    let waiting = tokio::spawn(pending);
    read_id(&mut far).await;
    task.abort();
    let error = waiting.await.expect("no panic").expect_err("the task is gone");
    assert!(is_abandoned(&error), "{error:?}");
    assert_eq!(error.fate(), Fate::MaybeApplied);
}

#[tokio::test(start_paused = true)]
async fn without_handles_the_connection_closes_when_the_last_answer_was_swallowed() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let dropped = client.send(&long_poll(60)).await.expect("there is room");
    let id = read_id(&mut far).await;
    drop(dropped);
    drop(client);
    sleep(seconds(1)).await;
    answer(&mut far, id).await;
    timeout(seconds(1), wait_for_end(&mut far)).await.expect("nothing is in flight any more");
}

#[tokio::test(start_paused = true)]
async fn without_handles_the_connection_closes_although_an_answered_claim_is_kept() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let kept = client.send(&MetadataRequest::all()).await.expect("there is room");
    drop(client);
    serve_one(&mut far).await;
    timeout(seconds(1), wait_for_end(&mut far)).await.expect("nothing is in flight any more");
    kept.await.expect("it was answered");
}

#[tokio::test(start_paused = true)]
async fn without_handles_the_connection_closes_when_a_request_without_an_answer_has_left() {
    let (client, mut far) = client(64, ClientConfig::default());
    let id = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    drop(client);
    assert_eq!(read_id(&mut far).await, id.0);
    timeout(seconds(1), wait_for_end(&mut far)).await.expect("nothing is in flight any more");
}

#[tokio::test(start_paused = true)]
async fn without_handles_a_peer_that_never_answers_is_left_at_the_deadline() {
    let (client, mut far) = client(4096, ClientConfig::default().with_request_timeout(seconds(30)));
    drop(client.send(&MetadataRequest::all()).await.expect("there is room"));
    let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    drop(client);
    let ((), time) = common::timed(wait_for_end(&mut far)).await;
    assert_eq!(time, seconds(30));
    pending.await.expect_err("nobody answers");
}

#[tokio::test(start_paused = true)]
async fn every_failure_that_nobody_waits_for_is_told_once_and_by_id() {
    let (client, far) = half_dead_client(ClientConfig::default());
    far.fail_writes();
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(client.send_and_forget(&produce(Acks::NONE, 10)).await.expect("the failure is not known yet"));
    }
    // A flush that is dropped takes nothing away.
    {
        let mut flush = pin!(client.flush());
        assert!(flush.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        settle().await;
    }
    let error = client.flush().await.expect_err("nothing could be written");
    assert_eq!(
        error.failed.iter().map(|error| error.id()).collect::<Vec<_>>(),
        sent.iter().copied().map(Some).collect::<Vec<_>>()
    );
    // All were offered in one write to a stream that may have let some of them go.
    assert!(error.failed.iter().all(|error| error.fate() == Fate::MaybeApplied));
    assert!(client.close().await.failed.is_empty(), "they were told");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_with_its_stream_tells_what_the_system_said() {
    let (client, far) = half_dead_client(ClientConfig::default());
    far.fail_writes();
    let pending = client.send(&MetadataRequest::all()).await.expect("the failure is not known yet");
    let error = pending.await.expect_err("it could not be written");
    let CallError::Failed { io: Some(io), .. } = error else { panic!("{error:?}") };
    assert_eq!(io.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn close_tells_what_it_gives_up() {
    let (client, mut far) = client(64, ClientConfig::default().with_request_timeout(seconds(30)));
    let answered = client.send_and_forget(&produce(Acks::LEADER, 10)).await.expect("there is room");
    assert_eq!(read_id(&mut far).await, answered.0);
    // It does not fit the pipe, and nobody reads.
    let torn = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    settle().await;
    // It is not offered before the one in front has left.
    let unsent = client.send_and_forget(&produce(Acks::NONE, 10)).await.expect("there is room");
    let report = client.close().await;
    let mut told: Vec<_> = report.failed.iter().map(|error| (error.id(), error.fate())).collect();
    told.sort_by_key(|(id, _)| *id);
    let expected = [
        (Some(answered), Fate::MaybeApplied),
        // It was offered to its last byte, to a stream that may have kept it.
        (Some(torn), Fate::MaybeApplied),
        (Some(unsent), Fate::NotApplied),
    ];
    assert_eq!(told, expected);
    assert!(report.closed.unconfirmed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_answer_that_nobody_takes_is_told_when_it_fails() {
    let (client, mut far) = client(4096, ClientConfig::default().with_request_timeout(seconds(30)));
    let id = client.send_and_forget(&produce(Acks::LEADER, 10)).await.expect("there is room");
    let pending = client.send(&long_poll(60)).await.expect("there is room");
    read_id(&mut far).await;
    sleep(seconds(31)).await;
    let error = client.flush().await.expect_err("it was not answered");
    let [CallError::Failed { id: failed, fate: Fate::MaybeApplied, .. }] = &error.failed[..] else {
        panic!("{error:?}")
    };
    assert_eq!(*failed, id);
    client.flush().await.expect("it was told");
    drop(pending);
}

#[tokio::test(start_paused = true)]
async fn failures_that_nobody_hears_are_kept_up_to_a_bound_and_then_sending_is_refused() {
    let config = ClientConfig::default().with_request_timeout(seconds(1)).with_max_in_flight(MAX_UNTOLD);
    let (client, mut far) = client(16, config.with_max_staged(usize::MAX));
    // It fills the pipe, so that those behind it expire before they are written.
    let first = client
        .send_with_timeout(&MetadataRequest::of(["a-name-that-does-not-fit-the-pipe"]), seconds(3600))
        .await
        .expect("there is room");
    settle().await;
    for _ in 0..2 {
        for _ in 0..MAX_UNTOLD / 2 {
            client.send_and_forget(&produce(Acks::NONE, 1)).await.expect("there is room");
        }
        sleep(seconds(2)).await;
    }
    let busy = client.send_and_forget(&produce(Acks::NONE, 1)).await.expect_err("nobody hears the failures");
    assert!(matches!(busy, CallError::NotSent(SendError::Busy)), "{busy:?}");
    // Requests that somebody waits for are not concerned.
    let claimed = client.send(&MetadataRequest::all()).await.expect("its failure has somebody to hear it");
    let (flushed, ()) = tokio::join!(client.flush(), async {
        assert_eq!(read_id(&mut far).await, first.id().0);
        assert_eq!(read_id(&mut far).await, claimed.id().0);
    });
    assert_eq!(flushed.expect_err("they have failed").failed.len(), MAX_UNTOLD);
    client.send_and_forget(&produce(Acks::NONE, 1)).await.expect("they were told");
}

#[tokio::test(start_paused = true)]
async fn flush_does_not_return_before_the_transport_has_taken_everything() {
    let (client, mut far) = client(64, ClientConfig::default());
    let id = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let flush = tokio::spawn({
        let client = client.clone();
        async move { client.flush().await }
    });
    settle().await;
    assert!(!flush.is_finished());
    assert_eq!(read_id(&mut far).await, id.0);
    flush.await.expect("no panic").expect("it has left");
}

#[tokio::test(start_paused = true)]
async fn claims_and_errors_name_the_peer() {
    let config = ClientConfig::default().with_peer("broker1:9092".parse().expect("a target"));
    let (client, far) = client(4096, config);
    assert_eq!(client.peer().map(ToString::to_string).as_deref(), Some("broker1:9092"));
    let pending = client.send(&MetadataRequest::all()).await.expect("there is room");
    assert!(format!("{client:?} {pending:?}").matches("broker1").count() == 2, "{client:?} {pending:?}");
    drop(far);
    let error = pending.await.expect_err("the peer is gone").to_string();
    assert!(error.contains("broker1:9092"), "{error}");
    let refused = client.call(&MetadataRequest::all()).await.expect_err("the peer is gone").to_string();
    assert!(refused.contains("broker1:9092"), "{refused}");
    let flushed = client.flush().await.expect_err("the peer is gone").to_string();
    assert!(flushed.contains("broker1:9092"), "{flushed}");
    assert!(client.close().await.to_string().contains("broker1:9092"));
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_stream_that_is_here_refuses_a_request_instead_of_losing_it() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let request = MetadataRequest::all();
    let (answer, _) = tokio::join!(client.call(&request), serve_one(&mut far));
    answer.expect("it is answered");
    far.shutdown().await.expect("the pipe is there");
    // Nothing runs in between: the task learns of both at once, and reads before it writes.
    let pending = client.send(&produce(Acks::LEADER, 10)).await.expect("the end is not known yet");
    let error = pending.await.expect_err("the peer has closed");
    assert_eq!(error.fate(), Fate::NotApplied);
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.expect("the client closes");
    assert_eq!(rest, [], "nothing was written to a peer that had closed");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_for_a_place_goes_on_when_an_answer_is_taken_or_its_claim_is_dropped() {
    for is_taken in [true, false] {
        let (client, mut far) = client(4096, ClientConfig::default().with_max_in_flight(1));
        let first = client.send(&MetadataRequest::all()).await.expect("there is room");
        serve_one(&mut far).await;
        let waiting =
            tokio::spawn(async move { client.send(&MetadataRequest::all()).await.map(|pending| pending.id()) });
        settle().await;
        assert!(!waiting.is_finished(), "the answer was not taken, and keeps its place");
        if is_taken {
            first.await.expect("it is answered");
        } else {
            drop(first);
        }
        settle().await;
        assert!(waiting.is_finished(), "the place is free");
        waiting.await.expect("no panic").expect("it was sent");
    }
}
