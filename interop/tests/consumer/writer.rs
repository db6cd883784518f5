//! Writes what a test reads, set by set, so that the test knows each offset.

use std::time::Duration;

use bytes::Bytes;
use interop::ledger::Found;
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, ProduceRequest},
    ids::{Acks, Millis, Offset, PartitionId},
    limits::Limits,
    message::{Codec, Deflater, Entry, MessageSet},
};

use crate::leaders::await_leaders;

const LIMIT: Duration = Duration::from_secs(60);

/// A key and a value. `None` is null.
pub(crate) type Pair = (Option<Bytes>, Option<Bytes>);

/// A connection to the only broker of a test.
pub(crate) struct Writer {
    client: Client,
}

/// A message with a key.
pub(crate) fn pair(key: &str, value: &str) -> Pair {
    (Some(Bytes::copy_from_slice(key.as_bytes())), Some(Bytes::copy_from_slice(value.as_bytes())))
}

/// Messages whose values are numbers.
pub(crate) fn numbered(range: std::ops::Range<u32>) -> Vec<Pair> {
    range.map(|n| pair(&format!("key {n}"), &format!("value {n}"))).collect()
}

impl Writer {
    pub(crate) fn connect(broker: &str) -> Self {
        // The broker says what is too large.
        let config = ClientConfig::default().with_limits(Limits::default().with_max_message(None));
        Self { client: Client::connect(broker, config.with_request_timeout(LIMIT)).expect("the broker listens") }
    }

    /// Waits until partitions have leaders. A topic that is not there is created.
    pub(crate) fn await_leaders(&mut self, topic: &str, partitions: u16) {
        await_leaders(&mut self.client, topic, partitions, LIMIT);
    }

    /// Appends one set. Returns what was written, with its offsets.
    pub(crate) fn put(&mut self, topic: &str, partition: u16, codec: Option<Codec>, messages: &[Pair]) -> Vec<Found> {
        let mut builder = MessageSet::builder();
        for (key, value) in messages {
            builder.push(key.as_deref(), value.as_deref()).expect("it fits into a set");
        }
        let set = match codec {
            Some(codec) => builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in"),
            None => builder.build(),
        };
        let number = PartitionId(partition.into());
        let request = ProduceRequest::new(Acks::LEADER, Millis(30_000)).with(topic, number, set);
        let told = *self.client.call(&request).expect("an answer").topics.find(topic, number).expect("it is told");
        told.error.ok().unwrap_or_else(|code| panic!("{topic} {partition}: {code}"));
        let found = |(offset, (key, value)): (i64, &Pair)| Found { offset, key: key.clone(), value: value.clone() };
        (told.offset.0..).zip(messages).map(found).collect()
    }

    /// The codec of each entry at the beginning of a log.
    pub(crate) fn codecs(&mut self, topic: &str, partition: u16) -> Vec<Option<Codec>> {
        let number = PartitionId(partition.into());
        let request = FetchRequest::new(Millis(0), 0).with(topic, number, Offset(0), 1 << 20);
        let answer = self.client.call(&request).expect("an answer");
        let fetched = answer.topics.find(topic, number).expect("it is told");
        let codec = |entry| match entry {
            Ok(Entry::Compressed(wrapper)) => Some(wrapper.codec),
            Ok(Entry::Plain(_)) => None,
            other => panic!("{topic} {partition}: {other:?}"),
        };
        fetched.messages.entries().map(codec).collect()
    }
}
