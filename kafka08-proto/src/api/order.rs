//! The index of long lists: their places, sorted by what stands there.

use std::cmp::Ordering;

/// Lists up to this length are searched from end to end: that is faster than an index, which most requests and responses
/// would make for nothing.
pub(super) const UNINDEXED: usize = 16;

/// Places of a list, sorted by a key that stands at them, in a few runs.
///
/// A list that is there as a whole becomes one run. Each place that is added later is a run of one, which is merged with
/// the run in front for as long as that is no longer than itself: so there are at most as many runs as the length has bits,
/// and a place is merged that often. A sorted map would do the same, but takes several times the memory, and what decoding
/// may take is bounded by what was received.
///
/// The order by which the places are compared is the caller's and must always be the same. Of equal keys the smaller place
/// comes first.
#[derive(Clone, Debug)]
pub(super) struct Order<P> {
    places: Vec<P>,
    /// Where each run begins.
    runs: Vec<usize>,
}

impl<P> Default for Order<P> {
    fn default() -> Self {
        Self { places: Vec::new(), runs: Vec::new() }
    }
}

impl<P: Copy + Ord> Order<P> {
    /// All places of a list.
    pub(super) fn of(mut places: Vec<P>, compare: impl Fn(P, P) -> Ordering) -> Self {
        // In place: a stable sort would take half as much memory again.
        places.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        Self { places, runs: vec![0] }
    }

    /// Whether there is an index.
    pub(super) fn is_built(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Adds a place that lies behind all others.
    pub(super) fn push(&mut self, place: P, compare: impl Fn(P, P) -> Ordering) {
        let mut start = self.places.len();
        self.places.push(place);
        // As in a binary counter: each place takes part in as many merges as the length has bits.
        while let Some(front) = self.runs.pop_if(|front| start - *front <= self.places.len() - start) {
            start = front;
        }
        self.runs.push(start);
        // A stable sort finds the runs that are there, and merges them in linear time.
        let run = self.places.get_mut(start..).unwrap_or_default();
        run.sort_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    }

    /// The smallest place that `compare` calls equal to what is looked for.
    pub(super) fn first(&self, compare: impl Fn(P) -> Ordering) -> Option<P> {
        let ends = self.runs.iter().skip(1).copied().chain([self.places.len()]);
        let runs = self.runs.iter().zip(ends).filter_map(|(&start, end)| self.places.get(start..end));
        // Equal keys may stand in several runs. The smallest place is the one that is first in the list.
        let found = runs.filter_map(|run| {
            let at = run.partition_point(|&place| compare(place).is_lt());
            run.get(at).copied().filter(|&place| compare(place).is_eq())
        });
        found.min()
    }

    /// The places in one run.
    pub(super) fn sorted(&self, compare: impl Fn(P, P) -> Ordering) -> Vec<P> {
        let mut places = self.places.clone();
        if self.runs.len() > 1 {
            places.sort_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The most looks at what stands at a place that a step may take on average: 15 are the logarithm of the length.
    const FEW: usize = 15 * 15;

    #[test]
    fn a_place_is_pushed_and_found_among_20_000_with_few_looks() {
        const MANY: usize = 20_000;
        let looks = Cell::new(0);
        let value = |place: usize| {
            looks.set(looks.get() + 1);
            // In an order without any: 7919 has no divisor in common with the length.
            place * 7919 % MANY
        };
        let compare = |a: usize, b: usize| value(a).cmp(&value(b));
        let mut grown = Order::of(Vec::new(), compare);
        (0..MANY).for_each(|place| grown.push(place, compare));
        let pushing = looks.take();
        assert!((0..=MANY).all(|sought| grown.first(|place| value(place).cmp(&sought)).is_some() == (sought < MANY)));
        let finding = looks.take();
        assert!(pushing <= MANY * FEW && finding <= MANY * FEW, "{} and {}", pushing / MANY, finding / MANY);

        let given = Order::of((0..MANY).collect(), compare);
        looks.take();
        for sought in 0..MANY {
            assert!(given.first(|place| value(place).cmp(&sought)).is_some());
            assert!(looks.take() <= 32, "two looks for each halving");
        }
        assert_eq!((given.sorted(compare).len(), looks.take()), (MANY, 0), "it is sorted already");
    }

    #[test]
    fn a_list_that_grows_is_found_in_and_kept_in_few_runs() {
        // Odd numbers, in an order without any: 7 has no divisor in common with the length.
        const LEN: usize = 1000;
        let values: Vec<usize> = (0..LEN).map(|n| n * 7 % LEN * 2 + 1).collect();
        for given in [0, 17, 500, LEN] {
            let compare = |a: usize, b: usize| values[a].cmp(&values[b]);
            let mut order = Order::of((0..given).collect(), compare);
            for place in given..LEN {
                order.push(place, compare);
            }
            assert!(order.runs.len() <= 11, "{} runs", order.runs.len());
            for (place, value) in values.iter().enumerate() {
                assert_eq!(order.first(|place| values[place].cmp(value)), Some(place));
                assert_eq!(order.first(|place| values[place].cmp(&(value - 1))), None);
            }
            let sorted: Vec<usize> = order.sorted(compare).iter().map(|&place| values[place]).collect();
            assert!(sorted.is_sorted());
        }
    }

    #[test]
    fn of_equal_keys_the_first_place_is_found() {
        let mut order = Order::of((0..17).collect(), |_, _| Ordering::Equal);
        (17..40).for_each(|place| order.push(place, |_, _| Ordering::Equal));
        assert_eq!(order.first(|_| Ordering::Equal), Some(0));
    }
}
