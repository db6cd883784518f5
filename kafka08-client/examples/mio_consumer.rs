//! Reads a topic from one hand-written mio loop: the machines of kafka08-client and sockets, without an adapter. It reads what is
//! there, commits it, and ends.
//!
//! ```sh
//! cargo run -p kafka08-client --example mio_consumer                       # two brokers of its own, with some messages
//! cargo run -p kafka08-client --example mio_consumer -- access-log 4 broker1:9092 broker2:9092
//! ```
#![expect(clippy::disallowed_methods, reason = "the machines leave clocks to others")]

#[path = "mio_producer/sockets.rs"]
mod sockets;

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_client::{
    accumulator::Accumulator,
    assignment::Assignment,
    config::{ClusterConfig, ConsumerConfig, EndAt, OffsetStore, ProducerConfig, StartAt},
    consumer::{Consumer, ConsumerEvent},
    machine::{Machine as _, Output},
    producer::Producer,
    record::RecordRef,
};
use kafka08_proto::{
    HostPort,
    ids::{Text, TopicPartition},
    message::Inflater,
};
use sockets::Sockets;

/// A run that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(60);
const GROUP: Text = Text::from_static("mio-consumer");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mio_consumer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut named = std::env::args().skip(1);
    let topic = named.next();
    let partitions: i32 = named.next().map_or(Ok(4), |count| count.parse())?;
    let bootstrap: Vec<HostPort> = named.map(|target| target.parse()).collect::<Result<_, _>>()?;
    // Without arguments it starts brokers of its own, which stop when this is dropped.
    let (_server, topic, bootstrap) = match topic {
        Some(topic) => (None, topic, bootstrap),
        None => {
            let server = Server::start(BrokerConfig::default().with_brokers(2).with_topic("access-log", 4))?;
            let bootstrap = server.bootstrap().split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
            fill(&bootstrap)?;
            (Some(server), "access-log".to_owned(), bootstrap)
        }
    };
    let config = ConsumerConfig::default().with_cluster(ClusterConfig::default().with_bootstrap(bootstrap));
    let mut assignment = Assignment::new(&config);
    for partition in 0..partitions {
        // The loop exchanges in each turn, so nobody has to be woken.
        let _ = assignment.assign(TopicPartition::new(&*topic, partition), StartAt::Earliest, EndAt::HighWatermark)?;
    }
    let (messages, committed) = read(Consumer::new(&config), &mut assignment)?;
    println!("{messages} messages of {topic} were read, and {committed} partitions committed");
    Ok(())
}

/// Reads until every partition has ended, and commits. Returns the number of messages and of partitions.
fn read(mut consumer: Consumer, assignment: &mut Assignment) -> Result<(u64, usize), Box<dyn Error>> {
    let mut sockets = Sockets::new()?;
    let mut inflater = Inflater::new();
    let started = Instant::now();
    let (mut count, mut commit) = (0, None);
    loop {
        let now = Instant::now();
        if now - started > LIMIT {
            return Err(format!("{count} messages were read within {LIMIT:?}: {:?}", consumer.stats()).into());
        }
        // The user's turn. Messages are decoded here, and not where they are fetched.
        while let Some((fetched, _)) = assignment.take() {
            let mut messages = fetched.open();
            while let Some(message) = messages.next_message(&mut inflater) {
                message?;
                count += 1;
            }
            let _ = assignment.handle_passed(messages.passed());
        }
        if let Some(unreachable) = consumer.unreachable() {
            return Err(unreachable.to_string().into());
        }
        if commit.is_none() && assignment.is_finished() {
            commit = Some(assignment.commit(GROUP, OffsetStore::Kafka));
        }
        // Rule 1: exchange, and take outputs until there is none. After this, the sockets are what can move.
        consumer.exchange(assignment, now);
        while let Some(output) = consumer.poll_output(now) {
            match output {
                Output::Connect { link, to, within } => sockets.connect(link, &to, now + within),
                Output::Drop(link) => sockets.drop_link(link),
                Output::Write(link) => sockets.note_ready(link),
                Output::Event(ConsumerEvent::Committed { id, failed }) if Some(id) == commit => {
                    return match failed.first() {
                        Some((partition, cause)) => Err(format!("{partition} was not committed: {cause}").into()),
                        None => Ok((count, assignment.committable().count())),
                    };
                }
                Output::Event(
                    ConsumerEvent::Failed { partition, cause } | ConsumerEvent::Stalled { partition, cause, .. },
                ) => {
                    return Err(format!("{partition} cannot be read: {cause}").into());
                }
                Output::Event(_) => {}
            }
        }
        // Rules 2 to 4.
        let until = consumer.poll_timeout();
        sockets.turn(&mut consumer, until)?;
    }
}

/// Writes some messages, so that there is something to read. `mio_producer` explains this loop.
fn fill(bootstrap: &[HostPort]) -> Result<(), Box<dyn Error>> {
    let cluster = ClusterConfig::default().with_bootstrap(bootstrap.iter().cloned());
    let config = ProducerConfig::default().with_cluster(cluster);
    let mut accumulator = Accumulator::<()>::new(&config);
    let mut producer = Producer::<()>::new(&config);
    let mut sockets = Sockets::new()?;
    let mut lines = (0..1000).map(|n| format!("line {n}")).peekable();
    while !producer.is_over() {
        let now = Instant::now();
        while let Some(line) = lines.peek()
            && accumulator.append(|| now, RecordRef::new("access-log", line.as_bytes())).is_ok()
        {
            lines.next();
        }
        if lines.peek().is_none() {
            accumulator.close(now + LIMIT);
        }
        producer.exchange(&mut accumulator, now);
        while let Some(output) = producer.poll_output(now) {
            match output {
                Output::Connect { link, to, within } => sockets.connect(link, &to, now + within),
                Output::Drop(link) => sockets.drop_link(link),
                Output::Write(link) => sockets.note_ready(link),
                Output::Event(_) => {}
            }
        }
        // The next lines do not wait for long.
        let until = producer.poll_timeout().into_iter().chain([now + Duration::from_millis(5)]).min();
        sockets.turn(&mut producer, until)?;
    }
    Ok(())
}
