//! What a producer is given, at a pace that spreads it over the faults, and what it tells.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use interop::ledger::{Book, Outcome, Record};

/// The records of one submitter.
pub(crate) struct Feed {
    book: Mutex<Book>,
    pace: Pace,
    is_calm: AtomicBool,
}

/// How many records there are, and how fast they come while faults are applied. Afterwards the rest comes at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) records: u64,
    pub(crate) during: Duration,
}

/// What to do next.
pub(crate) enum Next {
    Record(Record),
    /// Ask again after this time.
    Wait(Duration),
    End,
}

impl Feed {
    pub(crate) fn new(book: Book, pace: Pace) -> Self {
        Self { book: Mutex::new(book), pace, is_calm: AtomicBool::new(false) }
    }

    /// The next record, which the caller then submits. `since` is when the caller has begun.
    pub(crate) fn next(&self, since: Instant) -> Next {
        const TURN: Duration = Duration::from_millis(2);
        let is_calm = self.is_calm.load(Ordering::Relaxed);
        let mut book = self.book();
        let due = if is_calm {
            self.pace.records
        } else {
            // Faults that take longer than planned still meet records.
            let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let planned = u64::try_from(self.pace.during.as_millis()).unwrap_or(u64::MAX).max(1);
            passed.saturating_mul(self.pace.records) / planned
        };
        match book.submitted() < due {
            true => Next::Record(book.submit()),
            false if is_calm => Next::End,
            false => Next::Wait(TURN),
        }
    }

    pub(crate) fn decide(&self, number: u64, outcome: Outcome) {
        self.book().decide(number, outcome);
    }

    pub(crate) fn add_unconfirmed(&self, records: u64) {
        self.book().add_unconfirmed(records);
    }

    /// Waits until some records have ended, so that faults meet a producer that is at work.
    pub(crate) fn await_progress(&self) {
        let started = Instant::now();
        while self.book().decided() < 100 && started.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The faults are over.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn into_book(self) -> Book {
        self.book.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
