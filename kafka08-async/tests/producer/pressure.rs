//! A full buffer: callers wait in order, and nobody is forgotten.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use futures_util::future::join_all;
use kafka08_async::{AppendError, Delivery, Producer, ProducerConfig, Record, SendError};
use kafka08_broker::Server;

use crate::{
    rig::{TOPIC, cluster, config, connect, stored},
    runtimes::On,
};

/// The size of an entry without its value.
const OVERHEAD: usize = 26;

/// Room for so many records with ten bytes each.
fn small(records: usize) -> ProducerConfig {
    config().with_buffer(records * (OVERHEAD + 10))
}

/// Stops or resumes all brokers.
fn set_paused(server: &Server, paused: bool) {
    server.with(|cluster, now| {
        for node in [1, 2, 3].map(Into::into) {
            if paused {
                cluster.pause(node, now);
            } else {
                cluster.resume(node, now);
            }
        }
    });
}

fn ten(number: usize) -> String {
    format!("{number:010}")
}

/// Makes the topic known, and then fills the buffer while no broker answers.
async fn fill<H: On>(server: &Server, producer: &Producer<H::Rt>, records: usize) -> Vec<Delivery> {
    let first = producer.send(Record::to(TOPIC).value(&ten(0)).partition(0)).await.expect("it is appended");
    first.await.expect("it is delivered");
    set_paused(server, true);
    let mut deliveries = Vec::new();
    for number in 1..=records {
        let value = ten(number);
        deliveries.push(producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("there is room"));
    }
    let refused = producer.try_send(Record::to(TOPIC).value("x").partition(0)).expect_err("it is full");
    assert!(matches!(refused, SendError::Refused(AppendError::Full { .. })), "{refused:?}");
    deliveries
}

/// Polls a future once.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn callers_get_room_in_the_order_in_which_they_began_to_wait<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, small(2)).await;
    let filled = fill::<H>(&server, &producer, 2).await;
    let values: Vec<String> = (3..13).map(ten).collect();
    let mut waiting = Vec::new();
    for value in &values {
        let mut send = Box::pin(producer.send(Record::to(TOPIC).value(value).partition(0)));
        assert!(poll_once(send.as_mut()).await.is_none(), "there is no room");
        waiting.push(send);
    }
    set_paused(&server, false);
    let sent = join_all(waiting).await;
    for delivery in filled.into_iter().chain(sent.into_iter().map(|sent| sent.expect("there is room"))) {
        delivery.await.expect("it is delivered");
    }
    let stored: Vec<String> = stored::<H>(&server, TOPIC, 0).await.into_values().collect();
    assert_eq!(stored, (0..13).map(ten).collect::<Vec<_>>());
}

async fn a_caller_that_is_dropped_passes_its_turn_on<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, small(1)).await;
    let filled = fill::<H>(&server, &producer, 1).await;
    let values: Vec<String> = (2..6).map(ten).collect();
    let mut waiting = Vec::new();
    for value in &values {
        let mut send = Box::pin(producer.send(Record::to(TOPIC).value(value).partition(0)));
        assert!(poll_once(send.as_mut()).await.is_none(), "there is no room");
        waiting.push(send);
    }
    set_paused(&server, false);
    for delivery in filled {
        delivery.await.expect("it is delivered");
    }
    // The first has got the room by now, or will get it, and is not polled any more.
    crate::runtimes::sleep::<H>(Duration::from_millis(30)).await;
    drop(waiting.remove(0));
    drop(waiting.remove(1));
    let sent = join_all(waiting).await;
    for delivery in sent {
        delivery.expect("there is room").await.expect("it is delivered");
    }
    let stored: Vec<String> = stored::<H>(&server, TOPIC, 0).await.into_values().collect();
    assert_eq!(stored, [0, 1, 3, 5].map(ten));
}

async fn a_newcomer_does_not_take_the_room_that_another_waits_for<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, small(3)).await;
    let filled = fill_most::<H>(&server, &producer).await;
    let large = "l".repeat(40);
    let mut first = pin!(producer.send(Record::to(TOPIC).value(&large).partition(0)));
    assert!(poll_once(first.as_mut()).await.is_none(), "there is no room for so much");
    // There is room for a small one, and it is kept.
    let refused = producer.try_send(Record::to(TOPIC).value("x").partition(0)).expect_err("it would overtake");
    assert!(matches!(refused, SendError::Refused(AppendError::Full { .. })), "{refused:?}");
    let mut second = pin!(producer.send(Record::to(TOPIC).value("x").partition(0)));
    assert!(poll_once(second.as_mut()).await.is_none(), "it would overtake");
    set_paused(&server, false);
    let first = first.await.expect("there is room").await.expect("it is delivered");
    let second = second.await.expect("there is room").await.expect("it is delivered");
    assert!(first.offset < second.offset);
    for delivery in filled {
        delivery.await.expect("it is delivered");
    }
}

/// Leaves room for one record of three.
async fn fill_most<H: On>(server: &Server, producer: &Producer<H::Rt>) -> Vec<Delivery> {
    let mut deliveries = fill::<H>(server, producer, 3).await;
    set_paused(server, false);
    for delivery in deliveries.drain(..) {
        delivery.await.expect("it is delivered");
    }
    set_paused(server, true);
    for number in 4..6 {
        let value = ten(number);
        deliveries.push(producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("there is room"));
    }
    deliveries
}

async fn what_is_larger_than_the_buffer_is_refused_at_once<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, small(1)).await;
    let value = "v".repeat(11);
    let refused = producer.send(Record::to(TOPIC).value(&value)).await.expect_err("it never fits");
    assert!(matches!(refused, SendError::Refused(AppendError::TooLarge { .. })), "{refused}");
}

on_each_runtime! {
    callers_get_room_in_the_order_in_which_they_began_to_wait,
    a_caller_that_is_dropped_passes_its_turn_on,
    a_newcomer_does_not_take_the_room_that_another_waits_for,
    what_is_larger_than_the_buffer_is_refused_at_once,
}
