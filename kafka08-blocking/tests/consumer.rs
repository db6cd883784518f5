//! The consumer of plain threads, against brokers on TCP. Its parts are tested in kafka08-async; here are threads that wait.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt,
    proto::ids::{Acks, Offset, Text},
};
use kafka08_broker::{BrokerConfig, Server};

const TOPIC: &str = "events";
const LONG: Duration = Duration::from_secs(20);
const EACH: u32 = 1000;

/// Brokers with so many numbered values in each of three partitions.
fn filled() -> Server {
    let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 3)).expect("brokers start");
    let config = ProducerConfig::default().with_acks(Acks::LEADER);
    let producer = Producer::connect([server.bootstrap()], config).expect("a broker answers");
    for number in 0..EACH {
        for partition in 0..3 {
            let value = number.to_string();
            let record = Record::to(TOPIC).value(&value).partition(partition);
            drop(producer.send(record).expect("it is appended"));
        }
    }
    producer.close(LONG).expect("all are delivered");
    server
}

fn connect(server: &Server, config: ConsumerConfig, start: &StartAt, end: EndAt) -> Consumer {
    let consumer = Consumer::connect([server.bootstrap()], config).expect("a broker answers");
    for partition in 0..3 {
        consumer.assign(TOPIC, partition, start.clone(), end).expect("a sound name");
    }
    consumer
}

#[test]
fn threads_share_what_comes_and_commit_what_has_passed() {
    let server = filled();
    let small = ConsumerConfig::default().with_partition_bytes(4096);
    let consumer = connect(&server, small, &StartAt::Earliest, EndAt::HighWatermark);
    let read: Mutex<Vec<(i32, i64)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for messages in &consumer {
                    let mut messages = messages.expect("all can be read");
                    let partition = messages.partition().partition.0;
                    while let Some(message) = messages.next_message() {
                        let offset = message.expect("it is sound").offset.0;
                        read.lock().expect("no panic").push((partition, offset));
                    }
                    consumer.commit("workers", OffsetStore::Kafka).expect("it is stored");
                }
            });
        }
    });
    let mut read = read.into_inner().expect("no panic");
    read.sort_unstable();
    let expected = (0..3).flat_map(|partition| (0..i64::from(EACH)).map(move |offset| (partition, offset)));
    assert!(read.into_iter().eq(expected), "each message once");
    let group = Text::from_static("workers");
    let committed = StartAt::Committed { group, store: OffsetStore::Kafka, otherwise: Reset::Fail };
    let again = connect(&server, ConsumerConfig::default(), &committed, EndAt::HighWatermark);
    assert_eq!(again.messages().count(), 0, "all was committed");
}

#[test]
fn an_iterator_gives_messages_that_own_their_bytes() {
    let server = filled();
    let consumer = connect(&server, ConsumerConfig::default(), &StartAt::Offset(Offset(990)), EndAt::HighWatermark);
    let mut values: Vec<String> = Vec::new();
    for message in consumer.messages_where(|_, value| value.is_some_and(|value| value.ends_with(b"5"))) {
        let message = message.expect("all can be read").detach();
        values.push(String::from_utf8(message.value.expect("a value").to_vec()).expect("text"));
    }
    assert_eq!(values, ["995"; 3]);
}

#[test]
fn closing_ends_threads_that_wait() {
    let server = filled();
    let consumer = connect(&server, ConsumerConfig::default(), &StartAt::Latest, EndAt::Never);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| consumer.next().expect("no failure").is_none());
        let listener = scope.spawn(|| while consumer.next_event().is_some() {});
        thread::sleep(Duration::from_millis(100));
        let since = Instant::now();
        consumer.close(LONG).expect("it ends in time");
        assert!(waiter.join().expect("no panic"), "nothing was written");
        listener.join().expect("no panic");
        assert!(since.elapsed() < LONG);
    });
    assert!(consumer.is_closed());
}

#[test]
fn a_thread_waits_for_a_set_or_an_event_for_a_time() {
    let server = Server::start(BrokerConfig::default().with_topic(TOPIC, 3)).expect("brokers start");
    let consumer = Consumer::connect([server.bootstrap()], ConsumerConfig::default()).expect("a broker answers");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    assert!(consumer.next_event_within(LONG).is_some(), "it has started");
    let (since, short) = (Instant::now(), Duration::from_millis(50));
    assert!(consumer.next_within(short).expect("no failure").is_none());
    assert!(consumer.next_event_within(short).is_none());
    assert!(since.elapsed() >= 2 * short);
    assert!(!consumer.is_finished() && !consumer.is_closed());
    let producer = Producer::connect([server.bootstrap()], ProducerConfig::default()).expect("a broker answers");
    let sent = producer.send(Record::to(TOPIC).value("1").partition(0)).expect("it is appended");
    let mut messages = consumer.next_within(LONG).expect("no failure").expect("one was sent");
    assert_eq!(messages.next_message().expect("one").expect("it is sound").value, Some(&b"1"[..]));
    sent.wait().expect("it is delivered");
}
