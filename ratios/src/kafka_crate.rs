//! C5: the producer and the consumer of the `kafka` crate, beside ours.

use kafka::{
    consumer::{Consumer, FetchOffset},
    producer::{Producer, Record, RequiredAcks},
};

use crate::{
    floor, log,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    on_blocking, on_tokio,
    peer::{Kind, TOPIC},
    readers::{self, stop},
    sets::{self, Source},
};

const GOAL: f64 = 9.0;
/// Title, size of a value, and sets of one run.
const PRODUCE: [(&str, usize, usize); 2] = [("kafka, produce 100 B", 100, 500), ("kafka, produce 1 KiB", 1024, 800)];
const READ: [(&str, usize); 2] = [("kafka, read 100 B", 100), ("kafka, read 1 KiB", 1024)];
/// The size of a fetch, which is our default.
const FETCH: i32 = 1 << 20;

pub(crate) fn run() -> Result<()> {
    for (title, bytes, sets) in PRODUCE {
        let value = vec![b'v'; bytes];
        let value = value.as_slice();
        let each = sets::each(bytes);
        let records = sets * each;
        let made = || Source::made(value, each);
        let ratio = |of, goal| Ratio { of, to: "kafka", per: Per::CpuSecond, goal };
        Race::new(title, "records")
            .lane("kafka", Kind::Broker, 0, |address| produce(address, sets, each, value))
            .lane("floor", Kind::Broker, 0, |address| floor::sets(address, sets, each, &made().next()?))
            .lane("tokio, sets", Kind::Broker, 0, |address| on_tokio::sets(address, sets, each, made()))
            .lane("blocking, sets", Kind::Broker, 0, |address| on_blocking::sets(address, sets, each, made()))
            .lane("tokio, records", Kind::Broker, 0, |address| on_tokio::records(address, records, value))
            .lane("blocking, records", Kind::Broker, 0, |address| on_blocking::records(address, records, value, 1))
            .run(&[
                ratio("floor", None),
                ratio("tokio, sets", Some(GOAL)),
                ratio("blocking, sets", Some(GOAL)),
                ratio("tokio, records", None),
                ratio("blocking, records", None),
            ])?;
    }
    for (title, value) in READ {
        let messages = log::messages(value);
        let ratio = |of, goal| Ratio { of, to: "kafka", per: Per::CpuSecond, goal };
        Race::new(title, "messages")
            .lane("kafka", Kind::Log, value, |address| consume(address, messages))
            .lane("floor", Kind::Log, value, |address| floor::read(address, messages))
            .lane("tokio", Kind::Log, value, |address| readers::by_tokio(address, messages, 1))
            .lane("blocking", Kind::Log, value, |address| readers::by_threads(address, messages, 1))
            .run(&[ratio("floor", None), ratio("tokio", Some(GOAL)), ratio("blocking", Some(GOAL))])?;
    }
    Ok(())
}

/// Sends as many records at once as a set of ours has, and looks at what is confirmed.
fn produce(address: &str, sets: usize, each: usize, value: &[u8]) -> Result<Sample> {
    let mut producer = Producer::from_hosts(vec![address.to_owned()]).with_required_acks(RequiredAcks::One).create()?;
    let records: Vec<_> = (0..each).map(|_| Record::from_value(TOPIC, value).with_partition(0)).collect();
    producer.send_all(&records)?;
    let meter = Meter::start();
    for _ in 0..sets {
        for confirm in producer.send_all(&records)? {
            for partition in confirm.partition_confirms {
                std::hint::black_box(partition.offset.map_err(|code| format!("refused: {code:?}"))?);
            }
        }
    }
    Ok(meter.stop(sets * each))
}

fn consume(address: &str, all: usize) -> Result<Sample> {
    let mut consumer = Consumer::from_hosts(vec![address.to_owned()])
        .with_topic_partitions(TOPIC.to_owned(), &[0])
        .with_fallback_offset(FetchOffset::Earliest)
        .with_fetch_max_bytes_per_partition(FETCH)
        .with_fetch_crc_validation(true)
        .create()?;
    let meter = Meter::start();
    let mut read = 0;
    while read < all {
        for set in consumer.poll()?.iter() {
            for message in set.messages() {
                std::hint::black_box((message.offset, message.value));
                read += 1;
            }
        }
    }
    stop(meter, read, all)
}
