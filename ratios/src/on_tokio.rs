//! The producer on tokio, on a current-thread runtime.

use std::collections::VecDeque;

use kafka08_tokio::{Delivery, Producer, ProducerConfig, Record, proto::ids::Acks};

use crate::{
    measure::{Meter, Result, Sample},
    outcomes,
    peer::TOPIC,
    sets::{self, Source},
};

/// Records in front of the measurement, so that the leader is known and connected.
const FIRST: usize = 1000;

pub(crate) fn on_tokio(run: impl Future<Output = Result<Sample>>) -> Result<Sample> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run)
}

async fn connect(address: &str) -> Result<Producer> {
    Ok(Producer::connect([address], ProducerConfig::default().with_acks(Acks::LEADER)).await?)
}

pub(crate) fn records(address: &str, records: usize, value: &[u8]) -> Result<Sample> {
    on_tokio(async {
        let producer = connect(address).await?;
        send(&producer, FIRST, value).await?;
        let meter = Meter::start();
        send(&producer, records, value).await?;
        Ok(meter.stop(records))
    })
}

async fn send(producer: &Producer, records: usize, value: &[u8]) -> Result<()> {
    let mut unknown = VecDeque::with_capacity(outcomes::WINDOW);
    let mut offsets = 0;
    for _ in 0..records {
        if unknown.len() == outcomes::WINDOW {
            offsets += take(&mut unknown).await?;
        }
        unknown.push_back(producer.send(Record::to(TOPIC).value(value).partition(0)).await?);
    }
    while !unknown.is_empty() {
        offsets += take(&mut unknown).await?;
    }
    std::hint::black_box(offsets);
    Ok(())
}

/// Waits for the oldest outcome, and takes those that are known besides.
async fn take(unknown: &mut VecDeque<Delivery>) -> Result<i64> {
    let Some(oldest) = unknown.pop_front() else { return Ok(0) };
    let mut offsets = offset(oldest.await?)?;
    while let Some(outcome) = unknown.front().and_then(Delivery::peek) {
        offsets += offset(outcome?)?;
        unknown.pop_front();
    }
    Ok(offsets)
}

pub(crate) fn offset(delivered: kafka08_tokio::Delivered) -> Result<i64> {
    Ok(delivered.offset.ok_or("the broker has not said the offset")?.0)
}

pub(crate) fn sets(address: &str, sets: usize, each: usize, mut source: Source) -> Result<Sample> {
    on_tokio(async {
        let producer = connect(address).await?;
        producer.send_set(TOPIC, 0, source.next()?).await?.await?;
        let mut unknown = VecDeque::with_capacity(sets::WINDOW);
        let meter = Meter::start();
        for _ in 0..sets {
            if unknown.len() == sets::WINDOW {
                take(&mut unknown).await?;
            }
            unknown.push_back(producer.send_set(TOPIC, 0, source.next()?).await?);
        }
        while !unknown.is_empty() {
            take(&mut unknown).await?;
        }
        Ok(meter.stop(sets * each))
    })
}
