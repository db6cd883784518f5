//! Produces records from one hand-written mio loop: the machines of kafka08-client and sockets, without an adapter.
//!
//! ```sh
//! cargo run -p kafka08-client --example mio_producer                       # two brokers of its own
//! cargo run -p kafka08-client --example mio_producer -- broker1:9092 broker2:9092
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
    accumulator::{Accumulator, AppendError},
    config::{ClusterConfig, ProducerConfig},
    machine::{Machine as _, Output},
    producer::{Outcome, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::HostPort;
use sockets::Sockets;

const RECORDS: u32 = 10_000;
/// A run that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mio_producer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let named: Vec<HostPort> = std::env::args().skip(1).map(|target| target.parse()).collect::<Result<_, _>>()?;
    // Without arguments it starts brokers of its own, which stop when this is dropped.
    let (_server, bootstrap) = if named.is_empty() {
        let server = Server::start(BrokerConfig::default().with_brokers(2).with_topic("access-log", 4))?;
        let bootstrap = server.bootstrap().split(',').map(str::parse).collect::<Result<_, _>>()?;
        (Some(server), bootstrap)
    } else {
        (None, named)
    };
    let cluster = ClusterConfig::default().with_bootstrap(bootstrap);
    let config = ProducerConfig::default().with_cluster(cluster);
    let mut accumulator = Accumulator::<()>::new(&config);
    let mut producer = Producer::<()>::new(&config);
    let mut sockets = Sockets::new()?;
    let started = Instant::now();
    let (mut appended, mut delivered) = (0, 0);
    loop {
        let now = Instant::now();
        if now - started > LIMIT {
            return Err(format!("{delivered} of {RECORDS} records were delivered within {LIMIT:?}").into());
        }
        appended += append(&mut accumulator, appended)?;
        if appended == RECORDS {
            accumulator.close(started + LIMIT);
        }
        // Rule 1: exchange, and take outputs until there is none. After this, the sockets are what can move.
        producer.exchange(&mut accumulator, now);
        while let Some(output) = producer.poll_output(now) {
            match output {
                Output::Connect { link, to, within } => sockets.connect(link, &to, now + within),
                Output::Drop(link) => sockets.drop_link(link),
                Output::Write(link) => sockets.note_ready(link),
                Output::Event(event) => delivered += count(event)?,
            }
        }
        if producer.is_over() {
            break;
        }
        // Rules 2 to 4. The appends of the next turn do not wait.
        let until = if appended < RECORDS && delivered == appended { Some(now) } else { producer.poll_timeout() };
        sockets.turn(&mut producer, until)?;
    }
    println!("{delivered} of {RECORDS} records were delivered in {:.1?}", started.elapsed());
    Ok(())
}

/// Appends what there is room for, and returns how many records that was.
fn append(accumulator: &mut Accumulator<()>, from: u32) -> Result<u32, AppendError> {
    for n in from..RECORDS {
        let (key, value) = (format!("user{}", n % 100), format!("line {n}"));
        let record = RecordRef::new("access-log", value.as_bytes()).with_key(key.as_bytes());
        match accumulator.append(Instant::now, record) {
            Ok(_) => {}
            // The producer announces when the topic is known, and when there is room.
            Err(AppendError::UnknownTopic { .. } | AppendError::Full { .. }) => return Ok(n - from),
            Err(error) => return Err(error),
        }
    }
    Ok(RECORDS - from)
}

/// The number of records that an event tells as delivered.
fn count(event: ProducerEvent<()>) -> Result<u32, Box<dyn Error>> {
    match event {
        ProducerEvent::Ended { records, outcome: Outcome::Delivered { .. }, .. } => Ok(records.end - records.start),
        ProducerEvent::Ended { outcome: Outcome::Failed { error, .. }, .. } => Err(error.into()),
        ProducerEvent::Topic { topic, problem: Some(code) } if !code.is_retriable() => {
            Err(format!("topic {topic}: {code}").into())
        }
        _ => Ok(0),
    }
}
