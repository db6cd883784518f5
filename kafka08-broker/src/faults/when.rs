//! Which of the requests that a rule selects it is applied to.

use crate::seed::Seed;

/// Which of the requests that a rule selects it is applied to. Requests are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// The first so many requests.
    First(u64),
    /// This one request.
    Nth(u64),
    /// Each request whose number is a multiple of this one.
    Every(u64),
    /// Each request with this probability, drawn from the seed of the rule.
    Chance {
        numerator: u64,
        denominator: u64,
    },
}

impl When {
    /// Whether the rule is applied to the request with this number.
    pub(super) fn applies_to(self, number: u64, seed: &mut Seed) -> bool {
        match self {
            Self::Always => true,
            Self::First(count) => number <= count,
            Self::Nth(nth) => number == nth,
            // A period of 0 has no remainder, and is never met.
            Self::Every(period) => number.checked_rem(period) == Some(0),
            Self::Chance { numerator, denominator } => seed.chance(numerator, denominator),
        }
    }
}
