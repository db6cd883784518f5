//! Runs seeds until a planted mistake is noticed, and goes on, to see how often it is.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use kafka08_proto::canary::{Canary, begin_run, plant};
use kafka08_sim::{check::Invariant, history::Detail, plan::Plan, run};

use crate::expected::Expected;

/// How many threads run seeds.
const THREADS: usize = 2;

impl Noticed {
    /// Whether the mistake was noticed as it should be.
    pub(crate) fn is_expected(self, expected: &Expected) -> bool {
        matches!(self, Self::Broken(invariant) if expected.by.contains(&invariant))
    }
}

/// A mistake is planted for the whole process.
static PLANTING: Mutex<()> = Mutex::new(());

/// What a run has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noticed {
    /// This does not hold.
    Broken(Invariant),
    /// The run has panicked, which is no way to notice anything.
    Panic,
}

/// What the seeds of a mistake have come to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The first seed that was noticed as expected.
    pub(crate) first: Option<u64>,
    /// How many seeds were noticed in each way.
    pub(crate) seeds: BTreeMap<Noticed, u64>,
}

impl Found {
    /// How many seeds have broken an invariant.
    pub(crate) fn seeds_of(&self, invariant: Invariant) -> u64 {
        self.seeds.get(&Noticed::Broken(invariant)).copied().unwrap_or(0)
    }

    /// How many seeds were noticed as expected.
    pub(crate) fn right(&self, expected: &Expected) -> u64 {
        expected.by.iter().map(|invariant| self.seeds_of(*invariant)).sum()
    }

    /// What is wrong with how a mistake was noticed.
    pub(crate) fn problem(&self, expected: &Expected) -> Option<String> {
        // A mistake may have other effects in a few runs.
        let all: u64 = self.seeds.values().sum();
        let right = self.right(expected);
        (right == 0 || right * 2 <= all).then(|| {
            let Expected { canary, by, .. } = expected;
            format!("{canary:?} breaks {by:?}, and was noticed in these numbers of seeds: {:?}", self.seeds)
        })
    }
}

/// Runs a plan. A run is repeated if asked for, to see whether it is the same.
pub(crate) fn look(plan: &Plan, repeat: Repeat) -> Option<Noticed> {
    let look = || {
        begin_run();
        let ran = run(plan, Detail::Brief);
        if let Some(violation) = ran.violation {
            return Some(violation.invariant);
        }
        let differs = || run(plan, Detail::Brief).history.hash() != ran.history.hash();
        (repeat == Repeat::Yes && differs()).then_some(Invariant::D1)
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(broken) => broken.map(Noticed::Broken),
        Err(_) => Some(Noticed::Panic),
    }
}

/// Whether a run is made twice. The program `kafka08-sim` repeats one in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Repeat {
    /// Whether runs with this mistake are made twice: only with one that is expected to make them differ.
    pub(crate) fn of(canary: Option<Canary>) -> Self {
        if canary == Some(Canary::DrawsAtRandom) { Self::Yes } else { Self::No }
    }
}

/// Runs the first seeds with a mistake, or without one.
pub(crate) fn hunt(expected: Option<&Expected>, seeds: u64) -> Found {
    let canary = expected.map(|expected| expected.canary);
    let noticed = over(canary, seeds, |seed| {
        let plan = Plan::of_seed(seed);
        look(&expected.map_or_else(|| plan.clone(), |expected| expected.plan(plan.clone())), Repeat::of(canary))
    });
    let mut found = Found::default();
    for (seed, noticed) in noticed {
        if expected.is_some_and(|expected| noticed.is_expected(expected)) {
            found.first.get_or_insert(seed);
        }
        *found.seeds.entry(noticed).or_default() += 1;
    }
    found
}

/// Does something for each seed while a mistake is planted. Returns what came of it, by seed.
pub(crate) fn over<T: Send>(
    canary: Option<Canary>,
    seeds: u64,
    each: impl Fn(u64) -> Option<T> + Sync,
) -> BTreeMap<u64, T> {
    let _one_at_a_time = PLANTING.lock().expect("nobody panics with it");
    plant(canary);
    let (next, all) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if let Some(found) = each(seed) {
                all.lock().expect("nobody panics with it").insert(seed, found);
            }
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    plant(None);
    all.into_inner().expect("nobody panics with it")
}
