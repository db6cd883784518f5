//! A broker with a log to read: the embedded broker, in a process of its own.

use std::{collections::VecDeque, thread};

use kafka08_blocking::{Producer, ProducerConfig, proto::ids::Acks};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::message::MessageSet;

use crate::{measure::Result, peer::TOPIC};

/// The argument of the peer that has a log. The size of a value follows.
pub(crate) const ARGUMENT: &str = "log";
/// The size of a set that is written, at most.
const SET: usize = 512 << 10;
/// Sets that are not acknowledged yet.
const WINDOW: usize = 4;
/// Bytes of an entry besides its value.
const ENTRY: usize = 26;

/// The number of messages in the log.
pub(crate) fn messages(value: usize) -> usize {
    if value < 1024 { 2_000_000 } else { 400_000 }
}

/// Starts the broker, fills it, says where it listens, and stays.
pub(crate) fn serve(value: usize) -> Result<()> {
    let config = BrokerConfig::default().with_topic(TOPIC, 1).with_max_log_bytes(1 << 30);
    let server = Server::start(config)?;
    fill(&server.host_port(), value)?;
    println!("{}", server.host_port());
    loop {
        thread::park();
    }
}

fn fill(address: &str, value: usize) -> Result<()> {
    let producer = Producer::connect([address], ProducerConfig::default().with_acks(Acks::LEADER))?;
    let each = SET / (value + ENTRY);
    let (all, part) = (messages(value), messages(value) % each);
    let mut sets: Vec<_> = vec![set(value, each)?; all / each];
    sets.push(set(value, part)?);
    let mut unknown = VecDeque::new();
    for set in sets {
        if unknown.len() == WINDOW {
            unknown.pop_front().map(kafka08_blocking::Delivery::wait).transpose()?;
        }
        unknown.push_back(producer.send_set(TOPIC, 0, set)?);
    }
    unknown.into_iter().try_for_each(|outcome| outcome.wait().map(drop))?;
    producer.close(std::time::Duration::from_secs(30))?;
    Ok(())
}

fn set(value: usize, messages: usize) -> Result<MessageSet> {
    let (mut builder, value) = (MessageSet::builder(), vec![b'v'; value]);
    for _ in 0..messages {
        builder.push(None, Some(&value))?;
    }
    Ok(builder.take())
}
