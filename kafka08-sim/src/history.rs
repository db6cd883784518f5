//! What happened in a run, as the checker needs it and as a reader wants to see it.

use std::fmt;

use kafka08_proto::fate::Fate;

use crate::check::Invariant;

/// The number of a record or a call within a run.
pub type OperationId = u32;

/// A partition, by the numbers of its topic and of itself.
pub type Place = (u16, u16);

/// How a record or a call has ended for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The broker has acknowledged it. `offset` is `None` if it is not known.
    Delivered {
        /// The partition.
        place: Place,
        /// The offset of the record.
        offset: Option<i64>,
        /// The attempts before, that may have been applied as well.
        maybe_applied: u32,
    },
    /// A produce with acks 0 was written.
    Written,
    /// It has failed. `maybe_applied` attempts, the last one included, may have been applied.
    Failed {
        /// Whether it may have been applied.
        fate: Fate,
        /// The attempts that may have been applied.
        maybe_applied: u32,
    },
    /// The client that had taken it is gone, and has told nothing. It may be in a log at most so many times.
    Lost {
        /// The most times.
        most: u32,
    },
    /// A call that changes nothing has ended, with or without an answer.
    Over,
    /// The client refused to take it.
    Refused,
}

/// What is known of one operation.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// When it was submitted, in microseconds. `None` if it was not.
    pub submitted: Option<u64>,
    /// The place of a record among all that the client took. Records that it refused at first are taken later.
    pub taken: Option<u64>,
    /// How it has ended. More than one is a mistake.
    pub endings: Vec<(u64, Ending)>,
}

/// One line of what happened.
#[derive(Clone, Debug)]
pub struct Row {
    /// The virtual time, in microseconds.
    pub at: u64,
    /// What has happened, as a line of text.
    pub what: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6}s  {}", Micros(self.at), self.what)
    }
}

/// Microseconds, shown as seconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Whether rows are kept for a reader. They cost memory and time, so only a single run keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// Only what the checker needs.
    #[default]
    Brief,
    /// Rows as well.
    Rows,
}

/// What happened in a run.
#[derive(Debug, Default)]
pub struct History {
    detail: Detail,
    operations: Vec<Operation>,
    rows: Vec<Row>,
    taken: u64,
    broken: Option<(Invariant, String)>,
    hash: u64,
    now: u64,
}

impl History {
    /// Creates an empty history.
    #[must_use]
    pub fn new(detail: Detail) -> Self {
        Self { detail, hash: 0xcbf2_9ce4_8422_2325, ..Self::default() }
    }

    /// Tells the time of what follows.
    pub(crate) fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// The time, in microseconds from the start of the run.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Notes something for the hash of the run.
    pub fn trace(&mut self, what: u64, value: u64) {
        for number in [self.now, what, value] {
            self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x0517_cc1b_7272_20a9);
        }
    }

    /// Notes bytes for the hash of the run.
    pub fn trace_bytes(&mut self, what: u64, bytes: &[u8]) {
        let mut sum = 0_u64;
        for chunk in bytes.chunks(8) {
            let number = chunk.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
            sum = (sum.rotate_left(5) ^ number).wrapping_mul(0x0517_cc1b_7272_20a9);
        }
        self.trace(what, sum);
    }

    /// Notes a line for a reader. `what` is called only if rows are kept.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if self.detail == Detail::Rows {
            self.rows.push(Row { at: self.now, what: what() });
        }
    }

    /// Notes that an operation was submitted.
    pub fn submitted(&mut self, id: OperationId) {
        let now = self.now;
        self.trace(1, u64::from(id));
        self.operation_mut(id).submitted = Some(now);
    }

    /// Notes that the client took a record.
    pub fn taken(&mut self, id: OperationId) {
        let order = self.taken;
        self.taken += 1;
        self.trace(3, u64::from(id));
        self.operation_mut(id).taken = Some(order);
    }

    /// Notes that something does not hold which only the workload can see. The first one counts.
    pub fn broken(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some((invariant, what()));
        }
    }

    /// Takes what does not hold.
    pub(crate) fn take_broken(&mut self) -> Option<(Invariant, String)> {
        self.broken.take()
    }

    /// Notes that an operation has ended.
    pub fn ended(&mut self, id: OperationId, ending: Ending) {
        let now = self.now;
        self.trace(2, u64::from(id));
        self.note(|| format!("operation {id} ended: {ending:?}"));
        self.operation_mut(id).endings.push((now, ending));
    }

    fn operation_mut(&mut self, id: OperationId) -> &mut Operation {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        if self.operations.len() <= index {
            self.operations.resize_with(index + 1, Operation::default);
        }
        self.operations.get_mut(index).expect("the list was made long enough")
    }

    /// All operations with their numbers.
    pub fn operations(&self) -> impl Iterator<Item = (OperationId, &Operation)> {
        (0..).zip(&self.operations)
    }

    /// The rows, in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The hash of all that was traced.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
