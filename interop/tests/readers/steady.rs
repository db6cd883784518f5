//! A reader that nobody kills, in each runtime.

use std::{env, pin::Pin, time::Duration};

use futures_util::StreamExt as _;
use kafka08_async::{Consumer, ConsumerConfig, EndAt, Runtime, StartAt, Wrap};
use kafka08_async_std::{AsyncStd, smol::Smol};
use kafka08_tokio::Tokio;

use crate::{LAST, PARTITIONS, Read};

/// The handle of one runtime.
pub(crate) struct Adapter {
    pub(crate) name: &'static str,
    read: fn(&[String], &str) -> Read,
}

impl Adapter {
    /// Reads until each partition has told its last value.
    pub(crate) fn read(&self, brokers: &[String], topic: &str) -> Read {
        (self.read)(brokers, topic)
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = Read> + Send + 'a>>;

/// Those that `KAFKA08_ADAPTERS` names, with commas between them.
pub(crate) fn chosen() -> Vec<Adapter> {
    let names = env::var("KAFKA08_ADAPTERS").unwrap_or_else(|_| "tokio".to_owned());
    let adapter = |name: &str| match name {
        "tokio" => Adapter {
            name: "tokio",
            read: |brokers, topic| {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.expect("a runtime").block_on(by_sets::<Tokio>(brokers, topic))
            },
        },
        "async-std" => Adapter {
            name: "async-std",
            read: |brokers, topic| async_std::task::block_on(one_by_one::<AsyncStd>(brokers, topic)),
        },
        "smol" => Adapter { name: "smol", read: |brokers, topic| smol::block_on(by_sets::<Smol>(brokers, topic)) },
        "blocking" => Adapter { name: "blocking", read: on_threads },
        other => panic!("KAFKA08_ADAPTERS: {other} is none of: tokio, async-std, smol, blocking"),
    };
    names.split(',').map(|name| adapter(name.trim())).collect()
}

/// What was read, and how many partitions have not told their last value.
struct Reading {
    read: Read,
    left: u16,
}

impl Reading {
    fn new() -> Self {
        Self { read: Read::new(), left: PARTITIONS }
    }

    fn note(&mut self, partition: i32, offset: i64, value: Option<&[u8]>) {
        let value = String::from_utf8(value.expect("a value").to_vec()).expect("text");
        let of = self.read.entry(partition).or_default();
        if value == LAST && of.iter().all(|(_, before)| before != LAST) {
            self.left -= 1;
        }
        of.push((offset, value));
    }
}

async fn connect<Rt>(brokers: &[String], topic: &str) -> Consumer<Rt>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let consumer = Consumer::connect(brokers, ConsumerConfig::default()).await.expect("a broker answers");
    for partition in 0..i32::from(PARTITIONS) {
        consumer.assign(topic, partition, StartAt::Earliest, EndAt::Never).expect("a sound name");
    }
    consumer
}

fn by_sets<'a, Rt>(brokers: &'a [String], topic: &'a str) -> Work<'a>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    Box::pin(async move {
        let (consumer, mut reading) = (connect::<Rt>(brokers, topic).await, Reading::new());
        while reading.left > 0 {
            let mut messages = consumer.next().await.expect("all can be read").expect("more will come");
            let partition = messages.partition().partition.0;
            while let Some(message) = messages.next_message() {
                let message = message.expect("it is sound");
                reading.note(partition, message.offset.0, message.value);
            }
        }
        consumer.close(Duration::from_secs(30)).await.expect("it ends in time");
        reading.read
    })
}

fn one_by_one<'a, Rt>(brokers: &'a [String], topic: &'a str) -> Work<'a>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    Box::pin(async move {
        let (consumer, mut reading) = (connect::<Rt>(brokers, topic).await, Reading::new());
        let mut stream = consumer.messages();
        while reading.left > 0 {
            let message = stream.next().await.expect("more will come").expect("all can be read");
            reading.note(message.partition.partition.0, message.offset.0, message.value.as_deref());
        }
        consumer.close(Duration::from_secs(30)).await.expect("it ends in time");
        reading.read
    })
}

fn on_threads(brokers: &[String], topic: &str) -> Read {
    let consumer = kafka08_blocking::Consumer::connect(brokers, ConsumerConfig::default()).expect("a broker answers");
    for partition in 0..i32::from(PARTITIONS) {
        consumer.assign(topic, partition, StartAt::Earliest, EndAt::Never).expect("a sound name");
    }
    let mut reading = Reading::new();
    for messages in &consumer {
        let mut messages = messages.expect("all can be read");
        let partition = messages.partition().partition.0;
        while let Some(message) = messages.next_message() {
            let message = message.expect("it is sound");
            reading.note(partition, message.offset.0, message.value);
        }
        if reading.left == 0 {
            break;
        }
    }
    reading.read
}

/// Asserts that each message was read once and in order.
pub(crate) fn assert_is_log(read: &Read, stored: &Read) {
    for (partition, expected) in stored {
        let found = read.get(partition).map_or(&[][..], Vec::as_slice);
        let first = found.iter().zip(expected).find(|(found, expected)| found != expected);
        assert!(first.is_none(), "partition {partition}: {first:?}");
        // The last value may have been sent twice, and reading ends at the first.
        let missed = expected.get(found.len()..).unwrap_or_default();
        assert!(
            found.len() <= expected.len() && missed.iter().all(|(_, value)| value == LAST),
            "{partition}: {missed:?}"
        );
    }
}
