//! Callers that wait for the end of a connection or of a cluster.

use std::{
    collections::BTreeMap,
    task::{Context, Waker},
};

use crate::waker::keep_waker;

/// Callers that wait for the end. Each of them belongs to a future, which removes it when it is dropped.
#[derive(Default)]
pub(crate) struct Watchers {
    next: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl Watchers {
    /// Adds a caller, and returns its number.
    pub(crate) fn push(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, None);
        number
    }

    /// Wakes `cx` at the end. Drop the returned waker, which is the replaced one, only after the lock is released.
    pub(crate) fn wait(&mut self, number: u64, cx: &Context<'_>) -> Option<Waker> {
        keep_waker(self.waiting.entry(number).or_default(), cx)
    }

    /// Removes a caller. Drop the returned waker only after the lock is released.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Waker> {
        self.waiting.remove(&number).flatten()
    }

    /// Ends all waits.
    pub(crate) fn finish_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(std::mem::take(&mut self.waiting).into_values().flatten());
    }
}
