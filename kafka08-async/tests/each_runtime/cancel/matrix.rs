//! Polls each function of a client a number of times, or until a number of bytes has moved, and drops it.

use std::{future::pending, pin::pin};

use kafka08_async::{
    CallError, Client,
    proto::{
        connection::{CloseReason, Heard, ServerCloseReason},
        ids::Acks,
    },
};
use smol::future::{or, zip};

use super::functions::{Function, Given, Room, metadata, perform};
use crate::{
    one_byte::{OneByte, Pace, Trickle},
    peers::{Served, poll_at_most, produce, serve},
    pipe::pipe,
    runtimes::On,
};

/// When a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drop {
    AfterPolls(usize),
    /// When the client has read and written so many bytes, one by one.
    AfterBytes(usize),
}

/// More polls than any future needs whose task is woken only for a reason.
const POLLS: usize = 4;

/// More bytes than move in any test.
const BYTES: usize = 400;

/// Drops a function of a client, and checks the connection. Returns whether the function had ended before.
async fn drop_one<H: On>(function: Function, room: Room, when: Drop) -> bool {
    let what = format!("{function:?} with {room:?}, dropped {when:?}");
    let pace = match when {
        Drop::AfterPolls(_) => Pace::free(),
        Drop::AfterBytes(bytes) => Pace::stop_after(bytes),
    };
    let (near, far) = pipe(4096);
    let server = H::spawn(serve(far));
    let client = Client::<OneByte<H>>::new(Trickle::new(near, &pace), room.config());
    let (has_ended, others) = drop_among_others(function, room, when, &client, &pace).await;
    if function == Function::Close && when != Drop::AfterPolls(0) {
        assert_eq!(client.wait_closed().await.reason, CloseReason::Local, "{what}");
        client.call(&metadata()).await.expect_err("it has closed");
        assert_a_new_one_works::<H>(room).await;
    } else {
        others.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_works(&client, &what).await;
    }
    drop(client);
    assert_whole(&server.await, &what);
    has_ended
}

/// Drops a function of a client that other tasks use too. Returns whether it had ended before, and how the others end.
async fn drop_among_others<H: On>(
    function: Function,
    room: Room,
    when: Drop,
    client: &Client<OneByte<H>>,
    pace: &Pace,
) -> (bool, Result<(), CallError>) {
    let given = Given::of(function, client).await;
    let is_first = matches!(given, Given::Nothing) && room != Room::There;
    // A claim under test leaves no room itself.
    let held = if is_first { Some(client.send(&metadata()).await.expect("there is room")) } else { None };
    if (function, room) == (Function::Flush, Room::There) {
        client.send_and_forget(&produce(Acks::NONE, 1)).await.expect("there is room");
    }
    // One of the others takes the answer of the request in front, and one waits for room.
    let in_front = async {
        match held {
            Some(held) => held.await.map(drop),
            None => Ok(()),
        }
    };
    let request = metadata();
    let mut others = pin!(zip(in_front, client.call(&request)));
    let mut others_ended = None;
    let row = async {
        perform(function, client, given).await;
        Some(())
    };
    let others_first = async {
        others_ended = Some(others.as_mut().await);
        // A connection that works never ends, so `wait_closed` has been dropped everywhere by then.
        if function == Function::WaitClosed { Some(()) } else { pending().await }
    };
    let stopped = async {
        match when {
            Drop::AfterPolls(_) => pending().await,
            Drop::AfterBytes(_) => pace.reached().await,
        }
        None
    };
    let polls = if let Drop::AfterPolls(polls) = when { polls } else { usize::MAX };
    let row = async { poll_at_most(polls, row).await.flatten() };
    let has_ended = or(row, or(others_first, stopped)).await.is_some();
    pace.lift();
    let (first, second) = match others_ended {
        Some(ended) => ended,
        None => others.await,
    };
    (has_ended, first.and_then(|()| second.map(drop)))
}

async fn assert_works<H: On>(client: &Client<OneByte<H>>, what: &str) {
    for _ in 0..3 {
        if let Err(error) = client.call(&metadata()).await {
            panic!("{what}: {error:?}");
        }
    }
}

/// After the end of a connection, another one can be made.
async fn assert_a_new_one_works<H: On>(room: Room) {
    let (near, far) = pipe(4096);
    let server = H::spawn(serve(far));
    let client = Client::<OneByte<H>>::new(Trickle::new(near, &Pace::free()), room.config());
    assert_works(&client, "a new connection").await;
    drop(client);
    assert_whole(&server.await, "a new connection");
}

/// All bytes that the server has received are whole frames.
fn assert_whole(served: &Served, what: &str) {
    let ServerCloseReason::Disconnected { heard, .. } = served.reason else { panic!("{what}: {served:?}") };
    assert!(heard == Heard::Frames || (heard == Heard::Nothing && served.requests == 0), "{what}: {served:?}");
}

/// Drops a function at each point until it ends by itself.
async fn drop_everywhere<H: On>(function: Function, room: Room) {
    for polls in 0..POLLS {
        drop_one::<H>(function, room, Drop::AfterPolls(polls)).await;
    }
    for bytes in 0..BYTES {
        if drop_one::<H>(function, room, Drop::AfterBytes(bytes)).await {
            return;
        }
    }
    panic!("{function:?} with {room:?} does not end");
}

async fn every_function_may_be_dropped_where_there_is_room<H: On>() {
    for function in Function::ALL {
        drop_everywhere::<H>(function, Room::There).await;
    }
}

async fn every_function_may_be_dropped_where_a_request_waits_for_a_place<H: On>() {
    for function in Function::ALL {
        drop_everywhere::<H>(function, Room::NoPlace).await;
    }
}

async fn every_function_may_be_dropped_where_a_request_waits_for_staged_bytes_to_leave<H: On>() {
    for function in Function::ALL {
        drop_everywhere::<H>(function, Room::NoBytes).await;
    }
}

on_each_runtime! {
    every_function_may_be_dropped_where_there_is_room,
    every_function_may_be_dropped_where_a_request_waits_for_a_place,
    every_function_may_be_dropped_where_a_request_waits_for_staged_bytes_to_leave,
}
