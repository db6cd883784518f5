//! What was submitted, and what was told about it.

use kafka08_proto::fate::Fate;

use super::{Keys, Record, record::Recipe};

/// What was told about a record at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A broker has acknowledged it.
    Delivered {
        /// The offset that was told, if one was.
        offset: Option<i64>,
        /// How many attempts before may have applied it.
        maybe_applied: u32,
    },
    /// It was written with acks = 0, and no broker says what became of it.
    Written,
    /// It was given up.
    Failed {
        /// Whether a broker may have it.
        fate: Fate,
        /// How many times it was sent.
        attempts: u32,
        /// Why the last attempt failed.
        cause: String,
    },
}

/// The records of one submitter, in the order of submitting, and what was told about each.
#[derive(Clone, Debug)]
pub struct Book {
    pub(super) recipe: Recipe,
    pub(super) entries: Vec<Entry>,
    pub(super) unconfirmed: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) partition: u16,
    /// Everything that was told: one thing, if the producer is right.
    pub(super) told: Vec<Outcome>,
}

impl Book {
    /// An empty book. `run` is the seed of all records; `producer` differs between the books of a run.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn new(run: u64, topic: &str, producer: u16, partitions: u16, keys: Keys) -> Self {
        assert!(partitions > 0, "a topic has partitions");
        let recipe = Recipe { run, topic: topic.into(), producer, partitions, keys };
        Self { recipe, entries: Vec::new(), unconfirmed: 0 }
    }

    /// Makes the next record. It counts as submitted.
    pub fn submit(&mut self) -> Record {
        let number = u64::try_from(self.entries.len()).expect("a number of records");
        let record = self.recipe.record(number);
        self.entries.push(Entry { partition: self.recipe.partition_of(&record), told: Vec::new() });
        record
    }

    /// How many records were submitted.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        u64::try_from(self.entries.len()).expect("a number of records")
    }

    /// How many records have an outcome.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.told.is_empty()).count()
    }

    /// Keeps what was told about a record.
    ///
    /// # Panics
    /// If no such record was submitted.
    pub fn decide(&mut self, number: u64, outcome: Outcome) {
        let entry = usize::try_from(number).ok().and_then(|number| self.entries.get_mut(number));
        entry.expect("the number is that of a record").told.push(outcome);
    }

    /// Keeps that so many written records were told to be unconfirmed.
    pub fn add_unconfirmed(&mut self, records: u64) {
        self.unconfirmed += records;
    }
}
