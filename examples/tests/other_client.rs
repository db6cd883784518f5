//! Tests another client against the embedded broker, without an installation.

use std::time::Duration;

use kafka::{
    consumer::{Consumer, FetchOffset},
    producer::{Producer, Record, RequiredAcks},
};
use kafka08_broker::{BrokerConfig, Server};

#[test]
fn what_another_client_sends_it_reads_back() {
    let server = Server::start(BrokerConfig::default().with_topic("events", 2)).expect("a free port");
    let hosts = vec![server.host_port()];
    let mut producer = Producer::from_hosts(hosts.clone())
        .with_ack_timeout(Duration::from_secs(1))
        .with_required_acks(RequiredAcks::One)
        .create()
        .expect("the broker answers");
    producer.client_mut().load_metadata(&["events"]).expect("the topic is created");
    for value in ["one", "two", "three"] {
        let record = Record::from_value("events", value.as_bytes()).with_partition(0);
        producer.send(&record).expect("it is appended");
    }

    let mut consumer = Consumer::from_hosts(hosts)
        .with_topic_partitions("events".to_owned(), &[0])
        .with_fallback_offset(FetchOffset::Earliest)
        .create()
        .expect("the broker answers");
    let mut values = Vec::new();
    while values.len() < 3 {
        for set in consumer.poll().expect("the broker answers").iter() {
            values.extend(set.messages().iter().map(|message| String::from_utf8_lossy(message.value).into_owned()));
        }
    }
    assert_eq!(values, ["one", "two", "three"]);
}
