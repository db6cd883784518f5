//! The records that are read, and what their producer was told.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{Producer, ProducerConfig, Record, proto::ids::Acks};

use crate::{LAST, PARTITIONS, Read};

/// How many records are written, and how fast while faults are applied. Afterwards the rest comes at once.
pub(crate) struct Writing {
    records: u64,
    during: Duration,
    is_calm: AtomicBool,
    is_over: AtomicBool,
}

/// What was sent.
pub(crate) struct Sent {
    records: u64,
    /// How often each value may have been applied before it was delivered, as the producer has told.
    maybe_applied: BTreeMap<String, u32>,
}

impl Writing {
    pub(crate) fn new(records: u64, during: Duration) -> Self {
        Self { records, during, is_calm: AtomicBool::new(false), is_over: AtomicBool::new(false) }
    }

    /// The faults are over.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Whether all is written.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Writes numbers to the partitions in turn, and a last value to each. All must be acknowledged by all replicas.
pub(crate) fn write(brokers: &[String], topic: &str, writing: &Writing) -> Sent {
    let config = ProducerConfig::default().with_acks(Acks::ALL).with_delivery_timeout(Duration::from_secs(60));
    let producer = Producer::connect(brokers, config).expect("a broker answers");
    let (since, mut deliveries) = (Instant::now(), Vec::new());
    let interval = writing.during / u32::try_from(writing.records).expect("not so many");
    for number in 0..writing.records {
        let due = interval * u32::try_from(number).expect("not so many");
        while since.elapsed() < due && !writing.is_calm.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(2));
        }
        let (value, partition) = (number.to_string(), i32::try_from(number % u64::from(PARTITIONS)).expect("small"));
        let record = Record::to(topic).value(&value).partition(partition);
        deliveries.push((producer.send(record).expect("it is taken"), value));
    }
    // Faults that take longer than planned still meet readers that wait.
    while !writing.is_calm.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    producer.flush().expect("all are delivered");
    for partition in 0..i32::from(PARTITIONS) {
        let record = Record::to(topic).value(LAST).partition(partition);
        deliveries.push((producer.send(record).expect("it is taken"), LAST.to_owned()));
    }
    let mut maybe_applied = BTreeMap::new();
    for (delivery, value) in deliveries {
        let delivered = delivery.wait().unwrap_or_else(|error| panic!("{value}: {error}"));
        maybe_applied.insert(value, delivered.maybe_applied);
    }
    writing.is_over.store(true, Ordering::Relaxed);
    Sent { records: writing.records, maybe_applied }
}

/// Asserts that each record is in the logs, and that those that are there twice were told. Returns how many messages repeat
/// another one.
pub(crate) fn assert_repeats_were_told(stored: &Read, sent: &Sent) -> u32 {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, value) in stored.values().flatten().filter(|(_, value)| value != LAST) {
        *counts.entry(value).or_default() += 1;
    }
    assert_eq!(counts.len() as u64, sent.records, "each record is in the logs");
    for (value, count) in &counts {
        let told = 1 + sent.maybe_applied.get(*value).copied().unwrap_or(0);
        assert!(*count <= told, "{value} is there {count} times, and the producer has told of {told}");
    }
    counts.values().map(|count| count - 1).sum()
}
