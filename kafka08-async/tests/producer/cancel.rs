//! Each future of a producer is dropped after each number of polls, whatever it waits for. The producer works on, and sends
//! what was appended and nothing else.

use std::time::{Duration, Instant};

use kafka08_async::{Delivery, Partitioner, Producer, Record, SendError, proto::message::MessageSet};
use kafka08_broker::Server;

use crate::{
    polls::drop_after,
    rig::{TOPIC, brokers, cluster, config, connect, stored},
    runtimes::{On, sleep},
};

/// What a future under test finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Free,
    /// The buffer is full.
    NoRoom,
    /// Metadata has not named the topic.
    NoTopic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Send,
    SendSet,
    Flush,
    Close,
    Delivery,
}

const FUNCTIONS: [Function; 5] =
    [Function::Send, Function::SendSet, Function::Flush, Function::Close, Function::Delivery];

/// More polls than any future needs whose task is woken only for a reason.
const POLLS: usize = 5;

const LONG: Duration = Duration::from_secs(30);

fn set() -> MessageSet {
    MessageSet::of_value(b"under test")
}

/// Runs a function and drops it. Returns the delivery of what it has appended.
async fn perform<H: On>(
    function: Function,
    topic: &str,
    producer: &Producer<H::Rt>,
    held: Delivery,
    polls: usize,
) -> Option<Delivery> {
    let record = Record::to(topic).value("under test").partition(0);
    match function {
        Function::Send => drop_after(polls, producer.send(record)).await.map(|sent| sent.expect("it is appended")),
        Function::SendSet => {
            drop_after(polls, producer.send_set(topic, 0, set())).await.map(|sent| sent.expect("it is appended"))
        }
        Function::Flush => {
            if let Some(flushed) = drop_after(polls, producer.flush()).await {
                flushed.expect("nothing has failed");
            }
            None
        }
        Function::Close => {
            if let Some(closed) = drop_after(polls, producer.close(LONG)).await {
                closed.expect("nothing has failed");
            }
            None
        }
        Function::Delivery => {
            drop_after(polls, held).await;
            None
        }
    }
}

async fn drop_one<H: On>(function: Function, way: Way, polls: usize) {
    let what = format!("{function:?} with {way:?}, dropped after {polls} polls");
    let server = cluster();
    // Two records of ten bytes have room.
    let producer = connect::<H>(&server, config().with_buffer(72)).await;
    let known = producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("the topic is there");
    known.await.expect("it is delivered");
    let held = producer.send(Record::to(TOPIC).value("held value").partition(0)).await.expect("there is room");
    if way == Way::NoRoom {
        drop(producer.send(Record::to(TOPIC).value("fills this").partition(0)).await.expect("there is room"));
    }
    let topic = if way == Way::NoTopic { "other" } else { TOPIC };
    let appended = perform::<H>(function, topic, &producer, held, polls).await;
    if let Some(delivery) = appended {
        delivery.await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    if function == Function::Close && polls > 0 {
        let refused = producer.send(Record::to(TOPIC).value("behind")).await.expect_err("it is closed");
        assert!(matches!(refused, SendError::Refused(_) | SendError::Ended), "{what}: {refused}");
        producer.close(LONG).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    } else {
        assert_works::<H>(&producer, &server, &what).await;
    }
}

/// Sends one more record, behind all others.
async fn assert_works<H: On>(producer: &Producer<H::Rt>, server: &Server, what: &str) {
    let delivery = producer.send(Record::to(TOPIC).value("the last").partition(0)).await;
    let delivery = delivery.unwrap_or_else(|error| panic!("{what}: {error}"));
    producer.flush().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let at = delivery.await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let stored = stored::<H>(server, TOPIC, 0).await;
    assert_eq!(
        stored.last_key_value().map(|(offset, value)| (Some(*offset), value.as_str())),
        Some((at.offset.map(|at| at.0), "the last")),
        "{what}"
    );
    let stats = producer.stats();
    assert_eq!((stats.failed, producer.buffered()), (0, 0), "{what}");
}

async fn every_future_may_be_dropped_wherever_it_stands<H: On>() {
    for function in FUNCTIONS {
        for way in [Way::Free, Way::NoRoom, Way::NoTopic] {
            for polls in 0..POLLS {
                drop_one::<H>(function, way, polls).await;
            }
        }
    }
}

async fn connecting_may_be_dropped_wherever_it_stands<H: On>() {
    let server = cluster();
    for polls in 0..POLLS {
        drop(drop_after(polls, Producer::<H::Rt>::connect(brokers(&server), config())).await);
        let partitioner = Partitioner::RoundRobin;
        drop(drop_after(polls, Producer::<H::Rt>::connect_with(brokers(&server), config(), partitioner)).await);
    }
    // All of them have closed, so no connection is left.
    let since = Instant::now();
    while server.with(|cluster, _| cluster.connections()) > 0 {
        assert!(since.elapsed() < Duration::from_secs(10), "connections are left");
        sleep::<H>(Duration::from_millis(10)).await;
    }
}

on_each_runtime! {
    every_future_may_be_dropped_wherever_it_stands,
    connecting_may_be_dropped_wherever_it_stands,
}
