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

/// A partition, and what is read of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) of: TopicPartition,
    pub(crate) start: StartAt,
    pub(crate) end: EndAt,
}

/// What is read, and until when.
pub(crate) struct Reading<'a> {
    pub(crate) parts: Vec<Part>,
    /// Commits at the end.
    pub(crate) commit: Option<(Text, OffsetStore)>,
    /// Ends when this is true of what was read, or when every partition has ended.
    pub(crate) until: &'a dyn Fn(&Read) -> bool,
    pub(crate) limit: Duration,
}

/// What was read, by partition, in the order of delivery, and what was told.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) partitions: BTreeMap<TopicPartition, Vec<Found>>,
    pub(crate) events: Vec<ConsumerEvent>,
    /// The number of fetches that were sent.
    pub(crate) fetches: u64,
}

pub(crate) fn name(topic: &str, partition: u16) -> TopicPartition {
    TopicPartition::new(topic, PartitionId(partition.into()))
}

impl Part {
    pub(crate) fn new(topic: &str, partition: u16, start: StartAt, end: EndAt) -> Self {
        Self { of: name(topic, partition), start, end }
    }
}

impl<'a> Reading<'a> {
    /// What the logs have now.
    pub(crate) fn parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let until: &'a dyn Fn(&Read) -> bool = &|_| false;
        Self { parts: parts.into_iter().collect(), commit: None, until, limit: Duration::from_secs(60) }
    }

    /// A topic, from `start` to the end that each log has now.
    pub(crate) fn topic(topic: &str, partitions: u16, start: &StartAt) -> Self {
        Self::parts((0..partitions).map(|at| Part::new(topic, at, start.clone(), EndAt::HighWatermark)))
    }
}

impl Read {
    pub(crate) fn messages(&self) -> usize {
        self.partitions.values().map(Vec::len).sum()
    }

    pub(crate) fn of(&self, topic: &str, partition: u16) -> &[Found] {
        self.partitions.get(&name(topic, partition)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn offsets(&self, topic: &str, partition: u16) -> Vec<i64> {
        self.of(topic, partition).iter().map(|found| found.offset).collect()
    }
}

/// Reads partitions. Fails if it takes too long.
pub(crate) fn read(config: &ConsumerConfig, reading: &Reading<'_>) -> Read {
    let mut consumer = Consumer::new(config);
    let mut assignment = Assignment::new(config);
    let mut sockets = Sockets::new().expect("the system polls");
    let mut inflater = Inflater::new();
    for Part { of, start, end } in &reading.parts {
        // The loop exchanges in each turn, so nobody has to be woken.
        let _ = assignment.assign(of.clone(), start.clone(), *end).expect("a name");
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
        read.fetches = consumer.stats().fetches;
        while let Some((fetched, _)) = assignment.take() {
            let found = read.partitions.entry(fetched.partition().clone()).or_default();
            let mut messages = fetched.open();
            while let Some(message) = messages.next_message(&mut inflater) {
                let message = message.expect("it is sound");
                let copied = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
                let (key, value) = (copied(message.key), copied(message.value));
                found.push(Found { offset: message.offset.0, key, value });
            }
            let _ = assignment.handle_passed(messages.passed());
        }
        let is_over = commit.is_none() && (assignment.is_finished() || (reading.until)(&read));
        if is_over && let Some((group, store)) = reading.commit.clone() {
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
        // Behind the events: the last ones say how the partitions have ended.
        if is_over && commit.is_none() {
            return read;
        }
        // Whether to end is asked now and then.
        let soon = now + Duration::from_millis(20);
        let until = consumer.poll_timeout().map_or(soon, |at| at.min(soon));
        sockets.turn(&mut consumer, Some(until)).expect("the system polls");
    }
}
