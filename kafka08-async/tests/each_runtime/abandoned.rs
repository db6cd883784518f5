//! A connection's task that is gone: it was aborted, its runtime shut down, or the stream of the user panicked.

use std::{io, net::Ipv4Addr, pin::pin, sync::Arc, thread, time::Duration};

use kafka08_async::{
    CallError, Client, Pending, Runtime as _, Wrap as _,
    proto::{
        ClientConfig, Fate,
        api::{MetadataRequest, ProduceRequest},
        connection::{CloseReason, RequestError, SendError},
        ids::Acks,
    },
};
use smol::future::poll_once;

use crate::{
    one_byte::{OneByte, Pace, Trickle},
    peers::{PRODUCE, empty, produce, read_id, write_all},
    pipe::{Pipe, pipe},
    runtimes::{ManyThreads, On, OnSmol, sleep},
};

/// The fate of a call that has ended because the connection's task is gone.
fn fate<T>(ended: Result<T, CallError>) -> Fate {
    let error = ended.err().expect("the task is gone");
    match &error {
        CallError::NotSent(SendError::Closed(closed)) => assert_eq!(closed.reason, CloseReason::Abandoned),
        CallError::Failed { error: RequestError::Closed(reason), .. } => assert_eq!(*reason, CloseReason::Abandoned),
        _ => panic!("{error:?}"),
    }
    error.fate()
}

/// Every function of the client says that the task is gone.
async fn assert_abandoned<H: On>(client: &Client<OneByte<H>>) {
    assert_eq!(client.closed().expect("it has ended").reason, CloseReason::Abandoned);
    assert_eq!(client.wait_closed().await.reason, CloseReason::Abandoned);
    assert_eq!(fate(client.send(&MetadataRequest::all()).await), Fate::NotApplied);
    assert_eq!(fate(client.send_and_forget(&produce(Acks::NONE, 1)).await), Fate::NotApplied);
    let error = client.flush().await.expect_err("the task is gone");
    assert_eq!(error.closed.expect("it has ended").reason, CloseReason::Abandoned);
    assert_eq!(client.close().await.closed.reason, CloseReason::Abandoned);
}

async fn an_aborted_task_of_a_connection_ends_every_call_with_the_true_fate<H: On>() {
    const PIPE: usize = 4096;
    let (near, mut far) = pipe(PIPE);
    let (client, task) = Client::<OneByte<H>>::with_task(near, ClientConfig::default().with_max_in_flight(4));
    let task = H::spawn(task);
    let reads = client.send(&MetadataRequest::all()).await.expect("there is room");
    let changes = client.send(&produce(Acks::LEADER, 1)).await.expect("there is room");
    read_id(&mut far).await.expect("the client is there");
    read_id(&mut far).await.expect("the client is there");
    let torn = client.send_and_forget(&produce(Acks::LEADER, 2 * PIPE)).await.expect("there is room");
    far.holds(PIPE).await;
    // The stream has been offered what is in front, and nothing else.
    let unwritten = client.send(&produce(Acks::LEADER, 1)).await.expect("there is room");
    let (request, other) = (MetadataRequest::all(), client.clone());
    let (mut unwritten, mut waits) = (pin!(unwritten), pin!(other.send(&request)));
    let (mut flush, mut end) = (pin!(other.flush()), pin!(other.wait_closed()));
    assert!(poll_once(&mut unwritten).await.is_none() && poll_once(&mut waits).await.is_none());
    assert!(poll_once(&mut flush).await.is_none() && poll_once(&mut end).await.is_none());
    H::abort(task).await;

    assert_eq!(fate(reads.await), Fate::NotApplied);
    assert_eq!(fate(changes.await), Fate::MaybeApplied);
    assert_eq!(fate(unwritten.await), Fate::NotApplied);
    assert_eq!(fate(waits.await), Fate::NotApplied);
    let error = flush.await.expect_err("the task is gone");
    assert_eq!(error.closed.expect("it has ended").reason, CloseReason::Abandoned);
    // A stream may keep what it was offered.
    let failed: Vec<_> = error.failed.iter().map(|error| (error.id(), error.fate())).collect();
    assert_eq!(failed, [(Some(torn), Fate::MaybeApplied)]);
    assert_eq!(end.await.reason, CloseReason::Abandoned);
    assert_abandoned(&client).await;
}

/// Two requests that have arrived at the far end, in the order read and change.
type Claims = (Pending<MetadataRequest>, Pending<ProduceRequest>);

