//! How many bytes answers may have, of one request and of all clients together, and how many requests may wait.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, ConnectionId};
use kafka08_proto::{
    api::{FetchRequest, MetadataRequest},
    ids::{Millis, Offset},
    message::MessageSet,
};

use crate::rig::{Raw, Rig};

/// The size of an entry around its value, in bytes.
const OVERHEAD: usize = 26;

/// A rig whose topic "t" has ten entries of 100,000 bytes in each of two partitions.
fn with_data(config: BrokerConfig) -> (Rig, ConnectionId) {
    let mut rig = Rig::new(config.with_topic("t", 2));
    let client = rig.connect();
    for n in 0..20 {
        let produced = rig.produce(client, "t", n % 2, MessageSet::of_value(&[7; 100_000 - OVERHEAD]));
        assert!(produced.error.is_ok());
    }
    (rig, client)
}

fn both() -> FetchRequest {
    FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), i32::MAX).with("t", 1, Offset(0), i32::MAX)
}

#[test]
fn an_answer_has_max_answer_bytes_of_messages_at_most() {
    for (max, expected) in [
        (2_000_000, [1_000_000, 1_000_000]),
        (1_999_999, [1_000_000, 999_999]),
        (1_100_000, [1_000_000, 100_000]),
        // A part of one entry would tell the client that its own limit is too small.
        (1_099_999, [1_000_000, 0]),
        (300_000, [300_000, 0]),
    ] {
        let (mut rig, client) = with_data(BrokerConfig::default().with_max_answer(max));
        let fetched = rig.call(client, &both());
        let len = |partition: i32| fetched.topics.find("t", partition).expect("it is answered").messages.len();
        assert_eq!([len(0), len(1)], expected);
    }
}

#[test]
fn a_partition_that_a_fetch_lists_twice_is_answered_once() {
    let (mut rig, _) = with_data(BrokerConfig::default());
    let client = rig.connect_raw();
    let part = |raw: Raw, _| raw.i32(0).i64(0).i32(1_000_000);
    let fetch = Raw::new(1, 0).i32(-1).i32(0).i32(0).i32(1).text("t").i32(50).each(0..50, part);
    let answer = rig.ask(client, &fetch).expect("the answer comes at once");
    assert!((1_000_000..1_000_100).contains(&answer.len()), "{}", answer.len());
}

#[test]
fn answers_that_nobody_reads_are_kept_up_to_max_unsent_and_then_the_worst_client_is_closed() {
    // Framing and the fields around two sets are below 200 bytes.
    let config = BrokerConfig::default().with_max_unsent(3 * 1_000_200);
    let (mut rig, honest) = with_data(config);
    let one = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), i32::MAX);
    let deaf: Vec<ConnectionId> = (0..4).map(|_| rig.connect()).collect();
    for &client in &deaf {
        rig.set_reads(client, false);
    }
    for &client in deaf.iter().take(3) {
        rig.send(client, &one);
    }
    assert_eq!(rig.cluster.connections(), 5);
    rig.call(honest, &MetadataRequest::all());
    for &client in deaf.iter().skip(3) {
        rig.send(client, &one);
    }
    assert_eq!(rig.cluster.connections(), 4);
    assert_eq!(rig.stats().unsent, 1);
    assert!(!rig.is_closed(honest));
    rig.call(honest, &MetadataRequest::all());
}

#[test]
fn honest_clients_that_ask_at_the_same_time_for_more_than_max_unsent_are_all_answered() {
    let (mut rig, _) = with_data(BrokerConfig::default().with_max_unsent(8_000_000));
    let clients: Vec<ConnectionId> = (0..30).map(|_| rig.connect()).collect();
    let tickets: Vec<_> = clients.iter().map(|client| rig.stage(*client, &both())).collect();
    rig.settle();
    for (client, ticket) in clients.into_iter().zip(tickets) {
        rig.answer(client, ticket).expect("it is answered");
    }
    assert_eq!(rig.stats().unsent, 0);
}

#[test]
fn honest_clients_that_one_produce_wakes_are_all_answered() {
    let (mut rig, producer) = with_data(BrokerConfig::default().with_max_unsent(8_000_000));
    let poll = FetchRequest::new(Millis(60_000), 1_000_001).with("t", 0, Offset(0), i32::MAX);
    let clients: Vec<ConnectionId> = (0..30).map(|_| rig.connect()).collect();
    let tickets: Vec<_> = clients.iter().map(|client| rig.send(*client, &poll)).collect();
    rig.produce(producer, "t", 0, MessageSet::of_value(&[7; 1000]));
    for (client, ticket) in clients.into_iter().zip(tickets) {
        rig.answer(client, ticket).expect("it is answered");
    }
    assert_eq!(rig.stats().unsent, 0);
}

#[test]
fn one_request_more_than_max_waiting_is_answered_at_once() {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1).with_max_waiting(2));
    let poll = FetchRequest::new(Millis(1000), 1).with("t", 0, Offset(0), 1000);
    let clients: Vec<ConnectionId> = (0..3).map(|_| rig.connect()).collect();
    let mut tickets: Vec<_> = clients.iter().map(|client| rig.send(*client, &poll)).collect();
    let third = tickets.pop().expect("there are three");
    let last = *clients.last().expect("there are three");
    rig.answer(last, third).expect("it does not wait");
    rig.pass(Duration::from_millis(999));
    for (client, ticket) in clients.iter().zip(tickets) {
        assert!(rig.answer(*client, ticket).is_none());
    }
    // When both have been answered there is room again.
    rig.pass(Duration::from_millis(1));
    let again = rig.send(last, &poll);
    assert!(rig.answer(last, again).is_none());
}

#[test]
fn a_small_part_of_an_entry_that_nobody_reads_does_not_keep_the_whole_entry() {
    let mut rig =
        Rig::new(BrokerConfig::default().with_topic("t", 1).with_max_log_bytes(4 << 20).with_history_bytes(0));
    let producer = rig.connect();
    let deaf: Vec<ConnectionId> = (0..100).map(|_| rig.connect()).collect();
    let counted = allocation_counter::measure(|| {
        for (offset, client) in (0..).zip(&deaf) {
            rig.produce(producer, "t", 0, MessageSet::of_value(&[7; 900_000]));
            rig.set_reads(*client, false);
            rig.send(*client, &FetchRequest::new(Millis(0), 0).with("t", 0, Offset(offset), 20_000));
        }
    });
    println!("100 answers of 20,000 bytes from entries of 900,000 bytes: at most {} bytes", counted.bytes_max);
    // The log, the answers, and the buffers of 100 connections and clients.
    assert!(counted.bytes_max < 16 << 20, "{}", counted.bytes_max);
    assert_eq!(rig.cluster.connections(), 101);
}
