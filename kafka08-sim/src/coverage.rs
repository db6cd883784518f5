//! What the runs have come across, so that a fault that never fires, and a situation that never occurs, is noticed.

use std::{collections::BTreeMap, fmt};

use crate::plan::FaultKind;

/// From how many seeds on the counts must reach their bounds.
pub const GATED_SEEDS: u64 = 2_000;
/// How often each kind of fault must have hit something in so many seeds.
pub const LEAST_FIRED: u64 = 20;

/// Counts of faults, and of what connections were doing when something happened to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    fired: BTreeMap<FaultKind, u64>,
    pairs: BTreeMap<(ConnState, ConnEvent), u64>,
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
    /// An answer was written in part, or is on its way.
    Answering,
}

impl ConnState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Connecting, Self::Idle, Self::Writing, Self::Waiting, Self::Answering];
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnEvent {
    /// A fault begins, or hits an attempt to connect.
    Fault(FaultKind),
    /// The client is told that it is connected.
    Connected,
    /// The client is told that connecting was refused.
    Refused,
    /// The client is told that connecting has taken too long.
    ConnectExpired,
    /// The client is told that the broker has closed its side.
    Eof,
    /// The client is told that the connection was reset.
    WasReset,
    /// The client is told that writing has failed.
    WriteFailed,
    /// The client drops the connection.
    Dropped,
}

/// Which connections an event can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hits {
    /// Those that are being made.
    Attempts,
    /// Those that are made.
    Made,
    /// Both.
    Both,
    /// None.
    Nothing,
}

impl ConnEvent {
    /// All events.
    pub fn all() -> impl Iterator<Item = Self> {
        let own = [Self::Connected, Self::Refused, Self::ConnectExpired, Self::Eof, Self::WasReset, Self::WriteFailed];
        FaultKind::ALL.iter().copied().map(Self::Fault).chain(own).chain([Self::Dropped])
    }

    /// The name of the event in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fault(kind) => kind.name(),
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::ConnectExpired => "connect-expired",
            Self::Eof => "told-eof",
            Self::WasReset => "told-reset",
            Self::WriteFailed => "write-failed",
            Self::Dropped => "dropped",
        }
    }

    const fn hits(self) -> Hits {
        match self {
            Self::Fault(kind) => of_fault(kind),
            Self::Connected | Self::Refused | Self::ConnectExpired => Hits::Attempts,
            Self::Eof | Self::WasReset | Self::WriteFailed => Hits::Made,
            Self::Dropped => Hits::Both,
        }
    }
}

/// Which connections a kind of fault can hit. A new kind has to be named here, so that it is asked for in all its states.
const fn of_fault(kind: FaultKind) -> Hits {
    match kind {
        FaultKind::Reset
        | FaultKind::Fin
        | FaultKind::Stall
        | FaultKind::Swizzle
        | FaultKind::Corrupt
        | FaultKind::Hostile
        | FaultKind::Slow => Hits::Made,
        FaultKind::Refuse | FaultKind::SlowConnect | FaultKind::WrongService | FaultKind::Swap => Hits::Attempts,
        FaultKind::BlackHole
        | FaultKind::Kill
        | FaultKind::Crash
        | FaultKind::Stop
        | FaultKind::Pause
        | FaultKind::Decommission
        | FaultKind::Recreate
        | FaultKind::Close
        | FaultKind::LoseTail
        | FaultKind::ClientPause
        | FaultKind::ClockForward
        | FaultKind::ClockBack => Hits::Both,
        FaultKind::MoveLeader | FaultKind::Freeze | FaultKind::HoldBack | FaultKind::Code => Hits::Nothing,
    }
}

/// Why an event never hits a connection in a state. `None` if it can.
#[must_use]
pub const fn why_never(state: ConnState, event: ConnEvent) -> Option<&'static str> {
    match (event.hits(), state) {
        (Hits::Both, _) | (Hits::Attempts, ConnState::Connecting) => None,
        (Hits::Made, ConnState::Connecting) => Some("a connection that is being made has no bytes, and no end"),
        (Hits::Made, _) => None,
        (Hits::Attempts, _) => Some("it concerns connecting alone, and the connection is made"),
        (Hits::Nothing, _) => Some("it changes what brokers store or answer, and no connection"),
    }
}

/// A count that shows that the runs do not reach what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// A kind of fault has hit something so many times only.
    Fault(FaultKind, u64),
    /// An event has never hit a connection in this state.
    Pair(ConnState, ConnEvent),
    /// An event has hit a connection in a state in which it never should, so many times.
    Never(ConnState, ConnEvent, u64),
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(kind, count) => {
                write!(f, "the fault {} has hit something {count} times, of at least {LEAST_FIRED}", kind.name())
            }
            Self::Pair(state, event) => {
                write!(
                    f,
                    "the event {} has hit a connection in the state {state:?} 0 times, of at least 1",
                    event.name()
                )
            }
            Self::Never(state, event, count) => {
                let why = why_never(*state, *event).unwrap_or_default();
                write!(f, "the event {} has hit a connection in the state {state:?} {count} times: {why}", event.name())
            }
        }
    }
}

