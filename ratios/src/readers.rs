//! The consumers, on tokio and for threads.

use std::{pin::pin, thread};

use futures_util::StreamExt as _;
use kafka08_blocking::{Messages, OwnedMessage};
use kafka08_tokio::Consumer;
use tokio::task::JoinSet;

use crate::{
    measure::{Meter, Result, Sample},
    on_tokio::on_tokio,
    peer::TOPIC,
    reading::{FROM, TO, config},
};

/// Reads a set, and returns the number of its messages.
fn count(messages: &mut Messages) -> std::result::Result<usize, String> {
    let mut read = 0;
    while let Some(message) = messages.next_message() {
        let message = message.map_err(|error| error.to_string())?;
        std::hint::black_box((message.offset, message.value));
        read += 1;
    }
    Ok(read)
}

fn keep(message: OwnedMessage) -> usize {
    std::hint::black_box(message);
    1
}

/// A reader that has missed something would pass for a fast one.
pub(crate) fn stop(meter: Meter, read: usize, all: usize) -> Result<Sample> {
    if read == all { Ok(meter.stop(all)) } else { Err(format!("{read} of {all} messages were read").into()) }
}

/// Reads with so many tasks of a current-thread runtime.
pub(crate) fn by_tokio(address: &str, all: usize, tasks: usize) -> Result<Sample> {
    on_tokio(async {
        let consumer = Consumer::connect([address], config()).await?;
        let meter = Meter::start();
        consumer.assign(TOPIC, 0, FROM, TO)?;
        let mut others = JoinSet::new();
        for _ in 1..tasks {
            others.spawn(read(consumer.clone()));
        }
        let mut messages = read(consumer).await?;
        while let Some(read) = others.join_next().await {
            messages += read??;
        }
        stop(meter, messages, all)
    })
}

async fn read(consumer: Consumer) -> std::result::Result<usize, String> {
    let mut read = 0;
    while let Some(mut messages) = consumer.next().await.map_err(|error| error.to_string())? {
        read += count(&mut messages)?;
    }
    Ok(read)
}

pub(crate) fn owned_by_tokio(address: &str, all: usize) -> Result<Sample> {
    on_tokio(async {
        let consumer = Consumer::connect([address], config()).await?;
        let meter = Meter::start();
        consumer.assign(TOPIC, 0, FROM, TO)?;
        let (mut stream, mut read) = (pin!(consumer.messages()), 0);
        while let Some(message) = stream.next().await {
            read += keep(message?);
        }
        stop(meter, read, all)
    })
}

/// Reads with so many threads that share one consumer.
pub(crate) fn by_threads(address: &str, all: usize, threads: usize) -> Result<Sample> {
    let consumer = kafka08_blocking::Consumer::connect([address], config())?;
    let meter = Meter::start();
    consumer.assign(TOPIC, 0, FROM, TO)?;
    let run = || {
        let mut read = 0;
        while let Some(mut messages) = consumer.next().map_err(|error| error.to_string())? {
            read += count(&mut messages)?;
        }
        Ok::<_, String>(read)
    };
    let read = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut read = run()?;
        for thread in others {
            read += thread.join().map_err(|_| "a thread has panicked")??;
        }
        Ok::<_, String>(read)
    })?;
    stop(meter, read, all)
}

pub(crate) fn owned_by_thread(address: &str, all: usize) -> Result<Sample> {
    let consumer = kafka08_blocking::Consumer::connect([address], config())?;
    let meter = Meter::start();
    consumer.assign(TOPIC, 0, FROM, TO)?;
    let mut read = 0;
    for message in consumer.messages() {
        read += keep(message?);
    }
    stop(meter, read, all)
}
