//! The index of a long list: the places of the list, sorted by the keys at those places.

use std::cmp::Ordering;

/// The length up to which a list has no index and is searched from start to end. For a short list that is faster, and
/// most requests and responses are short and would not use the index.
pub(super) const UNINDEXED: usize = 16;

/// The places of a list, in a few runs. Each run is sorted by the keys at its places.
///
/// A list that is given as a whole becomes one run. Each place that is added later becomes a new last run of one place.
/// While the run in front of the last run is not longer than the last run, these two are merged. So the number of runs
/// is at most the number of bits of the length, and a place is merged at most that often. A sorted map would do the
/// same, but takes several times the memory, and the memory for decoding must be bounded by the bytes received.
///
/// The caller compares the places, and must always use the same order. Of places with equal keys, the smaller place
/// comes first.
#[derive(Clone, Debug)]
pub(super) struct Order<P> {
    places: Vec<P>,
    /// The position in `places` at which each run begins.
    runs: Vec<usize>,
}

impl<P> Default for Order<P> {
    fn default() -> Self {
        Self { places: Vec::new(), runs: Vec::new() }
    }
}

impl<P: Copy + Ord> Order<P> {
    /// Creates the index of a whole list from its places.
    pub(super) fn of(mut places: Vec<P>, compare: impl Fn(P, P) -> Ordering) -> Self {
        // An unstable sort needs no further memory. A stable sort would take half as much memory again.
        places.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        Self { places, runs: vec![0] }
    }

    /// Whether there is an index.
    pub(super) fn is_built(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Adds the place of an item that was added to the list.
    pub(super) fn push(&mut self, place: P, compare: impl Fn(P, P) -> Ordering) {
        let mut start = self.places.len();
        self.places.push(place);
        // Runs are merged as digits carry in a binary counter, so the number of merges of a place is at most the number
        // of bits of the length.
        while let Some(front) = self.runs.pop_if(|front| start - *front <= self.places.len() - start) {
            start = front;
        }
        self.runs.push(start);
        // A stable sort recognizes the sorted runs, and merges them in linear time.
        let run = self.places.get_mut(start..).unwrap_or_default();
        run.sort_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    }

    /// The smallest place for which `compare` returns `Equal`.
    pub(super) fn first(&self, compare: impl Fn(P) -> Ordering) -> Option<P> {
        let ends = self.runs.iter().skip(1).copied().chain([self.places.len()]);
        let runs = self.runs.iter().zip(ends).filter_map(|(&start, end)| self.places.get(start..end));
        // Places with equal keys may be in several runs. The smallest place is the first one in the list.
        let found = runs.filter_map(|run| {
            let at = run.partition_point(|&place| compare(place).is_lt());
            run.get(at).copied().filter(|&place| compare(place).is_eq())
        });
        found.min()
    }

    /// All places, sorted as one run.
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

    /// How often a push or a look-up may read the value at a place, on average. 15 is the logarithm of the length.
    const FEW: usize = 15 * 15;

    #[test]
    fn a_place_is_pushed_and_found_among_20_000_with_few_looks() {
        const MANY: usize = 20_000;
        let looks = Cell::new(0);
        let value = |place: usize| {
            looks.set(looks.get() + 1);
            // The values are not sorted, and none occurs twice: 7919 has no divisor in common with the length.
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
        // Odd numbers that are not sorted, and of which none occurs twice: 7 has no divisor in common with the length.
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
