//! What `tracing` is told of a consumer.

use std::time::Duration;

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt,
    proto::{
        error_code::ErrorCode,
        ids::{Acks, ApiKey, Text},
    },
};
use kafka08_broker::{BrokerConfig, Rule, Server};

use crate::lines::{Lines, SECRET, lines};

const LONG: Duration = Duration::from_secs(20);

/// Three brokers with four messages in each of three partitions.
fn brokers() -> Server {
    let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("events", 3)).expect("free ports");
    let config = ProducerConfig::default().with_acks(Acks::LEADER);
    let producer = Producer::connect([server.bootstrap()], config).expect("a broker answers");
    for partition in [0, 1, 2].repeat(4) {
        let record = Record::to("events").partition(partition).key(SECRET).value(SECRET);
        drop(producer.send(record).expect("there is room"));
    }
    producer.close(LONG).expect("it is delivered");
    server
}

/// A consumer that each event uses, and its span.
fn connect(lines: &Lines, server: &Server, config: ConsumerConfig) -> (Consumer, String) {
    let consumer = Consumer::connect([server.bootstrap()], config).expect("a broker answers");
    let used = consumer.clone();
    // Each of these locks what handles and the thread share.
    lines.use_in_each_event(move || {
        let _ = (used.stats(), used.committable(), used.is_closed());
    });
    (consumer, format!("[consumer bootstrap=\"{}\"]", server.bootstrap()))
}

#[test]
fn starts_fetches_ends_and_what_goes_wrong_are_told_with_places() {
    let lines = lines();
    let server = brokers();
    let (consumer, span) = connect(lines, &server, ConsumerConfig::default());
    consumer.assign("events", 0, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    let (group, store) = (Text::from_static("readers"), OffsetStore::Kafka);
    let committed = StartAt::Committed { group, store, otherwise: Reset::Earliest };
    consumer.assign("events", 1, committed, EndAt::HighWatermark).expect("a sound name");
    server.add_rule(Rule::on(ApiKey::FETCH).partition(0).once().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION));
    for messages in &consumer {
        let mut messages = messages.expect("all can be read");
        while let Some(message) = messages.next_message() {
            message.expect("it is sound");
        }
    }
    lines.wait_for(&[&span, "=reading starts", " partition=events/0", " at=0"]);
    lines.wait_for(&[&span, "=reading has ended", " partition=events/0", " at=4", " expected=4"]);
    lines.wait_for(&[&span, "=reading starts elsewhere", " partition=events/1", "group readers has committed nothing"]);
    assert_eq!(consumer.stats().resets, 1);
    consumer.commit("readers", store).expect("it is stored");
    lines.wait_for(&[&span, "=offsets were committed"]);
    server.add_rule(Rule::on(ApiKey::OFFSET_COMMIT).once().refuse_with(ErrorCode::OFFSET_METADATA_TOO_LARGE));
    consumer.commit("readers", store).expect_err("it is refused");
    lines.wait_for(&[&span, "=an offset was not committed", " partition=events/0", " cause="]);
    let stats = consumer.stats();
    lines.wait_for_sum(&[&span, "=messages were fetched"], "fetches", stats.fetches);
    lines.wait_for_sum(&[&span, "=messages were fetched"], "bytes", stats.bytes);
    consumer.close(LONG).expect("it ends in time");
    lines.assert_no_secret();
}
