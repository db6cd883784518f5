//! Brokers, and what they have stored.

use std::{collections::BTreeMap, time::Duration};

use kafka08_async::{
    Client, Delivered, Delivery, Producer, ProducerConfig, Record,
    proto::{
        ClientConfig,
        api::FetchRequest,
        ids::{Acks, Millis, NodeId, Offset},
        message::{Budget, Entry, Inflater},
    },
};
use kafka08_broker::{BrokerConfig, Server};

use crate::runtimes::On;

pub(crate) const TOPIC: &str = "events";

/// Three brokers with a topic of three partitions.
pub(crate) fn cluster() -> Server {
    start(BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 3))
}

pub(crate) fn start(config: BrokerConfig) -> Server {
    Server::start(config).expect("brokers start")
}

/// The addresses of the brokers of a server.
pub(crate) fn brokers(server: &Server) -> Vec<String> {
    server.bootstrap().split(',').map(str::to_owned).collect()
}

/// Settings for tests: a broker that is silent is left soon.
pub(crate) fn config() -> ProducerConfig {
    let cluster = ProducerConfig::default().cluster().clone().with_silence(Duration::from_millis(300));
    ProducerConfig::default().with_acks(Acks::LEADER).with_cluster(cluster)
}

pub(crate) async fn connect<H: On>(server: &Server, config: ProducerConfig) -> Producer<H::Rt> {
    Producer::connect(brokers(server), config).await.expect("a broker answers")
}

/// Sends numbered values, and waits until all are delivered.
pub(crate) async fn send_all<Rt: kafka08_async::Runtime>(
    producer: &Producer<Rt>,
    partition: i32,
    numbers: std::ops::Range<u32>,
) -> Vec<Delivered> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    for number in numbers {
        let value = number.to_string();
        let record = Record::to(TOPIC).value(&value).partition(partition);
        deliveries.push(producer.send(record).await.expect("it is appended"));
    }
    let mut delivered = Vec::new();
    for delivery in deliveries {
        delivered.push(delivery.await.expect("it is delivered"));
    }
    delivered
}

/// What a partition has, by offset.
pub(crate) async fn stored<H: On>(server: &Server, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    let leader = server.with(|cluster, _| cluster.leader(topic, partition)).expect("it has a leader");
    stored_at::<H>(server, leader, topic, partition).await
}

async fn stored_at<H: On>(server: &Server, node: NodeId, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    let address = server.address_of(node).expect("a broker").to_string();
    let client = Client::<H::Rt>::connect(&address, ClientConfig::default()).await.expect("it accepts");
    let mut found = BTreeMap::new();
    let mut inflater = Inflater::new();
    let mut next = 0;
    loop {
        let request = FetchRequest::new(Millis(0), 0).with(topic, partition, Offset(next), 4 << 20);
        let answer = client.call(&request).await.expect("it answers");
        let set = answer.topics.find(topic, partition).expect("it is listed").messages.clone();
        let mut keep = |offset: i64, value: Option<&[u8]>| {
            found.insert(offset, String::from_utf8_lossy(value.unwrap_or_default()).into_owned());
        };
        let before = next;
        for entry in set.whole_entries().entries() {
            match entry.expect("a sound set") {
                Entry::Plain(message) => {
                    keep(message.offset.0, message.value);
                    next = message.offset.0 + 1;
                }
                Entry::Compressed(wrapper) => {
                    let inner = inflater.open(&wrapper, &mut Budget::new(64 << 20));
                    for entry in inner.expect("it can be read").entries() {
                        let Entry::Plain(message) = entry.expect("a sound set") else { panic!("nested twice") };
                        keep(message.offset.0, message.value);
                        next = message.offset.0 + 1;
                    }
                }
            }
        }
        if next == before {
            return found;
        }
    }
}
