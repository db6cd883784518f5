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
//! A commit counts a partition up to the first message that is not done, even if later ones are. If a thread fails, or the program is
//! killed, what is behind that message is done again by the next run. So work must be repeatable: this is at least once.

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt,
};
use kafka08_broker::{BrokerConfig, Server};

const WORKERS: usize = 4;
/// How often what was done is committed. It bounds what is done again after a crash.
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

    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&consumer, &done))).collect();
        for (number, worker) in workers.into_iter().enumerate() {
            let share = worker.join().map_err(|_| "a worker has panicked")??;
            println!("worker {number} has done {share} messages");
        }
        Ok::<(), Failure>(())
    })?;
    // What was done behind the last commit is committed, too.
    consumer.close(Duration::from_secs(30))?;
    Ok(done.into_inner())
}

/// What each thread does. It ends when all partitions have ended.
fn work(consumer: &Consumer, done: &AtomicUsize) -> Result<usize, Failure> {
    let mut share = 0;
    while let Some(mut messages) = consumer.next()? {
        // Asking for the next message says that the last one is done. If this returns or panics in between, it is not.
        while let Some(message) = messages.next_message() {
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
