//! What `tracing` is told of a producer.

use std::time::Duration;

use kafka08_blocking::{
    Producer, ProducerConfig, Record,
    proto::{
        error_code::ErrorCode,
        ids::{Acks, ApiKey, NodeId},
    },
};
use kafka08_broker::{BrokerConfig, Rule, Server};

use crate::lines::{Lines, SECRET, lines};

const LONG: Duration = Duration::from_secs(20);

fn brokers() -> Server {
    let config = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("events", 3);
    Server::start(config).expect("free ports")
}

/// A producer that each event uses, and its span. It sends only what is flushed.
fn connect(lines: &Lines, server: &Server, acks: Acks) -> (Producer, String) {
    let config = ProducerConfig::default().with_acks(acks).with_linger(Duration::from_secs(3600));
    let producer = Producer::connect([server.bootstrap()], config).expect("a broker answers");
    let used = producer.clone();
    // Each of these locks what handles and the thread share.
    lines.use_in_each_event(move || {
        let _ = (used.stats(), used.buffered(), used.is_closed());
    });
    (producer, format!("[producer bootstrap=\"{}\"]", server.bootstrap()))
}

fn send(producer: &Producer, partition: i32, records: usize) {
    for _ in 0..records {
        let record = Record::to("events").partition(partition).key(SECRET).value(SECRET);
        producer.send(record).expect("there is room");
    }
}

#[test]
fn batches_retries_and_leaders_that_move_are_told_with_places_counts_and_durations() {
    let lines = lines();
    let server = brokers();
    let (producer, span) = connect(lines, &server, Acks::LEADER);
    send(&producer, 0, 3);
    producer.flush().expect("it is delivered");
    lines.wait_for(&[&span, "=leaders of partitions were learned", " leader_moves=3"]);
    lines.wait_for(&[&span, "=batches sent", " requests=1", " batches=1", " in_flight=1"]);
    let delivered = ["=batch delivered", " batch=", " records=3", " maybe_applied=0", " elapsed="];
    lines.wait_for(&[&[&*span, " to=events/0", " offset=0"], &delivered[..]].concat());

    server.add_rule(Rule::on(ApiKey::PRODUCE).once().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION));
    send(&producer, 1, 2);
    producer.flush().expect("the second attempt is taken");
    lines.wait_for(&[&span, "=batches sent again", " retries=1"]);
    lines.wait_for(&[&span, "=batch delivered", " to=events/1", " records=2", " offset=0"]);

    let leader = server.with(|brokers, _| brokers.leader("events", 0)).expect("it has a leader");
    let next = NodeId(leader.0 % 3 + 1);
    server.with(|brokers, now| brokers.move_leader("events", 0, next, now)).expect("it exists");
    send(&producer, 0, 1);
    producer.flush().expect("the next leader takes it");
    lines.wait_for(&[&span, "=leaders of partitions were learned", " leader_moves=1"]);
    lines.wait_for(&[&span, "=batch delivered", " to=events/0", " records=1", " offset=3"]);

    let stats = producer.stats();
    assert!(stats.retries >= 2, "{stats:?}");
    lines.wait_for_sum(&[&span, "=batches sent requests="], "requests", stats.requests);
    lines.wait_for_sum(&[&span, "=batches sent again"], "retries", stats.retries);
    producer.close(LONG).expect("nothing has failed");
    lines.assert_no_secret();
}

#[test]
fn batches_that_fail_and_batches_without_answers_are_told() {
    let lines = lines();
    let server = brokers();
    let (producer, span) = connect(lines, &server, Acks::LEADER);
    server.add_rule(Rule::on(ApiKey::PRODUCE).once().refuse_with(ErrorCode::MESSAGE_SIZE_TOO_LARGE));
    send(&producer, 2, 1);
    producer.flush().expect_err("it cannot be halved");
    let error =
        ["=batch failed", " batch=", " to=events/2", " records=1", " attempts=1", " elapsed=", "error=records for"];
    let line = lines.wait_for(&[&[&*span][..], &error[..]].concat());
    // An entry of 26 bytes, the key and the value.
    assert!(line.contains(&format!(" bytes={}", 26 + 2 * SECRET.len())), "{line}");
    producer.close(LONG).expect("it was told");

    let (producer, span) = connect(lines, &server, Acks::NONE);
    send(&producer, 2, 2);
    producer.flush().expect("the broker has received it");
    lines.wait_for(&[&span, "=batch written without a response", " to=events/2", " records=2", " elapsed="]);
    server.add_rule(Rule::on(ApiKey::PRODUCE).once().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION));
    send(&producer, 2, 4);
    producer.flush().expect_err("the broker has closed the connection");
    let leader = server.with(|brokers, _| brokers.leader("events", 2)).expect("it has a leader");
    let node = format!(" node={}", leader.0);
    lines.wait_for(&[&span, "=records with acks 0 are not confirmed", &node, " records=4"]);
    producer.close(LONG).expect("it was told");
    lines.assert_no_secret();
}