impl Coverage {
    /// Notes that a fault has hit something.
    pub fn fired(&mut self, kind: FaultKind) {
        *self.fired.entry(kind).or_default() += 1;
    }

    /// Notes what happened to a connection.
    pub fn happened(&mut self, state: ConnState, event: ConnEvent) {
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
    pub fn of_pair(&self, state: ConnState, event: ConnEvent) -> u64 {
        self.pairs.get(&(state, event)).copied().unwrap_or(0)
    }

    /// How often something else was counted.
    #[must_use]
    pub fn of_count(&self, what: &'static str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Adds what other runs have come across.
    pub fn add(&mut self, other: &Self) {
        other.fired.iter().for_each(|(kind, count)| *self.fired.entry(*kind).or_default() += count);
        other.pairs.iter().for_each(|(pair, count)| *self.pairs.entry(*pair).or_default() += count);
        other.counts.iter().for_each(|(what, count)| *self.counts.entry(what).or_default() += count);
    }

    /// What [`GATED_SEEDS`] seeds should have come across, and have not.
    #[must_use]
    pub fn shortfalls(&self) -> Vec<Shortfall> {
        let faults = FaultKind::ALL.iter().map(|kind| (*kind, self.of(*kind)));
        let few = faults.filter(|(_, count)| *count < LEAST_FIRED).map(|(kind, count)| Shortfall::Fault(kind, count));
        let pairs = ConnState::ALL.into_iter().flat_map(|state| ConnEvent::all().map(move |event| (state, event)));
        let wrong = pairs.filter_map(|(state, event)| match (why_never(state, event), self.of_pair(state, event)) {
            (None, 0) => Some(Shortfall::Pair(state, event)),
            (Some(_), count @ 1..) => Some(Shortfall::Never(state, event, count)),
            _ => None,
        });
        few.chain(wrong).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults that have hit something:")?;
        for kind in FaultKind::ALL {
            writeln!(f, "  {:<15} {:>9}", kind.name(), self.of(*kind))?;
        }
        write!(f, "what connections were doing:\n  {:<15}", "")?;
        ConnState::ALL.iter().try_for_each(|state| write!(f, " {:>10}", format!("{state:?}")))?;
        writeln!(f)?;
        for event in ConnEvent::all() {
            write!(f, "  {:<15}", event.name())?;
            for state in ConnState::ALL {
                match (why_never(state, event), self.of_pair(state, event)) {
                    (Some(_), 0) => write!(f, " {:>10}", "-")?,
                    (_, count) => write!(f, " {count:>10}")?,
                }
            }
            writeln!(f)?;
        }
        writeln!(f, "totals:")?;
        self.counts.iter().try_for_each(|(what, count)| writeln!(f, "  {what:<26} {count:>9}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything as often as it must be.
    fn full() -> Coverage {
        let mut coverage = Coverage::default();
        for kind in FaultKind::ALL {
            (0..LEAST_FIRED).for_each(|_| coverage.fired(*kind));
        }
        for state in ConnState::ALL {
            let legal = ConnEvent::all().filter(|event| why_never(state, *event).is_none());
            legal.for_each(|event| coverage.happened(state, event));
        }
        coverage
    }

    #[test]
    fn counts_that_reach_their_bounds_fall_short_of_nothing() {
        assert_eq!(full().shortfalls(), []);
    }

    #[test]
    fn a_kind_that_fires_too_rarely_is_named_with_its_count() {
        let mut coverage = full();
        coverage.fired.insert(FaultKind::Swap, LEAST_FIRED - 1);
        let found = coverage.shortfalls();
        assert_eq!(found, [Shortfall::Fault(FaultKind::Swap, 19)]);
        assert_eq!(found[0].to_string(), "the fault swap has hit something 19 times, of at least 20");
    }

    #[test]
    fn a_pair_that_never_occurs_is_named() {
        let mut coverage = full();
        coverage.pairs.remove(&(ConnState::Writing, ConnEvent::Eof));
        let found = coverage.shortfalls();
        assert_eq!(found, [Shortfall::Pair(ConnState::Writing, ConnEvent::Eof)]);
        assert!(found[0].to_string().contains("told-eof has hit a connection in the state Writing 0 times"));
    }

    #[test]
    fn a_pair_that_is_held_to_be_impossible_and_occurs_is_named() {
        let mut coverage = full();
        coverage.happened(ConnState::Idle, ConnEvent::Refused);
        let found = coverage.shortfalls();
        assert_eq!(found, [Shortfall::Never(ConnState::Idle, ConnEvent::Refused, 1)]);
        assert!(found[0].to_string().ends_with("1 times: it concerns connecting alone, and the connection is made"));
    }

    #[test]
    fn nothing_at_all_falls_short_of_every_kind_and_every_legal_pair() {
        let legal = |state| ConnEvent::all().filter(move |event| why_never(state, *event).is_none()).count();
        let pairs: usize = ConnState::ALL.into_iter().map(legal).sum();
        assert_eq!(Coverage::default().shortfalls().len(), FaultKind::ALL.len() + pairs);
    }
}
