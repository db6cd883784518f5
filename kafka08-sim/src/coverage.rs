//! What the runs have come across, so that a fault that never fires is noticed.

use std::{collections::BTreeMap, fmt};

use crate::plan::FaultKind;

/// Counts of faults, and of what connections were doing when something happened to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    fired: BTreeMap<FaultKind, u64>,
    pairs: BTreeMap<(ConnState, &'static str), u64>,
    counts: BTreeMap<&'static str, u64>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnState {
    /// It is being made.
    Connecting,
    /// No request is on it.
    Idle,
    /// A request was written in part.
    Writing,
    /// A request was written, and no byte of its answer.
    Waiting,
    /// An answer was written in part.
    Answering,
}

impl ConnState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Connecting, Self::Idle, Self::Writing, Self::Waiting, Self::Answering];
}

impl Coverage {
    /// Notes that a fault has hit something.
    pub fn fired(&mut self, kind: FaultKind) {
        *self.fired.entry(kind).or_default() += 1;
    }

    /// Notes what happened to a connection.
    pub fn happened(&mut self, state: ConnState, event: &'static str) {
        *self.pairs.entry((state, event)).or_default() += 1;
    }

    /// Notes something else that is worth a count.
    pub fn count(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// How often a kind of fault has hit something.
    #[must_use]
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.fired.get(&kind).copied().unwrap_or(0)
    }

    /// How often an event has hit a connection in a state.
    #[must_use]
    pub fn of_pair(&self, state: ConnState, event: &'static str) -> u64 {
        self.pairs.get(&(state, event)).copied().unwrap_or(0)
    }

    /// Adds what other runs have come across.
    pub fn add(&mut self, other: &Self) {
        other.fired.iter().for_each(|(kind, count)| *self.fired.entry(*kind).or_default() += count);
        other.pairs.iter().for_each(|(pair, count)| *self.pairs.entry(*pair).or_default() += count);
        other.counts.iter().for_each(|(what, count)| *self.counts.entry(what).or_default() += count);
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults that have hit something:")?;
        for kind in FaultKind::ALL {
            writeln!(f, "  {:<14} {:>9}", kind.name(), self.of(*kind))?;
        }
        writeln!(f, "what connections were doing:")?;
        for ((state, event), count) in &self.pairs {
            writeln!(f, "  {:<11} {event:<14} {count:>9}", format!("{state:?}"))?;
        }
        writeln!(f, "totals:")?;
        self.counts.iter().try_for_each(|(what, count)| writeln!(f, "  {what:<26} {count:>9}"))
    }
}
