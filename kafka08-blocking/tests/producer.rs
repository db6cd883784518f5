//! The producer of plain threads, against brokers on TCP. Its parts are tested in kafka08-async; here are threads that wait.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    AppendError, ProduceCause, Producer, ProducerConfig, Record, SendError,
    proto::{fate::Fate, ids::Acks},
};
use kafka08_broker::{BrokerConfig, Server};

const TOPIC: &str = "events";
const LONG: Duration = Duration::from_secs(20);

fn cluster() -> Server {
    Server::start(BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 3)).expect("brokers start")
}

fn connect(server: &Server, config: ProducerConfig) -> Producer {
    Producer::connect([server.bootstrap()], config.with_acks(Acks::LEADER)).expect("a broker answers")
}

fn pause_all(server: &Server) {
    server.with(|cluster, now| {
        for node in [1, 2, 3] {
            cluster.pause(node.into(), now);
        }
    });
}

fn resume_all(server: &Server) {
    server.with(|cluster, now| {
        for node in [1, 2, 3] {
            cluster.resume(node.into(), now);
        }
    });
}

/// Each of `threads` sends records, half of them while the buffer is full. Every offset is told once.
fn send_on(threads: usize) {
    const EACH: usize = 2000;
    let server = cluster();
    let producer = connect(&server, ProducerConfig::default().with_buffer(20_000).with_linger(Duration::ZERO));
    let told: Mutex<BTreeMap<(i32, i64), String>> = Mutex::default();
    thread::scope(|scope| {
        for name in 0..threads {
            let (producer, told) = (producer.clone(), &told);
            scope.spawn(move || {
                let mut deliveries = Vec::new();
                for number in 0..EACH {
                    let value = format!("{name}-{number}");
                    let delivery = producer.send(Record::to(TOPIC).key(&value).value(&value)).expect("it is appended");
                    deliveries.push((value, delivery));
                }
                for (value, delivery) in deliveries {
                    let at = delivery.wait().expect("it is delivered");
                    let place = (at.to.partition.0, at.offset.expect("acks 1 tells it").0);
                    assert!(told.lock().expect("no panic").insert(place, value).is_none(), "told twice: {place:?}");
                }
            });
        }
    });
    producer.flush().expect("nothing has failed");
    let told = told.into_inner().expect("no panic");
    assert_eq!(told.len(), threads * EACH);
    for partition in 0..3 {
        let offsets = told.keys().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset);
        assert!(offsets.zip(0..).all(|(offset, expected)| offset == expected), "partition {partition}");
    }
    assert_eq!(producer.stats().delivered, (threads * EACH) as u64);
    producer.close(LONG).expect("nothing has failed");
}

#[test]
fn one_thread_sends_through_a_small_buffer() {
    send_on(1);
}

#[test]
fn four_threads_share_one_producer() {
    send_on(4);
}

#[test]
fn closing_wakes_a_thread_that_waits_for_room() {
    let server = cluster();
    let producer = connect(&server, ProducerConfig::default().with_buffer(100));
    producer.send(Record::to(TOPIC).value("v").partition(0)).expect("known").wait().expect("it is delivered");
    pause_all(&server);
    let value = "v".repeat(60);
    let record = Record::to(TOPIC).value(&value).partition(0);
    let delivery = producer.send(record).expect("there is room");
    thread::scope(|scope| {
        let waits = scope.spawn(|| producer.send(record));
        let flush = scope.spawn(|| producer.flush());
        thread::sleep(Duration::from_millis(50));
        let since = Instant::now();
        let closed = producer.close(Duration::from_millis(200));
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        let refused = waits.join().expect("no panic").expect_err("it is closed");
        assert!(matches!(refused, SendError::Refused(AppendError::Closed) | SendError::Ended), "{refused}");
        let flushed = flush.join().expect("no panic");
        let counts = [closed, flushed].map(|ended| ended.err().map_or(0, |error| error.failed));
        assert_eq!(counts.iter().sum::<u64>(), 1, "it is counted once");
    });
    let error = delivery.wait().expect_err("no broker answers");
    assert_eq!(error.error().map(|error| &error.cause), Some(&ProduceCause::Aborted));
    assert_eq!((error.fate(), error.record()), (Fate::MaybeApplied, Some(record)));
}

#[test]
fn dropping_the_last_handle_does_not_block_and_loses_nothing() {
    let server = cluster();
    let producer = connect(&server, ProducerConfig::default().with_linger(LONG));
    producer.send(Record::to(TOPIC).value("v").partition(0)).expect("it is appended");
    producer.flush().expect("nothing has failed");
    pause_all(&server);
    let delivery = producer.send(Record::to(TOPIC).value("v").partition(0)).expect("it is appended");
    let since = Instant::now();
    drop(producer);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert!(delivery.peek().is_none());
    resume_all(&server);
    assert_eq!(delivery.wait().expect("it is delivered").offset, Some(1.into()));
}
