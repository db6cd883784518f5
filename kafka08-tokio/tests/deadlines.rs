//! Each call ends within a time of its own, whatever stands in front of it. Time is paused, so the times are exact.

mod common;

use common::{answer, client, long_poll, produce, read_id, seconds, settle, timed};
use kafka08_tokio::{
    CallError, Client,
    proto::{
        ClientConfig, Fate,
        api::MetadataRequest,
        connection::{CloseReason, Progress, RequestError, SendError},
        ids::Acks,
    },
};
use tokio::{
    io::DuplexStream,
    time::{Duration, Instant, sleep},
};

/// The connection's request timeout in the tests of this file.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many seconds the broker may hold a long poll.
const POLL: i32 = 600;

/// What stands in front of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFront {
    /// A fetch that the broker holds for long, where one request may be in flight.
    LongPoll,
    /// A request that has timed out and whose answer may still come: nothing is sent behind it.
    Stalled,
    /// A large request to a peer that does not read, and the client's own limit of staged bytes is reached.
    FullPipe,
}

const ALL: [InFront; 3] = [InFront::LongPoll, InFront::Stalled, InFront::FullPipe];

/// A client with that in front, and what keeps it there.
async fn behind(what: InFront) -> (Client, DuplexStream, Box<dyn std::any::Any>) {
    let config = ClientConfig::default().with_request_timeout(TIMEOUT);
    match what {
        InFront::LongPoll => {
            let (client, far) = client(4096, config.with_max_in_flight(1));
            let poll = client.send(&long_poll(POLL)).await.expect("there is room");
            settle().await;
            (client, far, Box::new(poll))
        }
        InFront::Stalled => {
            let (client, mut far) = client(4096, config);
            let hasty = client.send_with_timeout(&MetadataRequest::all(), seconds(1)).await.expect("there is room");
            // It is in flight behind the hasty one, so that the connection lives on when that has timed out.
            let patient = client.send(&long_poll(POLL)).await.expect("there is room");
            for _ in 0..2 {
                read_id(&mut far).await;
            }
            hasty.await.expect_err("nobody answers");
            (client, far, Box::new(patient))
        }
        InFront::FullPipe => {
            let (client, far) = client(16, config.with_max_staged(1000));
            let large =
                client.send_with_timeout(&produce(Acks::LEADER, 5000), seconds(3600)).await.expect("there is room");
            settle().await;
            (client, far, Box::new(large))
        }
    }
}

fn assert_timed_out(error: &CallError, after: Duration) {
    let CallError::NotSent(SendError::TimedOut { after: told }) = error else { panic!("{error:?}") };
    assert_eq!(*told, after);
    assert_eq!(error.fate(), Fate::NotApplied);
}

