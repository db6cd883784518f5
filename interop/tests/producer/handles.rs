//! The handles of the producer, on each runtime.

use std::{collections::VecDeque, future::poll_fn, marker::PhantomData, time::Instant};

use interop::ledger::{Outcome, Record};
use kafka08_async::{Delivered, Delivery, DeliveryError, Producer, Runtime, Timer as _, Undelivered, Wrap};
use kafka08_proto::ids::{Acks, Offset, PartitionId};

use crate::{
    adapter::{Adapter, FLUSH, Job},
    feed::{Feed, Next},
};

/// The handles on a runtime, which `block_on` runs.
pub(crate) struct Async<Rt> {
    name: &'static str,
    block_on: fn(Work<'_>),
    runtime: PhantomData<fn() -> Rt>,
}

/// What is to be run.
pub(crate) type Work<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<Rt> Async<Rt> {
    pub(crate) fn new(name: &'static str, block_on: fn(Work<'_>)) -> Self {
        Self { name, block_on, runtime: PhantomData }
    }
}

impl<Rt> Adapter for Async<Rt>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn produce(&self, job: &Job, feed: &Feed) {
        (self.block_on)(Box::pin(produce::<Rt>(job, feed)));
    }
}

async fn produce<Rt>(job: &Job, feed: &Feed)
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let producer = Producer::<Rt>::connect(job.bootstrap(), job.config()).await.expect("a broker answers");
    let mut deliveries: VecDeque<(u64, Delivery)> = VecDeque::new();
    let (since, mut unflushed) = (Instant::now(), 0);
    loop {
        match feed.next(since) {
            Next::Record(record) => {
                match producer.send(borrowed(job, &record)).await {
                    Ok(delivery) => deliveries.push_back((record.number, delivery)),
                    Err(error) => panic!("{record:?}: {error}"),
                }
                unflushed += 1;
                if job.acks == Acks::NONE && unflushed == FLUSH {
                    unflushed = 0;
                    unconfirmed(feed, producer.flush().await);
                }
            }
            Next::Wait(time) => {
                let mut timer = Rt::Timer::at(Instant::now() + time);
                poll_fn(|cx| timer.poll_fired(cx)).await;
                // Ended deliveries leave, so that they do not hold what they have.
                while let Some(ended) = deliveries.front().and_then(|(_, delivery)| delivery.peek()) {
                    let (number, _) = deliveries.pop_front().expect("it is the first one");
                    feed.decide(number, outcome(job, ended));
                }
            }
            Next::End => break,
        }
    }
    // Half of what is left is awaited, the rest ends with the producer.
    for (number, delivery) in deliveries.drain(..deliveries.len() / 2) {
        feed.decide(number, outcome(job, delivery.await));
    }
    unconfirmed(feed, producer.close(job.patience()).await);
    for (number, delivery) in deliveries {
        feed.decide(number, outcome(job, delivery.await));
    }
}

/// Threads of the system.
pub(crate) struct Blocking;

impl Adapter for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn produce(&self, job: &Job, feed: &Feed) {
        let producer = kafka08_blocking::Producer::connect(job.bootstrap(), job.config()).expect("a broker answers");
        let (waiting, deliveries) = std::sync::mpsc::channel::<(u64, kafka08_blocking::Delivery)>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (number, delivery) in deliveries {
                    feed.decide(number, outcome(job, delivery.wait()));
                }
            });
            let (since, mut unflushed) = (Instant::now(), 0);
            loop {
                match feed.next(since) {
                    Next::Record(record) => {
                        let sent = producer.send(borrowed(job, &record));
                        let delivery = sent.unwrap_or_else(|error| panic!("{record:?}: {error}"));
                        waiting.send((record.number, delivery)).expect("the thread waits");
                        unflushed += 1;
                        if job.acks == Acks::NONE && unflushed == FLUSH {
                            unflushed = 0;
                            unconfirmed(feed, producer.flush());
                        }
                    }
                    Next::Wait(time) => std::thread::sleep(time),
                    Next::End => break,
                }
            }
            unconfirmed(feed, producer.close(job.patience()));
            drop(waiting);
        });
    }
}

fn borrowed<'a>(job: &'a Job, record: &'a Record) -> kafka08_async::Record<'a> {
    kafka08_async::Record {
        topic: &job.topic,
        partition: record.partition.map(|partition| PartitionId(partition.into())),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
    }
}

/// With acks = 0, what a flush or the end could not prove.
fn unconfirmed(feed: &Feed, flushed: Result<(), Undelivered>) {
    if let Err(undelivered) = flushed {
        feed.add_unconfirmed(undelivered.unconfirmed);
    }
}

fn outcome(job: &Job, ended: Result<Delivered, DeliveryError>) -> Outcome {
    match ended {
        Ok(_) if job.acks == Acks::NONE => Outcome::Written,
        Ok(Delivered { offset, maybe_applied, .. }) => {
            Outcome::Delivered { offset: offset.map(|Offset(offset)| offset), maybe_applied }
        }
        Err(error) => Outcome::Failed {
            fate: error.fate(),
            attempts: error.attempts().unwrap_or(u32::MAX),
            cause: error.error().map_or_else(|| error.to_string(), |error| error.cause.to_string()),
        },
    }
}
