//! What is to happen at a later time.
//!
//! Nothing fires by itself: the driver asks for the first time, waits, and takes what is due.

use std::{collections::BTreeMap, time::Instant};

/// Names an entry of [`Timers`], to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey(Instant, u64);

/// Entries by the time at which they are due. Entries of one time are due in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    entries: BTreeMap<TimerKey, T>,
    /// Counts the entries that were ever added, and so orders those of one time.
    added: u64,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { entries: BTreeMap::new(), added: 0 }
    }

    pub(crate) fn add(&mut self, at: Instant, entry: T) -> TimerKey {
        let key = TimerKey(at, self.added);
        self.added += 1;
        self.entries.insert(key, entry);
        key
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        // The entry may be gone: a timer that has fired is often cancelled afterwards.
        self.entries.remove(&key);
    }

    /// The time of the first entry.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(key, _)| key.0)
    }

    /// Removes the first entry that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.entries.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
