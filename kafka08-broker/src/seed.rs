//! A small deterministic generator of pseudo-random numbers.

/// A generator whose numbers depend only on its seed (SplitMix64, by Guy Steele, Doug Lea and Christine Flood).
///
/// The numbers are fit for tests. They are not fit for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    /// Creates a generator. Equal seeds give equal numbers.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high half of a 128-bit product is nearly uniform and needs no division. Its bias is at most end / 2^64.
        let scaled = (u128::from(self.next()) * u128::from(end)) >> 64;
        u64::try_from(scaled).expect("the high half of a product of two u64 is a u64")
    }

    /// Whether an event of the probability `numerator / denominator` happens. It never does if `denominator` is 0.
    pub(crate) fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator && denominator > 0
    }

    /// Puts the items into a random order, each order with the same probability.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }

    /// An index into a list of `len` items, or 0 if the list is empty.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let end = u64::try_from(len).expect("a length fits 64 bits");
        usize::try_from(self.below(end)).expect("the number is below a length")
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // From the reference implementation in C, with the seed 1234567.
        let mut seed = Seed::new(1_234_567);
        let numbers = [seed.next(), seed.next(), seed.next()];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_number_is_below_its_end_and_each_one_occurs() {
        let mut seed = Seed::new(1);
        let mut seen = [0_u32; 5];
        for _ in 0..1000 {
            seen[seed.index(5)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
        assert_eq!(seed.below(0), 0);
    }

    #[test]
    fn a_chance_is_met_about_as_often_as_it_says() {
        let mut seed = Seed::new(7);
        let met = (0..1000).filter(|_| seed.chance(1, 4)).count();
        assert!((200..300).contains(&met), "{met}");
        assert!(!seed.chance(1, 0), "a chance without a denominator is never met");
        assert!(seed.chance(1, 1));
    }

    #[test]
    fn shuffling_keeps_the_items() {
        let mut items: Vec<u32> = (0..20).collect();
        Seed::new(3).shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
