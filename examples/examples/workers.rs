//! Several threads work on what one consumer reads, and what they have done is committed, in whatever order they finish.
//!
//! ```sh
//! cargo run -p kafka08-examples --example workers                               # embedded brokers
//! cargo run -p kafka08-examples --example workers -- broker1:9092 access-log reports
//! ```
//!
//! Each set of messages goes to one thread. So one partition may be worked on by several threads at the same time, and its messages
//! are not done in their order. If you need the order, give each thread a consumer of its own, with its own partitions.
//!
//! A commit counts a partition up to the first message that is not done, even if later ones are. What a thread has done is noted when
//! it finishes or drops its set. So if the program is killed, each set that was begun is done again as a whole by the next run, and so
//! are the later sets of its partition. One slow set holds the commits of its partition. Work must be repeatable: this is at least once.
//!
//! If a thread fails, the others stop at their next message. What they have done is committed, and the error is told.

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt,
};
use kafka08_broker::{BrokerConfig, Server};

const WORKERS: usize = 4;
/// How often what was noted as done is committed.
const COMMIT_EACH: Duration = Duration::from_millis(100);
/// The messages that the example writes if it has started the brokers.
const WRITTEN: usize = 20_000;

/// A thread cannot pass on an error that is not `Send`.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads to the end of the topic, and returns how many messages were done.
fn work_off(brokers: &str, topic: &str, group: &str) -> Result<usize, Failure> {
    let store = OffsetStore::Kafka;
    // Small sets are shared more evenly.
    let config = ConsumerConfig::default().with_partition_bytes(16 * 1024);
    let consumer = Consumer::connect([brokers], config.with_interval_commit(group, store, COMMIT_EACH))?;
    let start = StartAt::Committed { group: group.into(), store, otherwise: Reset::Earliest };
    consumer.assign_topic(topic, start, EndAt::HighWatermark)?;

    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worked = thread::scope(|scope| {
        let work = || work(&consumer, &done, &stop).inspect_err(|_| stop.store(true, Ordering::Relaxed));
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let mut worked = Ok(());
        for (number, worker) in workers.into_iter().enumerate() {
            match worker.join().unwrap_or_else(|_| Err("it has panicked".into())) {
                Ok(share) => println!("worker {number} has done {share} messages"),
                Err(error) => worked = worked.and(Err(format!("worker {number} has failed: {error}").into())),
            }
        }
        worked
    });
    // Also if a worker has failed: what was done since the last commit is committed, too.
    let closed = consumer.close(Duration::from_secs(30)).map_err(Failure::from);
    worked.and(closed).map(|()| done.into_inner())
}

/// What each thread does. It ends when all partitions have ended, or another thread has failed.
fn work(consumer: &Consumer, done: &AtomicUsize, stop: &AtomicBool) -> Result<usize, Failure> {
    let mut share = 0;
    while let Some(mut messages) = consumer.next()? {
        // Asking for the next message says that the last one is done. If this returns or panics in between, it is not.
        while let Some(message) = messages.next_message() {
            if stop.load(Ordering::Relaxed) {
                return Ok(share);
            }
            handle(message?.value.unwrap_or_default())?;
            share += 1;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(share)
}

/// The work. Some messages take longer than others.
fn handle(value: &[u8]) -> Result<(), Failure> {
    if std::str::from_utf8(value)?.ends_with("99") {
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("access-log", 3))?;
            let brokers = server.bootstrap();
            write(&brokers)?;
            // All messages are done, each once. And all were committed, so there is nothing left for the second run.
            let (first, second) =
                (work_off(&brokers, "access-log", "reports")?, work_off(&brokers, "access-log", "reports")?);
            match (first, second) {
                (WRITTEN, 0) => Ok(()),
                _ => Err(format!("{first} of {WRITTEN} messages were done, and {second} again").into()),
            }
        }
        [brokers, topic, group] => work_off(brokers, topic, group).map(|done| println!("{done} messages are done")),
        _ => Err("usage: workers [BROKERS TOPIC GROUP]".into()),
    }
}

fn write(brokers: &str) -> Result<(), Failure> {
    let producer = Producer::connect([brokers], ProducerConfig::default())?;
    for visit in 0..WRITTEN {
        // The key decides about the partition.
        producer.send(Record::to("access-log").key(&visit.to_string()).value(&format!("GET /page/{visit}")))?;
    }
    producer.close(Duration::from_secs(30))?;
    Ok(())
}
