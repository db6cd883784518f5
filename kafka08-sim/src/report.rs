//! What is said of a plan that fails.

use std::{path::Path, time::Duration};

use kafka08_sim::{
    check::{Invariant, Violation},
    plan::Plan,
    shrink::Shrinker,
};

use crate::options::{Options, Shrinks};

/// How long one plan is made smaller.
const SHRINKING: Duration = Duration::from_secs(20);

/// A plan that fails.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The seed that drew the plan.
    pub(crate) seed: Option<u64>,
    /// The plan.
    pub(crate) plan: Plan,
    /// What does not hold.
    pub(crate) violation: Violation,
}

/// The violation of a run that differs from itself.
pub(crate) fn differs(first: u64, second: u64) -> Option<Violation> {
    let what = || format!("the hashes of two runs are {first:016x} and {second:016x}");
    (first != second).then(|| Violation { invariant: Invariant::D1, at: 0, what: what() })
}

/// Shows a failure, how to repeat it, and the smallest plan that fails in the same way.
pub(crate) fn report(failure: &Failure, options: &Options) {
    let Failure { seed, plan, violation } = failure;
    let seed_text = seed.map_or_else(|| "plan".to_owned(), |seed| format!("seed {seed}"));
    println!("FAIL {} {seed_text}: {violation}", violation.invariant);
    if let Some(seed) = seed {
        println!("  repro: cargo run --release -p kafka08-sim -- --seed {seed}{}", options.changes());
    }
    if options.shrinks == Shrinks::No || violation.invariant == Invariant::D1 {
        return;
    }
    let (small, tried) = Shrinker::new(plan.clone(), violation.invariant, SHRINKING).run();
    println!("  shrunk in {tried} runs to {} faults:", small.faults.len());
    small.to_string().lines().for_each(|line| println!("    {line}"));
    let again = kafka08_sim::run(&small, kafka08_sim::history::Detail::Brief).violation;
    if let Some(violation) = again {
        println!("  it fails with {violation}");
    }
    if let Some(directory) = &options.save {
        let name = format!("{}-{:x}.plan", violation.invariant, seed.unwrap_or(0));
        let path = Path::new(directory).join(name);
        let text = format!("# {violation}\n{small}");
        match std::fs::write(&path, text) {
            Ok(()) => {
                let path = path.display();
                println!("  repro: cargo run --release -p kafka08-sim -- --plan {path}");
            }
            Err(error) => println!("  {} could not be written: {error}", path.display()),
        }
    }
}