#[tokio::test(start_paused = true)]
async fn a_send_ends_in_its_own_time_whatever_stands_in_front() {
    for what in ALL {
        let (client, _far, _kept) = behind(what).await;
        let request = MetadataRequest::all();
        let (error, time) = timed(client.send_with_timeout(&request, seconds(1))).await;
        assert_timed_out(&error.expect_err("there is no room"), seconds(1));
        assert_eq!(time, seconds(1), "{what:?}");

        let (error, time) = timed(client.send(&request)).await;
        assert_timed_out(&error.expect_err("there is no room"), TIMEOUT);
        assert_eq!(time, TIMEOUT, "{what:?}");

        let (error, time) = timed(client.call(&request)).await;
        assert_timed_out(&error.expect_err("there is no room"), TIMEOUT);
        assert_eq!(time, TIMEOUT, "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_and_forget_ends_in_its_own_time_whatever_stands_in_front() {
    for what in ALL {
        let (client, _far, _kept) = behind(what).await;
        let request = produce(Acks::NONE, 10);
        let (error, time) = timed(client.send_and_forget_with_timeout(&request, seconds(1))).await;
        assert_timed_out(&error.expect_err("there is no room"), seconds(1));
        assert_eq!(time, seconds(1), "{what:?}");

        let (error, time) = timed(client.send_and_forget(&request)).await;
        assert_timed_out(&error.expect_err("there is no room"), TIMEOUT);
        assert_eq!(time, TIMEOUT, "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_its_own_time_whatever_stands_in_front_and_does_not_queue_behind_sends() {
    for what in ALL {
        let (client, _far, _kept) = behind(what).await;
        let queued = tokio::spawn({
            let client = client.clone();
            async move { client.send_with_timeout(&MetadataRequest::all(), seconds(1000)).await.map(drop) }
        });
        settle().await;
        let (flushed, time) = timed(client.flush()).await;
        if what == InFront::FullPipe {
            let error = flushed.expect_err("the peer does not read");
            assert_eq!(error.timed_out, Some(TIMEOUT));
            assert!(error.failed.is_empty() && error.closed.is_none(), "{error:?}");
            assert_eq!(time, TIMEOUT);
        } else {
            flushed.expect("everything was taken");
            assert_eq!(time, Duration::ZERO, "{what:?}");
        }
        assert!(!queued.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_in_its_own_time_whatever_stands_in_front_and_does_not_queue_behind_sends() {
    for what in ALL {
        let (client, _far, _kept) = behind(what).await;
        let queued = tokio::spawn({
            let client = client.clone();
            async move { client.send_with_timeout(&MetadataRequest::all(), seconds(1000)).await.map(drop) }
        });
        settle().await;
        let (report, time) = timed(client.close()).await;
        let expected = if what == InFront::FullPipe { TIMEOUT } else { Duration::ZERO };
        assert_eq!(time, expected, "{what:?}");
        match report.closed.reason {
            CloseReason::Disconnected { .. } if what == InFront::FullPipe => {}
            CloseReason::Local if what != InFront::FullPipe => {}
            reason => panic!("{what:?}: {reason:?}"),
        }
        let error = queued.await.expect("no panic").expect_err("the connection has ended");
        assert!(matches!(error, CallError::NotSent(SendError::Closed(_))), "{what:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_until_the_requests_own_deadline_whatever_stands_in_front() {
    // Behind a long poll its deadline is later by as much.
    let config = ClientConfig::default().with_request_timeout(TIMEOUT);
    let (client, mut far) = client(4096, config);
    let poll = client.send(&long_poll(POLL)).await.expect("there is room");
    let behind = client.send(&MetadataRequest::all()).await.expect("there is room");
    let (poll_id, _) = (read_id(&mut far).await, read_id(&mut far).await);
    sleep(seconds(600)).await;
    answer(&mut far, poll_id).await;
    poll.await.expect("it is answered");
    let (error, time) = timed(behind).await;
    let error = error.expect_err("nobody answers");
    assert_eq!(time, TIMEOUT);
    let CallError::Failed { error: RequestError::TimedOut { after }, progress: Progress::Unanswered, .. } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(after, seconds(600) + TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_requests_own_deadline_whatever_stands_in_front() {
    let config = || ClientConfig::default().with_request_timeout(TIMEOUT);
    let request = MetadataRequest::all();
    let end = |error: CallError| match error {
        CallError::Failed { error: RequestError::TimedOut { after }, progress, .. } => (after, progress),
        error => panic!("{error:?}"),
    };
    // Behind a long poll that is never answered: the time of the poll counts for both.
    let (client, mut far) = client(4096, config());
    let poll = client.send(&long_poll(POLL)).await.expect("there is room");
    let waiting = client.send(&request).await.expect("there is room");
    let poll_api = poll.api();
    for _ in 0..2 {
        read_id(&mut far).await;
    }
    let (error, time) = timed(waiting).await;
    assert_eq!(time, seconds(600) + TIMEOUT);
    assert_eq!(end(error.expect_err("nobody answers")), (time, Progress::Behind(poll_api)));

    // Behind a request that has timed out.
    let (client, mut far) = common::client(4096, config());
    let hasty = client.send_with_timeout(&request, seconds(1)).await.expect("there is room");
    let waiting = client.send(&request).await.expect("there is room");
    for _ in 0..2 {
        read_id(&mut far).await;
    }
    let started = Instant::now();
    hasty.await.expect_err("nobody answers");
    waiting.await.expect_err("nobody answers");
    assert_eq!(started.elapsed(), TIMEOUT);

    // Behind what a peer does not read.
    let (client, _far) = common::client(16, config());
    let large = client.send_with_timeout(&produce(Acks::LEADER, 500), seconds(3600)).await.expect("there is room");
    settle().await;
    let waiting = client.send(&request).await.expect("there is room");
    let (error, time) = timed(waiting).await;
    assert_eq!(time, TIMEOUT);
    assert_eq!(end(error.expect_err("nobody reads")), (TIMEOUT, Progress::NotSent));
    assert_eq!(client.closed(), None, "it was withdrawn");
    drop(large);
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_in_its_own_time_behind_a_failed_write_while_an_answer_is_owed() {
    let config = ClientConfig::default().with_request_timeout(TIMEOUT);
    let (client, mut far) = common::half_dead_client(config);
    let poll = client.send(&long_poll(POLL)).await.expect("there is room");
    read_id(&mut far.requests).await;
    far.fail_writes();
    let unsent = client.send(&MetadataRequest::all()).await.expect("the failure is not known yet");
    let (error, time) = timed(unsent).await;
    let error = error.expect_err("it cannot be written");
    assert_eq!((time, error.fate()), (Duration::ZERO, Fate::NotApplied));

    let started = Instant::now();
    let closed = |error: CallError| matches!(error, CallError::NotSent(SendError::Closed(_)));
    assert!(closed(client.send(&MetadataRequest::all()).await.expect_err("nothing is sent any more")));
    assert!(closed(client.send_and_forget(&produce(Acks::NONE, 1)).await.expect_err("nothing is sent any more")));
    client.flush().await.expect("nothing is staged, and the answer of the poll is still owed");
    assert_eq!(started.elapsed(), Duration::ZERO);
    // Reading goes on.
    answer(&mut far.answers, poll.id().0).await;
    poll.await.expect("its answer was owed");
    let closed = client.close().await.closed;
    assert!(matches!(closed.reason, CloseReason::Disconnected { .. }), "{closed:?}");
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_request_waits_for_room_counts_against_its_deadline() {
    let config = ClientConfig::default().with_max_in_flight(1);
    let (client, mut far) = client(4096, config);
    let first = client.send(&MetadataRequest::all()).await.expect("there is room");
    let first_id = read_id(&mut far).await;
    let second = tokio::spawn({
        let client = client.clone();
        async move { timed(client.call(&MetadataRequest::all())).await }
    });
    settle().await;
    // It waits for 20 of its 30 seconds, and then has 10 left.
    sleep(seconds(20)).await;
    answer(&mut far, first_id).await;
    first.await.expect("it is answered");
    read_id(&mut far).await;
    let (error, time) = second.await.expect("no panic");
    let CallError::Failed { error: RequestError::TimedOut { after }, .. } = error.expect_err("nobody answers") else {
        panic!("it was sent")
    };
    assert_eq!((after, time), (seconds(30), seconds(30)));
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_earlier_deadline_than_the_one_in_front_ends_at_its_own() {
    let (client, mut far) = client(4096, ClientConfig::default());
    let patient = client.send(&MetadataRequest::all()).await.expect("there is room");
    settle().await;
    let (error, time) = timed(async {
        client.send_with_timeout(&MetadataRequest::all(), seconds(2)).await.expect("there is room").await
    })
    .await;
    error.expect_err("nobody answers");
    assert_eq!(time, seconds(2));
    let id = read_id(&mut far).await;
    answer(&mut far, id).await;
    patient.await.expect("it is answered");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_is_over_is_never_written() {
    let (client, mut far) = client(16, ClientConfig::default());
    // It fills the pipe. What is staged behind it is not offered before it has left.
    let first = client.send(&MetadataRequest::of(["a-name-that-does-not-fit-the-pipe"])).await.expect("there is room");
    settle().await;
    let hasty = client.send_with_timeout(&MetadataRequest::of(["hasty"]), seconds(1)).await.expect("there is room");
    let patient = client.send(&MetadataRequest::all()).await.expect("there is room");
    // The peer reads at the very moment at which the time is over.
    sleep(seconds(1)).await;
    assert_eq!(read_id(&mut far).await, first.id().0);
    assert_eq!(read_id(&mut far).await, patient.id().0);
    let error = hasty.await.expect_err("it was not sent");
    assert!(
        matches!(error, CallError::Failed { progress: Progress::NotSent, fate: Fate::NotApplied, .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn timeouts_follow_the_runtimes_clock_and_a_torn_frame_ends_the_connection() {
    let (client, _far) = client(16, ClientConfig::default().with_request_timeout(seconds(3600)));
    let request = MetadataRequest::of(["a-name-that-does-not-fit-the-pipe"]);
    let (error, time) = timed(client.call(&request)).await;
    assert_eq!(time, seconds(3600));
    assert!(matches!(error.expect_err("nobody reads"), CallError::Failed { .. }));
    // All of it was offered to a stream that may have kept it, and only part of it was taken.
    let closed = client.wait_closed().await;
    assert!(matches!(closed.reason, CloseReason::TornFrame(_)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_sent_before_it_and_not_for_what_is_sent_later() {
    let (client, mut far) = client(64, ClientConfig::default());
    let before = client.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("there is room");
    let flush = tokio::spawn({
        let client = client.clone();
        async move { client.flush().await }
    });
    settle().await;
    // Another handle keeps the queue full for as long as the test runs.
    let other = client.clone();
    let sender = tokio::spawn(async move {
        loop {
            other.send_and_forget(&produce(Acks::NONE, 1000)).await.expect("the connection lives");
        }
    });
    settle().await;
    assert!(!flush.is_finished(), "the peer has read nothing yet");
    assert_eq!(read_id(&mut far).await, before.0);
    settle().await;
    assert!(flush.is_finished(), "what was sent before it has left");
    flush.await.expect("no panic").expect("it has left");
    sender.abort();
}
