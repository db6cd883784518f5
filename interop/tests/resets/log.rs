//! The broker's log, read without the proxy.

use std::{
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, FetchedPartition, MetadataRequest},
    ids::{Millis, Offset, PartitionId},
    message::Entry,
};

const LIMIT: Duration = Duration::from_secs(20);
/// A broker may still work on what it read before its connection ended: the log is complete when it has not grown for this
/// long.
const QUIET: Duration = Duration::from_millis(500);

/// Asks for topics, which creates them, until they have leaders.
pub(crate) fn create(broker: &str, topics: &[&str]) {
    let mut client = connect(broker);
    let started = Instant::now();
    loop {
        let metadata = client.call(&MetadataRequest::of(topics.iter().copied())).expect("an answer");
        if topics.iter().all(|topic| metadata.leader_of(topic, PartitionId(0)).is_ok()) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "no leaders: {metadata:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The values of partition 0 of a topic, from offset 0, in order: the index is the offset.
pub(crate) fn read(broker: &str, topic: &str) -> Vec<Vec<u8>> {
    let mut client = connect(broker);
    let mut values = Vec::new();
    let mut grown = Instant::now();
    while grown.elapsed() < QUIET {
        let fetched = fetch(&mut client, topic, values.len());
        for entry in fetched.messages.entries() {
            let Ok(Entry::Plain(message)) = entry else { panic!("a plain message was expected: {entry:?}") };
            assert_eq!(usize::try_from(message.offset.0), Ok(values.len()), "offsets have no gaps");
            values.push(message.value.expect("no value is null").to_vec());
            grown = Instant::now();
        }
    }
    values
}

fn fetch(client: &mut Client, topic: &str, offset: usize) -> FetchedPartition {
    let offset = Offset(i64::try_from(offset).expect("a small log"));
    let request = FetchRequest::new(Millis(100), 1).with(topic, 0, offset, 1 << 20);
    let fetched = client.call(&request).expect("an answer").topics.find(topic, 0).expect("it is told").clone();
    assert!(fetched.error.is_ok(), "{fetched:?}");
    fetched
}

fn connect(broker: &str) -> Client {
    Client::connect(broker, ClientConfig::default()).expect("the broker listens")
}
