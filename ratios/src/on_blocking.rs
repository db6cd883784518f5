//! The producer for threads.

use std::{collections::VecDeque, thread};

use kafka08_blocking::{Delivery, Producer, ProducerConfig, Record, proto::ids::Acks};

use crate::{
    measure::{Meter, Result, Sample},
    on_tokio::offset,
    outcomes,
    peer::TOPIC,
    sets::{self, Source},
};

/// Records in front of the measurement, so that the leader is known and connected.
const FIRST: usize = 1000;

fn connect(address: &str) -> Result<Producer> {
    Ok(Producer::connect([address], ProducerConfig::default().with_acks(Acks::LEADER))?)
}

/// Sends from so many threads that share one producer.
pub(crate) fn records(address: &str, records: usize, value: &[u8], threads: usize) -> Result<Sample> {
    let producer = connect(address)?;
    send(&producer, FIRST, value, outcomes::WINDOW)?;
    let meter = Meter::start();
    let run = || send(&producer, records / threads, value, outcomes::WINDOW / threads).map_err(|e| e.to_string());
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        run()?;
        others.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)
    })?;
    Ok(meter.stop(records))
}

fn send(producer: &Producer, records: usize, value: &[u8], window: usize) -> Result<()> {
    let mut unknown = VecDeque::with_capacity(window);
    let mut offsets = 0;
    for _ in 0..records {
        if unknown.len() == window {
            offsets += take(&mut unknown)?;
        }
        unknown.push_back(producer.send(Record::to(TOPIC).value(value).partition(0))?);
    }
    while !unknown.is_empty() {
        offsets += take(&mut unknown)?;
    }
    std::hint::black_box(offsets);
    Ok(())
}

/// Waits for the oldest outcome, and takes those that are known besides.
fn take(unknown: &mut VecDeque<Delivery>) -> Result<i64> {
    let Some(oldest) = unknown.pop_front() else { return Ok(0) };
    let mut offsets = offset(oldest.wait()?)?;
    while let Some(outcome) = unknown.front().and_then(Delivery::peek) {
        offsets += offset(outcome?)?;
        unknown.pop_front();
    }
    Ok(offsets)
}

pub(crate) fn sets(address: &str, sets: usize, each: usize, mut source: Source) -> Result<Sample> {
    let producer = connect(address)?;
    producer.send_set(TOPIC, 0, source.next()?)?.wait()?;
    let mut unknown = VecDeque::with_capacity(sets::WINDOW);
    let meter = Meter::start();
    for _ in 0..sets {
        if unknown.len() == sets::WINDOW {
            take(&mut unknown)?;
        }
        unknown.push_back(producer.send_set(TOPIC, 0, source.next()?)?);
    }
    while !unknown.is_empty() {
        take(&mut unknown)?;
    }
    Ok(meter.stop(sets * each))
}