/// Waits for both on this runtime, while `shut_down` ends the connection's task on another.
async fn assert_ended_by<H: On>((reads, changes): Claims, shut_down: impl FnOnce()) {
    let waiting = H::spawn(async move { (fate(reads.await), fate(changes.await)) });
    sleep::<H>(Duration::from_millis(10)).await;
    shut_down();
    let ended = H::timeout(Duration::from_secs(10), waiting).await.expect("they end at once");
    assert_eq!(ended, (Fate::NotApplied, Fate::MaybeApplied));
}

async fn send_two<Rt: On>(client: &Client<OneByte<Rt>>, far: &mut Pipe) -> Claims {
    let reads = client.send(&MetadataRequest::all()).await.expect("there is room");
    let changes = client.send(&produce(Acks::LEADER, 1)).await.expect("there is room");
    read_id(far).await.expect("the client is there");
    read_id(far).await.expect("the client is there");
    (reads, changes)
}

async fn the_shutdown_of_a_tokio_runtime_ends_the_calls_that_this_runtime_waits_for<H: On>() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (near, mut far) = pipe(4096);
    let client = {
        let _inside = runtime.enter();
        Client::<OneByte<ManyThreads>>::new(near, ClientConfig::default())
    };
    // Handles need no runtime of their own.
    let claims = send_two(&client, &mut far).await;
    assert_ended_by::<H>(claims, || runtime.shutdown_background()).await;
    assert_abandoned(&client).await;
}

async fn the_drop_of_a_smol_executor_ends_the_calls_that_this_runtime_waits_for<H: On>() {
    let executor = Arc::new(smol::Executor::new());
    let (near, mut far) = pipe(4096);
    let (client, task) = Client::<OneByte<OnSmol>>::with_task(near, ClientConfig::default());
    executor.spawn(task).detach();
    let (stop, stopped) = async_std::channel::bounded::<()>(1);
    let thread = thread::spawn(move || {
        let _ = smol::block_on(executor.run(stopped.recv()));
    });
    let claims = send_two(&client, &mut far).await;
    assert_ended_by::<H>(claims, || drop(stop)).await;
    thread.join().expect("no panic");
    assert_abandoned(&client).await;
}

async fn a_stream_that_panics_ends_every_call_and_tells_every_handle<H: On>() {
    // The stream may have kept what it was offered before it panicked. The last one panics when it is read.
    for (bytes, expected) in [(0, Fate::MaybeApplied), (1, Fate::MaybeApplied), (PRODUCE, Fate::MaybeApplied)] {
        let (near, mut far) = pipe(4096);
        let client = Client::<OneByte<H>>::new(Trickle::new(near, &Pace::panic_after(bytes)), ClientConfig::default());
        // The answer, if it comes to that, makes the client read again.
        let peer = H::spawn(async move {
            let id = read_id(&mut far).await?;
            // The client may have panicked already, when it tried to read once more.
            let _ = write_all(&mut far, &empty(id)).await;
            io::Result::Ok(())
        });
        // A new connection is read before a request is there, so the first one may have ended already.
        if let Ok(pending) = client.send(&produce(Acks::LEADER, 1)).await {
            let ended = fate(pending.await);
            assert!(ended == expected || bytes == 0, "{ended:?} after {bytes} bytes");
        }
        assert_abandoned(&client).await;
        assert_eq!(peer.await.is_ok(), bytes == PRODUCE, "the request arrives whole after {bytes} bytes");
    }
}

async fn a_socket_that_panics_has_sent_what_it_has_taken<H: On>() {
    for bytes in [1, PRODUCE - 1, PRODUCE] {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let socket = H::Rt::wrap(H::Rt::connect(address).await.expect("it listens"));
        let socket = Trickle::that_stops_writing(socket, &Pace::panic_after(bytes));
        let client = Client::<OneByte<H>>::of_socket(socket, ClientConfig::default());
        let changes = client.send(&produce(Acks::LEADER, 1)).await.expect("there is room");
        // It may come after the panic.
        let behind = client.call(&produce(Acks::LEADER, 1)).await;
        let expected = if bytes == PRODUCE { Fate::MaybeApplied } else { Fate::NotApplied };
        assert_eq!(fate(changes.await), expected, "{bytes} bytes");
        assert_eq!(fate(behind), Fate::NotApplied, "{bytes} bytes");
        assert_abandoned(&client).await;
    }
}

on_each_runtime! {
    an_aborted_task_of_a_connection_ends_every_call_with_the_true_fate,
    the_shutdown_of_a_tokio_runtime_ends_the_calls_that_this_runtime_waits_for,
    the_drop_of_a_smol_executor_ends_the_calls_that_this_runtime_waits_for,
    a_stream_that_panics_ends_every_call_and_tells_every_handle,
    a_socket_that_panics_has_sent_what_it_has_taken,
}
