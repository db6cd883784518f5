//! What Kafka's own producers write.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use interop::{Tool, ledger::Found};

use crate::panicking;

/// The record of a number, as `java/OldProducer.java` and `java/NewProducer.java` make it.
pub(crate) fn record(number: usize) -> (Bytes, Bytes) {
    (Bytes::from(format!("key-{number}")), Bytes::from(format!("{number} {}", "x".repeat(number % 97))))
}

/// The records that a producer has told, by topic and partition, at the offsets that it has told.
pub(crate) type Told = BTreeMap<(String, u16), Vec<Found>>;

/// Runs `java/NewProducer.java`, with the class path of `tool`.
pub(crate) fn new_producer(tool: &Tool, broker: &str, jobs: &[String]) -> Told {
    let tool = tool.clone().args([broker]).args(jobs.iter().map(String::as_str));
    let output = tool.run().unwrap_or_else(panicking).stdout;
    let mut told = Told::new();
    for line in output.lines() {
        let [topic, partition, offset, number] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let (Ok(partition), Ok(offset), Ok(number)) = (partition.parse(), offset.parse(), number.parse()) else {
            continue;
        };
        let (key, value) = record(number);
        let found = Found { offset, key: Some(key), value: Some(value) };
        told.entry((topic.to_owned(), partition)).or_default().push(found);
    }
    told
}

pub(crate) fn source(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("java").join(name).display().to_string()
}
