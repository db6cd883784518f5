//! Runs seeds until a planted mistake is noticed, and goes on, to see how often it is.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use kafka08_proto::canary::{Canary, plant};
use kafka08_sim::{check::Invariant, history::Detail, plan::Plan, run};

use crate::expected::Expected;

/// How many threads run seeds.
const THREADS: usize = 2;

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
    /// The first seed that was noticed, and how.
    pub(crate) first: Option<(u64, Noticed)>,
    /// How many seeds were noticed in each way.
    pub(crate) seeds: BTreeMap<Noticed, u64>,
}

impl Found {
    /// How many seeds have broken an invariant.
    pub(crate) fn seeds_of(&self, invariant: Invariant) -> u64 {
        self.seeds.get(&Noticed::Broken(invariant)).copied().unwrap_or(0)
    }

    /// What is wrong with how a mistake was noticed.
    pub(crate) fn problem(&self, expected: &Expected) -> Option<String> {
        match self.first {
            None if expected.waits() => None,
            None => Some(format!("{:?} was not noticed", expected.canary)),
            Some((_, Noticed::Broken(invariant))) if expected.by.contains(&invariant) => None,
            Some((seed, noticed)) => Some(format!(
                "{:?} was noticed as {noticed:?} with seed {seed}, not as {:?}",
                expected.canary, expected.by
            )),
        }
    }
}

/// Runs a plan. A run is repeated if asked for, to see whether it is the same.
pub(crate) fn look(plan: &Plan, repeat: Repeat) -> Option<Noticed> {
    let look = || {
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

/// Runs the first seeds with a mistake.
pub(crate) fn hunt(canary: Option<Canary>, seeds: u64) -> Found {
    let noticed = over(canary, seeds, |seed| look(&Plan::of_seed(seed), Repeat::of(canary)));
    let mut found = Found::default();
    for (seed, noticed) in noticed {
        found.first.get_or_insert((seed, noticed));
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
