//! What the comparison has found.

use std::{collections::BTreeMap, fmt};

/// How many violations of a rule a report describes. The rest is counted.
const SHOWN: usize = 5;

/// What must be true of every producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A record that was acknowledged is in the log, unless brokers have lost it.
    S1AckedIsThere,
    /// An acknowledged record is at the offset that was told.
    S2OffsetIsTrue,
    /// Each record has one outcome.
    S3OneOutcome,
    /// What was told not to be applied is not in the log, and no record is there more often than attempts may have put it.
    S4NoMoreThanTold,
    /// The records of a submitter are in each partition in the order of submitting.
    S5Order,
    /// Each message is in the topic and partition that it names.
    S6Place,
    /// Keys and values are those that were submitted.
    S7Bytes,
}

/// Counts, and all violations of the rules.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records that were submitted.
    pub submitted: u64,
    /// Records that were told to be delivered.
    pub delivered: u64,
    /// Delivered records of which an attempt before may have been applied.
    pub delivered_maybe_twice: u64,
    /// Delivered records whose offset was not told.
    pub delivered_without_offset: u64,
    /// Records that were told to be written, with acks = 0.
    pub written: u64,
    /// Records that were told to have failed without being applied.
    pub failed_not_applied: u64,
    /// Records that were told to have failed, and may be applied.
    pub failed_maybe_applied: u64,
    /// Records of which nothing was told.
    pub undecided: u64,
    /// Written records that were told to be unconfirmed. Nobody is told which.
    pub unconfirmed: u64,
    /// Messages in the log.
    pub messages: u64,
    /// Messages beyond the first of their record.
    pub duplicates: u64,
    /// Acknowledged records that are not at their offset.
    pub lost_acks: u64,
    /// Written records that are not in the log.
    pub lost_written: u64,
    /// Failed records in the log.
    pub failed_but_there: u64,
    causes: BTreeMap<String, u64>,
    violations: BTreeMap<Rule, Violations>,
}

#[derive(Clone, Debug, Default)]
struct Violations {
    count: u64,
    first: Vec<String>,
}

impl Report {
    /// Whether no rule is violated.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The rules that are violated, in order.
    #[must_use]
    pub fn violated(&self) -> Vec<Rule> {
        self.violations.keys().copied().collect()
    }

    /// Panics with the report if a rule is violated.
    ///
    /// # Panics
    /// A rule is violated.
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    pub(super) fn violate(&mut self, rule: Rule, what: impl FnOnce() -> String) {
        let violations = self.violations.entry(rule).or_default();
        violations.count += 1;
        if violations.first.len() < SHOWN {
            violations.first.push(what());
        }
    }

    pub(super) fn count_cause(&mut self, cause: &str) {
        *self.causes.entry(cause.chars().take(160).collect()).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("submitted", self.submitted),
            ("delivered", self.delivered),
            ("  of these, perhaps applied before", self.delivered_maybe_twice),
            ("  of these, without an offset", self.delivered_without_offset),
            ("written (acks = 0)", self.written),
            ("failed, not applied", self.failed_not_applied),
            ("failed, maybe applied", self.failed_maybe_applied),
            ("undecided", self.undecided),
            ("unconfirmed", self.unconfirmed),
            ("messages in the log", self.messages),
            ("  of these, duplicates", self.duplicates),
            ("  of these, of failed records", self.failed_but_there),
            ("acknowledged and lost", self.lost_acks),
            ("written and not in the log", self.lost_written),
        ];
        for (what, count) in counts {
            writeln!(f, "{what:36} {count:>9}")?;
        }
        for (cause, count) in &self.causes {
            writeln!(f, "{count:>9} failed: {cause}")?;
        }
        for (rule, Violations { count, first }) in &self.violations {
            writeln!(f, "{rule:?} is violated {count} times; the first are:")?;
            for what in first {
                writeln!(f, "  {what}")?;
            }
        }
        Ok(())
    }
}
