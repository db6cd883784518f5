//! An event bus on a Kafka topic, in one file: publish an event under a key, and subscribe to keys by a pattern, from now on or with
//! what has happened before.
//!
//! ```sh
//! cargo run -p kafka08-examples --example event_bus                        # embedded brokers; the example checks what comes
//! cargo run -p kafka08-examples --example event_bus -- broker1:9092 events 'orders.eu.*'     # prints events, from the first one
//! ```
//!
//! Each subscription has a consumer of its own. So each can begin at another place, none is stopped by a slow one, and dropping it
//! ends it. It costs a connection to each broker, and each subscription fetches the whole topic and leaves out what it does not want.
//! With more than some tens of subscriptions in a process, let one consumer read, and pass events on by a `tokio::sync::broadcast`;
//! then only replays need a consumer.
//!
//! Events of one key come in the order in which they were published. Events of several keys may not, because their partitions are
//! read side by side.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt as _;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::{
    Consumer, ConsumerConfig, ConsumerEvent, EndAt, MessageStream, OwnedMessage, Producer, ProducerConfig, Record,
    StartAt,
    proto::ids::{PartitionId, Timestamp},
};

/// How long a subscription may take to find where it begins.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(30);

/// A bus. All who use its topic share it, in any process.
struct Bus {
    brokers: String,
    topic: String,
    producer: Producer,
}

/// Which events a subscription begins with. Each goes on with what is published later, without a gap.
enum Begin {
    /// Those that are published after [`Bus::subscribe`] has returned.
    Now,
    /// All that the topic has kept.
    Earliest,
    /// Those since this time by the clocks of the brokers, and some from before. Take off some seconds: see the example `replay`.
    Since(SystemTime),
}

impl Bus {
    /// Opens the bus on a topic, which must exist.
    async fn open(brokers: &str, topic: &str) -> Result<Self, Box<dyn Error>> {
        // Each publisher waits for its event, so collecting more would only delay it.
        let config = ProducerConfig::default().with_linger(Duration::ZERO);
        let producer = Producer::connect([brokers], config).await?;
        Ok(Self { brokers: brokers.to_owned(), topic: topic.to_owned(), producer })
    }

    /// Publishes an event, and waits until it is stored. After a lost answer it may be stored twice.
    async fn publish(&self, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
        self.producer.send(Record::to(&self.topic).key(key).value(value)).await?.await?;
        Ok(())
    }

    /// Subscribes to the keys that match a pattern. The stream ends when it is dropped.
    async fn subscribe(&self, pattern: &str, begin: Begin) -> Result<MessageStream, Box<dyn Error>> {
        let start = match begin {
            Begin::Now => StartAt::Latest,
            Begin::Earliest => StartAt::Earliest,
            Begin::Since(time) => StartAt::Time(Timestamp(time.duration_since(UNIX_EPOCH)?.as_millis().try_into()?)),
        };
        let consumer = Consumer::connect([&self.brokers], ConsumerConfig::default()).await?;
        // `StartAt::Latest` promises nothing before it was looked up, so this waits until all starts are known. It has a time limit,
        // because a partition that fails is told by `next` only, which would take events.
        let partitions = consumer.assign_topic(&*self.topic, start, EndAt::Never).await?;
        tokio::time::timeout(SUBSCRIBE_WITHIN, all_started(&consumer, partitions)).await??;
        let pattern = pattern.to_owned();
        // The filter sees each key before anything is copied.
        Ok(consumer.messages_where(move |key, _| key.is_some_and(|key| is_match(&pattern, key))))
    }
}

/// Waits until the starts of these partitions of one topic are known.
async fn all_started(consumer: &Consumer, partitions: Vec<PartitionId>) -> Result<(), Box<dyn Error>> {
    // By name, because a partition that is reset starts twice.
    let mut unknown = BTreeSet::from_iter(partitions);
    while !unknown.is_empty() {
        match consumer.next_event().await.ok_or("the consumer has ended")? {
            ConsumerEvent::Started { partition, .. } => drop(unknown.remove(&partition.partition)),
            ConsumerEvent::Stalled { partition, cause, .. } => {
                return Err(format!("the start of {partition} is not known: {cause}").into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a key has the parts of a pattern. Parts are separated by dots; `*` is any part, and `#` is all that follow.
fn is_match(pattern: &str, key: &[u8]) -> bool {
    let mut parts = key.split(|byte| *byte == b'.');
    for wanted in pattern.split('.') {
        match parts.next() {
            _ if wanted == "#" => return true,
            Some(part) if wanted == "*" || wanted.as_bytes() == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// An event as text.
fn show(event: &OwnedMessage) -> String {
    let text = |bytes| String::from_utf8_lossy(Option::unwrap_or(bytes, &[])).into_owned();
    format!("{} {}", text(event.key.as_deref()), text(event.value.as_deref()))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("event_bus: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => tokio::time::timeout(Duration::from_secs(60), rehearse()).await?,
        [brokers, topic, pattern] => {
            let mut events = Bus::open(brokers, topic).await?.subscribe(pattern, Begin::Earliest).await?;
            while let Some(event) = events.next().await {
                println!("{}", show(&event?));
            }
            Ok(())
        }
        _ => Err("usage: event_bus [BROKERS TOPIC PATTERN]".into()),
    }
}

/// Publishes and subscribes on embedded brokers, and checks what comes.
async fn rehearse() -> Result<(), Box<dyn Error>> {
    let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("events", 4))?;
    let bus = Bus::open(&server.bootstrap(), "events").await?;
    bus.publish("orders.eu.1", "created").await?;

    let mut european = bus.subscribe("orders.eu.*", Begin::Now).await?;
    let began = SystemTime::now();
    for (key, value) in [
        ("orders.us.2", "created"),
        ("orders.eu.1", "paid"),
        ("payments.eu", "received"),
        ("orders.eu.1", "shipped"),
        ("orders.eu.1.item", "packed"),
    ] {
        bus.publish(key, value).await?;
    }
    // Only what is new, what matches, and in order.
    expect(&mut european, &["orders.eu.1 paid", "orders.eu.1 shipped"]).await?;

    // A replay has all of it, and then what is published from now on.
    let mut first_order = bus.subscribe("orders.eu.1", Begin::Earliest).await?;
    expect(&mut first_order, &["orders.eu.1 created", "orders.eu.1 paid", "orders.eu.1 shipped"]).await?;
    bus.publish("orders.eu.1", "returned").await?;
    expect(&mut first_order, &["orders.eu.1 returned"]).await?;
    expect(&mut european, &["orders.eu.1 returned"]).await?;

    // The broker has the clock of this process, so a replay since a time has all since then. It may have some from before.
    let mut since = bus.subscribe("#", Begin::Since(began)).await?;
    let mut left =
        vec!["orders.us.2 created", "payments.eu received", "orders.eu.1.item packed", "orders.eu.1 returned"];
    while !left.is_empty() {
        let event = show(&since.next().await.ok_or("the stream has ended")??);
        left.retain(|expected| *expected != event);
    }
    println!("all events have come to those who have subscribed to them");
    Ok(())
}

/// Checks which events come next.
async fn expect(events: &mut MessageStream, expected: &[&str]) -> Result<(), Box<dyn Error>> {
    for expected in expected {
        let event = show(&events.next().await.ok_or("the stream has ended")??);
        println!("{event}");
        if event != *expected {
            return Err(format!("expected: {expected}").into());
        }
    }
    Ok(())
}
