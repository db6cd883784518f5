//! Copies a topic into another one, partition by partition, and keeps checkpoints. When it is killed and started again, it goes on at
//! the last checkpoint.
//!
//! ```sh
//! cargo run -p kafka08-examples --example copy_topic           # embedded brokers; copies are killed, and the result is checked
//! cargo run -p kafka08-examples --example copy_topic -- broker1:9092 orders broker2:9092 orders-copy copier
//! ```
//!
//! The checkpoint is the offset that the group has committed. It is committed only after the copies were acknowledged, so no message
//! is left out. What may be in the copy more than once:
//!
//! - after a kill: the messages behind the last checkpoint, which are at most one set of one partition;
//! - after a lost answer: a batch that the producer has sent again, because it could not know that the broker has it. Its
//!   deliveries count this as `maybe_applied`.
//!
//! A repeat is a run of messages that stands behind its first copy. So the first copies are in the order of the source.
//!
//! Messages are copied one by one. A set that was fetched may begin with a compressed entry that has messages in front of the
//! checkpoint, so passing on whole sets would repeat these.

use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt, proto::ids::Acks,
};
use kafka08_broker::{BrokerConfig, Server};

/// The bytes of a set, and so what one checkpoint covers.
const SET_BYTES: usize = 16 * 1024;
/// How often the example kills a copy, if it has started the brokers, and how many messages it writes to each partition.
const KILLS: usize = 3;
const PARTITIONS: usize = 2;
const WRITTEN: usize = 10_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("copy_topic: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Copies what is in the source and was not copied, and returns the number of messages. With [`EndAt::Never`], it would go on for
/// ever.
fn copy([source, from, target, to, group]: [&str; 5]) -> Result<usize, Box<dyn Error>> {
    let producer = Producer::connect([target], ProducerConfig::default())?;
    let consumer = Consumer::connect([source], ConsumerConfig::default().with_partition_bytes(SET_BYTES))?;
    let (name, store) = (group.to_owned().into(), OffsetStore::Kafka);
    let start = StartAt::Committed { group: name, store, otherwise: Reset::Earliest };
    consumer.assign_topic(from, start, EndAt::HighWatermark)?;

    let mut copied = 0;
    while let Some(mut messages) = consumer.next()? {
        // The target needs as many partitions as the source. A message keeps its partition, its key and its value, also if these are
        // null.
        let place = Record::to(to).partition(messages.partition().partition);
        while let Some(message) = messages.next_message() {
            let message = message?;
            producer.send(Record { key: message.key, value: message.value, ..place })?;
            copied += 1;
        }
        // All copies of the set are acknowledged, or this fails. Only then is the set committed.
        producer.flush()?;
        consumer.commit(group, store)?;
    }
    producer.close(Duration::from_secs(30))?;
    consumer.close(Duration::from_secs(30))?;
    Ok(copied)
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => copy_under_kills(),
        [source, from, target, to, group] => {
            let copied = copy([source, from, target, to, group])?;
            println!("{copied} messages were copied");
            Ok(())
        }
        _ => Err("usage: copy_topic [BROKERS TOPIC TARGET_BROKERS TARGET_TOPIC GROUP]".into()),
    }
}

/// Starts brokers and copies, kills some of them, and checks what was copied.
fn copy_under_kills() -> Result<(), Box<dyn Error>> {
    let config = BrokerConfig::default().with_brokers(3);
    let server = Server::start(config.with_topic("orders", 2).with_topic("orders-copy", 2))?;
    let brokers = server.bootstrap();
    write(&brokers)?;
    let arguments = [&*brokers, "orders", &*brokers, "orders-copy", "copier"];
    let mut copier = Command::new(env::current_exe()?);
    copier.args(arguments);

    // Copying takes some time, so that it can be killed in the middle.
    let slow = server.add_rule("offset-commit: delay by=20ms".parse()?);
    for kill in 1..=KILLS {
        let mut killed = copier.spawn()?;
        let since = Instant::now();
        while in_copy(&server) < kill * PARTITIONS * WRITTEN / (KILLS + 1) {
            if killed.try_wait()?.is_some() || since.elapsed() > Duration::from_secs(60) {
                return Err(format!("a copy has stopped at {} messages", in_copy(&server)).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        killed.kill()?;
        killed.wait()?;
        println!("a copy was killed, with {} messages in the target", in_copy(&server));
    }
    server.with(|cluster, _| cluster.remove_rule(slow));
    if !copier.status()?.success() {
        return Err("the last copy has failed".into());
    }

    let repeats = check(&brokers)?;
    println!("all messages are in the copy, in order, and {repeats} of them again");
    // At most a set for each kill. A message has at least 26 bytes.
    if repeats > KILLS * SET_BYTES / 26 {
        return Err("these are more than the checkpoints permit".into());
    }
    match copy(arguments)? {
        0 => Ok(()),
        more => Err(format!("{more} messages were not committed").into()),
    }
}

/// Checks that each partition of the copy has all messages in their order. Returns how many stand there again.
fn check(brokers: &str) -> Result<usize, Box<dyn Error>> {
    let consumer = Consumer::connect([brokers], ConsumerConfig::default())?;
    consumer.assign_topic("orders-copy", StartAt::Earliest, EndAt::HighWatermark)?;
    let (mut next, mut repeats) = ([0; PARTITIONS], 0);
    while let Some(mut messages) = consumer.next()? {
        let partition = messages.partition().clone();
        let next = usize::try_from(partition.partition.0).ok().and_then(|number| next.get_mut(number));
        let next = next.ok_or("there are only two partitions")?;
        while let Some(message) = messages.next_message() {
            let order: usize = std::str::from_utf8(message?.value.unwrap_or_default())?.parse()?;
            if order > *next {
                return Err(format!("order {next} is missing in {partition}: {order} follows").into());
            }
            repeats += usize::from(order < *next);
            *next = (*next).max(order + 1);
        }
    }
    if next != [WRITTEN; PARTITIONS] {
        return Err(format!("the partitions of the copy end with orders {next:?} of {WRITTEN}").into());
    }
    Ok(repeats)
}

/// How many messages are in the target.
fn in_copy(server: &Server) -> usize {
    let topics = server.snapshot().topics;
    let partitions = topics.iter().filter(|topic| &*topic.topic == "orders-copy").flat_map(|topic| &topic.partitions);
    partitions.map(|partition| usize::try_from(partition.end.0).unwrap_or_default()).sum()
}

fn write(brokers: &str) -> Result<(), Box<dyn Error>> {
    let producer = Producer::connect([brokers], ProducerConfig::default().with_acks(Acks::LEADER))?;
    for order in 0..WRITTEN {
        for partition in [0, 1] {
            producer.send(Record::to("orders").value(&order.to_string()).partition(partition))?;
        }
    }
    producer.close(Duration::from_secs(30))?;
    Ok(())
}
