//! Where choices are drawn from: a seed, or bytes of a fuzzer.
//!
//! A plan is drawn from choices once, before a run. Whatever a run itself must draw (jitter of the network, say) comes from
//! [`Stream`]s that the plan's residual seed names. So a plan alone repeats a run, and a fault that is removed from a plan
//! does not change what the others draw.

/// A source of choices. The value 0 always means "no fault" or "the smallest value".
pub trait Choices {
    /// A number below `end`, or 0 if `end` is 0.
    fn below(&mut self, end: u64) -> u64;

    /// A number in the range, its ends included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least.saturating_add(self.below(most.saturating_sub(least).saturating_add(1)))
    }

    /// Whether something of this probability happens.
    fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        // The largest numbers stand for "yes", so that exhausted bytes say "no".
        self.below(denominator) >= denominator.saturating_sub(numerator) && numerator > 0
    }

    /// A number between 0 and `most` whose magnitude is uniform: small numbers are as frequent as large ones.
    fn log_up_to(&mut self, most: u64) -> u64 {
        let bits = u64::from(u64::BITS - most.leading_zeros());
        let bits = self.between(0, bits);
        let end = 1_u64.checked_shl(u32::try_from(bits).unwrap_or(0)).unwrap_or(u64::MAX);
        self.below(end).min(most)
    }

    /// One of the items.
    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T>
    where
        Self: Sized,
    {
        let index = self.below(u64::try_from(items.len()).unwrap_or(0));
        items.get(usize::try_from(index).unwrap_or(0)).copied()
    }
}

/// Choices from a seed (SplitMix64, by Guy Steele, Doug Lea and Christine Flood). Equal seeds give equal numbers on every
/// machine and with every compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// Creates a stream of numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates one of many independent streams of a seed.
    #[must_use]
    pub fn of(seed: u64, purpose: u64, number: u64) -> Self {
        let mut stream = Self(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        let mixed = stream.next_number();
        Self(mixed ^ number.wrapping_mul(0xe703_7ed1_a0b4_28db))
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A time whose distribution is about exponential around this mean, in microseconds. At most eight times the mean.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        if mean == 0 {
            return 0;
        }
        // The number of leading zeros of a uniform number is geometric, which is an exponential in steps of ln 2.
        let number = self.next_number();
        let steps = u64::from(number.leading_zeros()).min(11);
        let within = mean.saturating_mul(number & 0xff) / 256;
        (steps.saturating_mul(mean).saturating_add(within)).saturating_mul(7) / 10
    }
}

impl Choices for Stream {
    fn below(&mut self, end: u64) -> u64 {
        // The high half of a 128-bit product is nearly uniform and needs no division.
        let scaled = (u128::from(self.next_number()) * u128::from(end)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}

/// Choices from bytes. When they are used up, every choice is 0.
#[derive(Clone, Debug)]
pub struct ByteChoices<'a>(&'a [u8]);

impl<'a> ByteChoices<'a> {
    /// Creates choices from bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Choices for ByteChoices<'_> {
    fn below(&mut self, end: u64) -> u64 {
        let mut value = 0_u64;
        // As many bytes as the range needs, so that short inputs reach far.
        let mut range = end.saturating_sub(1);
        while range > 0 {
            let Some((first, rest)) = self.0.split_first() else { break };
            self.0 = rest;
            value = (value << 8) | u64::from(*first);
            range >>= 8;
        }
        value.checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // From the reference implementation in C, with the seed 1234567.
        let mut stream = Stream::new(1_234_567);
        let numbers = [stream.next_number(), stream.next_number(), stream.next_number()];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn exhausted_bytes_choose_the_smallest_and_no_fault() {
        let mut bytes = ByteChoices::new(&[0xff]);
        assert_eq!(bytes.below(256), 255);
        assert_eq!(bytes.below(1 << 40), 0);
        assert_eq!(bytes.between(7, 9), 7);
        assert!(!bytes.chance(1, 2));
        assert_eq!(bytes.log_up_to(1000), 0);
    }

    #[test]
    fn chances_are_met_as_often_as_they_say() {
        let mut stream = Stream::new(7);
        let met = (0..1000).filter(|_| stream.chance(1, 4)).count();
        assert!((200..300).contains(&met), "{met}");
        assert!(!stream.chance(0, 4));
        assert!(stream.chance(4, 4));
    }

    #[test]
    fn streams_of_one_seed_differ_by_purpose_and_number() {
        let first = |purpose, number| Stream::of(5, purpose, number).next_number();
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 1), first(2, 1));
        assert_eq!(first(3, 4), first(3, 4));
    }

    #[test]
    fn exponential_times_have_about_their_mean() {
        let mut stream = Stream::new(3);
        let sum: u64 = (0..10_000).map(|_| stream.exponential(1000)).sum();
        assert!((800..1300).contains(&(sum / 10_000)), "{}", sum / 10_000);
        assert_eq!(stream.exponential(0), 0);
    }
}
