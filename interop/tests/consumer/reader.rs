//! The machine of a consumer in a loop of one's own, without an adapter.

#[path = "../../../kafka08-client/examples/mio_producer/sockets.rs"]
mod sockets;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use interop::ledger::Found;
use kafka08_client::{
    assignment::Assignment,
    config::{ConsumerConfig, EndAt, OffsetStore, StartAt},
    consumer::{Consumer, ConsumerEvent},
    machine::{Machine as _, Output},
};
use kafka08_proto::{
    ids::{PartitionId, Text, TopicPartition},
    message::Inflater,
};
use sockets::Sockets;

/// What is read, and until when.
pub(crate) struct Reading<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: u16,
    pub(crate) start: StartAt,
    pub(crate) end: EndAt,
    /// Commits at the end.
    pub(crate) commit: Option<(Text, OffsetStore)>,
    /// Ends when this is true of what was read, or when every partition has ended.
    pub(crate) until: &'a dyn Fn(&Read) -> bool,
    pub(crate) limit: Duration,
}

/// What was read, by partition, in the order of delivery, and what was told.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) partitions: BTreeMap<u16, Vec<Found>>,
    pub(crate) events: Vec<ConsumerEvent>,
}

impl Read {
    pub(crate) fn messages(&self) -> usize {
        self.partitions.values().map(Vec::len).sum()
    }
}

/// Reads a topic. Fails if it takes too long.
pub(crate) fn read(config: &ConsumerConfig, reading: &Reading<'_>) -> Read {
    let mut consumer = Consumer::new(config);
    let mut assignment = Assignment::new(config);
    let mut sockets = Sockets::new().expect("the system polls");
    let mut inflater = Inflater::new();
    for partition in 0..reading.partitions {
        let of = TopicPartition::new(reading.topic, PartitionId(partition.into()));
        // The loop exchanges in each turn, so nobody has to be woken.
        let _ = assignment.assign(of, reading.start.clone(), reading.end).expect("a name");
    }
    let mut read = Read::default();
    let (mut commit, started) = (None, Instant::now());
    loop {
        let now = Instant::now();
        assert!(
            now - started < reading.limit,
            "{} messages were read within {:?}: {:?}\n{:?}",
            read.messages(),
            reading.limit,
            consumer.stats(),
            read.events
        );
        while let Some((fetched, _)) = assignment.take() {
            let partition = u16::try_from(fetched.partition().partition.0).expect("small");
            let mut messages = fetched.open();
            let found = read.partitions.entry(partition).or_default();
            while let Some(message) = messages.next_message(&mut inflater) {
                let message = message.expect("it is sound");
                let copied = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
                let (key, value) = (copied(message.key), copied(message.value));
                found.push(Found { offset: message.offset.0, key, value });
            }
            let _ = assignment.handle_passed(messages.passed());
        }
        if commit.is_none() && (assignment.is_finished() || (reading.until)(&read)) {
            let Some((group, store)) = reading.commit.clone() else { return read };
            commit = Some(assignment.commit(group, store));
        }
        consumer.exchange(&mut assignment, now);
        while let Some(output) = consumer.poll_output(now) {
            match output {
                Output::Connect { link, to, within } => sockets.connect(link, &to, now + within),
                Output::Drop(link) => sockets.drop_link(link),
                Output::Write(link) => sockets.note_ready(link),
                Output::Event(ConsumerEvent::Committed { id, failed }) if Some(id) == commit => {
                    assert!(failed.is_empty(), "{failed:?}");
                    return read;
                }
                Output::Event(event) => read.events.push(event),
            }
        }
        // Whether to end is asked now and then.
        let soon = now + Duration::from_millis(20);
        let until = consumer.poll_timeout().map_or(soon, |at| at.min(soon));
        sockets.turn(&mut consumer, Some(until)).expect("the system polls");
    }
}
