//! Reads what a topic has of a range of time.
//!
//! ```sh
//! cargo run -p kafka08-examples --example replay                 # an embedded broker; the result is checked
//! cargo run -p kafka08-examples --example replay -- broker1:9092 access-log 1700000000000 1700000060000
//! ```
//!
//! The times are milliseconds since 1970.
//!
//! # How exact it is
//! Messages of 0.8 have no time. A broker knows when it has last written to each *segment* of a log, which is a file of up to 1 GiB
//! (`log.segment.bytes`) or a week (`log.roll.hours`), and finds an offset for a time among the first offsets of segments. On most
//! file systems under Java 7 these times are whole seconds. So the range that is read here also holds messages around the range of
//! time, which are in the same segments.
//!
//! The times are those of the brokers' clocks. A clock that is slow, or a time that is cut to its second, hides messages at the
//! beginning of the range, and a clock that is fast hides messages at its end. If none may be missing, begin some seconds earlier and
//! end some seconds later than the range that you want.
//!
//! If you need the exact range, put the time into your messages, as this example does, and leave out what is outside.
//!
//! The times are those of the leader's own files. A replica that was copied anew has young files. If it leads, the range begins
//! earlier than it has to, which costs only time, but it also ends too early. Read to the high watermark then.

use std::{
    env,
    error::Error,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kafka08_blocking::{
    Cluster, ClusterConfig, Consumer, ConsumerConfig, EndAt, Producer, ProducerConfig, Record, StartAt,
    proto::{
        api::{ListOffsetsPartition, ListOffsetsRequest, MetadataRequest},
        ids::{Offset, OffsetTime, PartitionId, Timestamp},
    },
};
use kafka08_broker::{BrokerConfig, Server};

/// What was read: how many messages of the range, and how many around it.
#[derive(Default)]
struct Replayed {
    inside: usize,
    outside: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads what was written from one time to another.
fn replay(brokers: &str, topic: &str, from: i64, to: i64) -> Result<Replayed, Box<dyn Error>> {
    let cluster = Cluster::connect([brokers], ClusterConfig::default())?;
    let consumer = Consumer::connect([brokers], ConsumerConfig::default())?;
    for (partition, end) in ends(&cluster, topic, to)? {
        println!("{topic}/{partition} is read up to offset {end}");
        // The start is looked up by the consumer. If the log is younger than the time, it is read from its beginning.
        consumer.assign(topic, partition, StartAt::Time(Timestamp(from)), EndAt::Offset(end))?;
    }
    let mut replayed = Replayed::default();
    while let Some(mut messages) = consumer.next()? {
        while let Some(message) = messages.next_message() {
            // What is around the range is left out by the time that the message has.
            match written_at(message?.value) {
                Some(time) if time < from || time > to => replayed.outside += 1,
                _ => replayed.inside += 1,
            }
        }
    }
    Ok(replayed)
}

/// Finds an offset for each partition such that everything that was written up to a time, by its leader's clock, is in front of it.
fn ends(cluster: &Cluster, topic: &str, time: i64) -> Result<Vec<(PartitionId, Offset)>, Box<dyn Error>> {
    // All topics are asked for, because asking for one by its name may create it.
    let metadata = cluster.call(&MetadataRequest::all())?;
    let found = metadata.topic(topic).ok_or_else(|| format!("there is no topic {topic}"))?;
    let partitions: Vec<PartitionId> = found.partitions.iter().map(|partition| partition.partition).collect();

    let ask = |time, max_offsets| {
        partitions.iter().fold(ListOffsetsRequest::new(), |mut request, partition| {
            request.topics.push(topic, *partition, ListOffsetsPartition { time, max_offsets });
            request
        })
    };
    // Where the last segment begins that was not written to after the time: the answer is empty if there is none. And where all
    // segments begin, the latest first, in front of which stands the end of the log.
    let old = cluster.call(&ask(OffsetTime(time), 1))?;
    let all = cluster.call(&ask(OffsetTime::LATEST, i32::MAX))?;
    let end = |partition: PartitionId| {
        let old = old.partition(topic, partition)?.offsets.first().copied();
        let mut younger = all.partition(topic, partition)?.offsets.clone();
        younger.retain(|base| old.is_none_or(|old| *base > old));
        // The first segment that was written to after the time may hold messages from before it. So the end is that of this
        // segment, which is where the next one begins.
        let end = younger.iter().rev().nth(1).or_else(|| younger.first()).copied();
        Ok::<_, Box<dyn Error>>((partition, end.or(old).ok_or("a log has an end")?))
    };
    partitions.iter().map(|partition| end(*partition)).collect()
}

/// The time that this example has written into a message.
fn written_at(value: Option<&[u8]>) -> Option<i64> {
    std::str::from_utf8(value?).ok()?.split(' ').next()?.parse().ok()
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => replay_of_rounds(),
        [brokers, topic, from, to] => {
            let replayed = replay(brokers, topic, from.parse()?, to.parse()?)?;
            println!("{} messages were read, and {} around them left out", replayed.inside, replayed.outside);
            Ok(())
        }
        _ => Err("usage: replay [BROKERS TOPIC FROM_MS TO_MS]".into()),
    }
}

/// Writes three rounds of messages to small segments, and replays each of them and all.
fn replay_of_rounds() -> Result<(), Box<dyn Error>> {
    const EACH: usize = 1000;
    let config = BrokerConfig::default().with_topic("access-log", 2).with_segment_bytes(4096);
    let server = Server::start(config)?;
    let brokers = server.bootstrap();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let from = now()?;
        write(&brokers, EACH)?;
        rounds.push((from, now()?));
        thread::sleep(Duration::from_millis(20));
    }
    let whole = (0, now()?);
    for ((from, to), expected) in rounds.into_iter().map(|round| (round, EACH)).chain([(whole, 3 * EACH)]) {
        let Replayed { inside, outside } = replay(&brokers, "access-log", from, to)?;
        println!("{inside} messages of the range were read, and {outside} around it");
        if inside != expected {
            return Err(format!("the range has {expected} messages").into());
        }
        // Of each partition, at most the segment in front of the range and the one behind it.
        if outside > EACH {
            return Err("far too much was read".into());
        }
    }
    Ok(())
}

fn write(brokers: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let config = ProducerConfig::default().with_batch_size(1024);
    let producer = Producer::connect([brokers], config)?;
    for visit in 0..count {
        let record = format!("{} GET /page/{visit}", now()?);
        producer.send(Record::to("access-log").key(&visit.to_string()).value(&record))?;
    }
    producer.close(Duration::from_secs(30))?;
    Ok(())
}

fn now() -> Result<i64, Box<dyn Error>> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?)
}
