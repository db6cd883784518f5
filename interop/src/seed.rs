//! Pseudo-random numbers that a seed determines.

/// A splitmix64 generator. The same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// A generator that starts at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for part `number` of the same run. Parts do not depend on how much the others have drawn.
    #[must_use]
    pub fn part(&self, number: u64) -> Self {
        let mut mixed = Self(self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self(mixed.draw())
    }

    /// A number from 0 to `end`, exclusive; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw().checked_rem(end).unwrap_or(0)
    }

    /// A number from 1 to about `end`, small ones as likely as large ones: each power of two has the same chance.
    pub fn up_to(&mut self, end: u64) -> u64 {
        let bits = u64::from(end.max(1).ilog2());
        let power = 1_u64 << self.below(bits + 1);
        (power + self.below(power)).min(end.max(1))
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
