//! Each future of a consumer is dropped after each number of polls. The consumer works on, and loses and repeats nothing.

use futures_util::StreamExt as _;
use kafka08_async::{Consumer, EndAt, OffsetStore, StartAt};
use kafka08_broker::Server;

use crate::{
    polls::drop_after,
    rig::{
        GROUP, LONG, TOPIC, assert_whole, brokers, cluster, config, fill, number, numbers, read_all, reader,
        wait_until_left,
    },
    runtimes::On,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    AssignTopic,
    Next,
    NextEvent,
    Messages,
    Commit,
    CommitOffsets,
    Close,
}

const FUNCTIONS: [Function; 7] = [
    Function::AssignTopic,
    Function::Next,
    Function::NextEvent,
    Function::Messages,
    Function::Commit,
    Function::CommitOffsets,
    Function::Close,
];

/// More polls than any future needs whose task is woken only for a reason.
const POLLS: usize = 5;

/// Runs a function and drops it. Returns what it has read.
async fn perform<H: On>(function: Function, consumer: &Consumer<H::Rt>, polls: usize) -> Vec<(i32, u32)> {
    match function {
        Function::AssignTopic => {
            // Each partition was assigned by name, and stays.
            let assigning = consumer.assign_topic(TOPIC, StartAt::Latest, EndAt::Never);
            if let Some(assigned) = drop_after(polls, assigning).await {
                assert_eq!(assigned.expect("it exists"), []);
            }
            Vec::new()
        }
        Function::Next => {
            let next = drop_after(polls, consumer.next()).await.map(|next| next.expect("no failure"));
            next.flatten().as_mut().map(numbers).unwrap_or_default()
        }
        Function::NextEvent => {
            drop_after(polls, consumer.next_event()).await;
            Vec::new()
        }
        Function::Messages => {
            let mut stream = consumer.messages();
            let Some(message) = drop_after(polls, stream.next()).await.flatten() else { return Vec::new() };
            let message = message.expect("it is sound");
            let mut read = vec![(message.partition.partition.0, number(message.value.as_deref()))];
            // A stream has the whole set.
            for _ in 1..NUMBERS.len() {
                let message = stream.next().await.expect("more of the set").expect("it is sound");
                read.push((message.partition.partition.0, number(message.value.as_deref())));
            }
            read
        }
        Function::Commit => {
            if let Some(committed) = drop_after(polls, consumer.commit(GROUP, OffsetStore::Kafka)).await {
                committed.expect("it is stored");
            }
            Vec::new()
        }
        Function::CommitOffsets => {
            let offsets = consumer.committable();
            let committing = consumer.commit_offsets(GROUP, OffsetStore::ZooKeeper, offsets);
            if let Some(committed) = drop_after(polls, committing).await {
                committed.expect("it is stored");
            }
            Vec::new()
        }
        Function::Close => {
            if let Some(closed) = drop_after(polls, consumer.close(LONG)).await {
                closed.expect("it ends in time");
            }
            Vec::new()
        }
    }
}

const NUMBERS: std::ops::Range<u32> = 0..20;

async fn drop_one<H: On>(server: &Server, function: Function, polls: usize) {
    let what = format!("{function:?}, dropped after {polls} polls");
    let consumer = reader::<H>(server, config(), EndAt::HighWatermark).await;
    let mut all = perform::<H>(function, &consumer, polls).await;
    if function == Function::Close && polls > 0 {
        consumer.close(LONG).await.expect("it ends in time");
        assert!(consumer.next().await.expect("no failure").is_none(), "{what}");
        return;
    }
    all.extend(read_all(&consumer).await);
    assert_whole(&all, &NUMBERS);
    if function == Function::Messages {
        // The last message of a stream that is dropped has not passed.
        return;
    }
    consumer.commit(GROUP, OffsetStore::Kafka).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(consumer.committable().iter().all(|(_, offset)| offset.0 == i64::from(NUMBERS.end)), "{what}");
}

async fn every_future_may_be_dropped_wherever_it_stands<H: On>() {
    let server = cluster();
    fill::<H>(&server, NUMBERS).await;
    for function in FUNCTIONS {
        for polls in 0..POLLS {
            drop_one::<H>(&server, function, polls).await;
        }
    }
}

async fn connecting_may_be_dropped_wherever_it_stands<H: On>() {
    let server = cluster();
    for polls in 0..POLLS {
        drop(drop_after(polls, Consumer::<H::Rt>::connect(brokers(&server), config())).await);
    }
    // All of them have closed, so no connection is left.
    wait_until_left::<H>(&server).await;
}

on_each_runtime! {
    every_future_may_be_dropped_wherever_it_stands,
    connecting_may_be_dropped_wherever_it_stands,
}
