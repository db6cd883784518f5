//! What is to be looked at when.

use std::{collections::BTreeSet, time::Instant};

use super::peer::Wish;
use crate::machine::LinkId;

/// What is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The first wish of the line may be connected.
    Rate,
    /// The back-off of a wish is over.
    Wish(Wish),
    /// A deadline of this link.
    Link(LinkId),
}

/// The deadlines of all links and wishes, ordered by time. Each costs the logarithm of their number.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeSet<(Instant, Due)>);

impl Schedule {
    /// The earliest time.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Removes what is due first, if its time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let (at, due) = *self.0.first()?;
        (at <= now).then(|| {
            self.0.pop_first();
            due
        })
    }

    /// Moves `due` from the time `from` to the time `to`. `None` is no time.
    pub(super) fn renew(&mut self, due: Due, from: Option<Instant>, to: Option<Instant>) {
        if from == to {
            return;
        }
        if let Some(at) = from {
            self.0.remove(&(at, due));
        }
        if let Some(at) = to {
            self.0.insert((at, due));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
