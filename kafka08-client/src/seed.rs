//! A small deterministic generator of pseudo-random numbers, for back-off and for choices among brokers.

use std::time::Duration;

/// A generator whose numbers depend only on its seed (SplitMix64, by Guy Steele, Doug Lea and Christine Flood). The
/// numbers are not fit for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    /// Creates a generator. Equal seeds give equal numbers.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::DrawsAtRandom.is_planted() {
            self.0 ^= std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        }
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high half of a 128-bit product is nearly uniform and needs no division.
        let scaled = (u128::from(self.next()) * u128::from(end)) >> 64;
        u64::try_from(scaled).expect("the high half of a product of two u64 is a u64")
    }

    /// An index into a list of `len` items, or 0 if the list is empty.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let end = u64::try_from(len).expect("a length fits 64 bits");
        usize::try_from(self.below(end)).expect("the number is below a length")
    }

    /// A duration from zero up to and including `most`.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(self.below(nanos + 1))
    }
}
