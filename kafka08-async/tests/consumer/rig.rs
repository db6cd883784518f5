//! Brokers, and what they are filled with.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use kafka08_async::{
    AssignError, ClusterConfig, Consumer, ConsumerConfig, EndAt, Messages, OffsetStore, Producer, ProducerConfig,
    Record, Reset, Runtime, StartAt,
    proto::ids::{Acks, Text},
};
use kafka08_broker::{BrokerConfig, Server};

use crate::runtimes::{On, sleep};

pub(crate) const TOPIC: &str = "events";
pub(crate) const GROUP: &str = "reports";
pub(crate) const PARTITIONS: i32 = 3;

/// More than any test needs that does not wait for ever.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Three brokers with a topic of three partitions.
pub(crate) fn cluster() -> Server {
    let config = BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 3);
    Server::start(config).expect("brokers start")
}

pub(crate) fn brokers(server: &Server) -> Vec<String> {
    server.bootstrap().split(',').map(str::to_owned).collect()
}

/// Settings for tests: a broker that is silent is left soon.
pub(crate) fn config() -> ConsumerConfig {
    let cluster = ClusterConfig::default().with_silence(Duration::from_millis(300));
    ConsumerConfig::default().with_cluster(cluster)
}

pub(crate) async fn connect<H: On>(server: &Server, config: ConsumerConfig) -> Consumer<H::Rt> {
    Consumer::connect(brokers(server), config).await.expect("a broker answers")
}

/// A consumer of all partitions, from their beginnings.
pub(crate) async fn reader<H: On>(server: &Server, config: ConsumerConfig, end: EndAt) -> Consumer<H::Rt> {
    let consumer = connect::<H>(server, config).await;
    assign_all(&consumer, &StartAt::Earliest, end).expect("a sound name");
    consumer
}

pub(crate) fn assign_all<Rt>(consumer: &Consumer<Rt>, start: &StartAt, end: EndAt) -> Result<(), AssignError> {
    (0..PARTITIONS).try_for_each(|partition| consumer.assign(TOPIC, partition, start.clone(), end))
}

/// Waits until no broker has a connection.
pub(crate) async fn wait_until_left<H: On>(server: &Server) {
    let since = Instant::now();
    while server.with(|cluster, _| cluster.connections()) > 0 {
        assert!(since.elapsed() < LONG, "connections are left");
        sleep::<H>(Duration::from_millis(5)).await;
    }
}

/// What [`GROUP`] has committed.
pub(crate) fn committed(store: OffsetStore) -> StartAt {
    StartAt::Committed { group: Text::from_static(GROUP), store, otherwise: Reset::Earliest }
}

/// Writes numbered values to each partition.
pub(crate) async fn fill<H: On>(server: &Server, numbers: Range<u32>) {
    let cluster = ClusterConfig::default().with_silence(Duration::from_millis(300));
    let config = ProducerConfig::default().with_acks(Acks::LEADER).with_cluster(cluster);
    let producer = Producer::<H::Rt>::connect(brokers(server), config).await.expect("a broker answers");
    for number in numbers {
        for partition in 0..PARTITIONS {
            let (key, value) = (format!("{partition}"), number.to_string());
            let record = Record::to(TOPIC).key(&key).value(&value).partition(partition);
            drop(producer.send(record).await.expect("it is appended"));
        }
    }
    producer.close(LONG).await.expect("all are delivered");
}

/// Reads the rest of a set: partition and number of each message.
pub(crate) fn numbers(messages: &mut Messages) -> Vec<(i32, u32)> {
    let partition = messages.partition().partition.0;
    let mut numbers = Vec::new();
    while let Some(message) = messages.next_message() {
        numbers.push((partition, number(message.expect("it is sound").value)));
    }
    numbers
}

pub(crate) fn number(value: Option<&[u8]>) -> u32 {
    std::str::from_utf8(value.expect("a value")).expect("text").parse().expect("a number")
}

/// Reads to the end.
pub(crate) async fn read_all<Rt: Runtime>(consumer: &Consumer<Rt>) -> Vec<(i32, u32)> {
    let mut all = Vec::new();
    while let Some(mut messages) = consumer.next().await.expect("all can be read") {
        all.extend(numbers(&mut messages));
    }
    all
}

/// Asserts that each partition was read whole and in order.
#[track_caller]
pub(crate) fn assert_whole(all: &[(i32, u32)], numbers: &Range<u32>) {
    for partition in 0..PARTITIONS {
        let of = all.iter().filter(|(at, _)| *at == partition).map(|(_, number)| *number);
        assert!(of.eq(numbers.clone()), "partition {partition}");
    }
    let expected = numbers.len() * usize::try_from(PARTITIONS).expect("a few");
    assert_eq!(all.len(), expected, "each message once");
}
