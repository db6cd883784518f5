//! What must hold, and how a run tells that it did not.

mod records;

use std::fmt;

pub use records::{Trust, check_records};

/// What must hold. The ids are those of the project's list of invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// What was acknowledged is in the log, unless the brokers have lost it.
    S1,
    /// The offset that was told is the offset at which the record was appended.
    S2,
    /// Every record that was submitted ends exactly once.
    S3,
    /// What is told as not applied is in no log, and a record is in a log no more often than attempts may have put it there.
    S4,
    /// Records of a partition are in the log in the order in which they were submitted.
    S5,
    /// A record is in the log of its own partition.
    S6,
    /// Keys and values are the same, byte for byte.
    S7,
    /// Each offset is read once, in order and without a gap, and is what was in the log.
    C1,
    /// What ends or fails is told once, and nothing comes of it afterwards.
    C2,
    /// What has not passed is not committed, and a new client goes on in front of what has not passed.
    C3,
    /// When everything has ended, nothing is in flight and nothing waits.
    R1,
    /// Limits hold at every step.
    R2,
    /// Nothing spins, and what is bounded in a time stays within its bound.
    R3,
    /// What the client writes is sound.
    R4,
    /// A connection ends at bytes that are no answers, with the reason that they give, and no other one ends with it.
    R5,
    /// Once all faults have ended, everything ends in time.
    L1,
    /// What ends because its time is over has had its time, by the client's clock.
    L2,
    /// The same plan gives the same run.
    D1,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// When it was noticed, in microseconds.
    pub at: u64,
    /// What was seen, with the record or the link.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}.{:06} s: {}", self.invariant, self.at / 1_000_000, self.at % 1_000_000, self.what)
    }
}
