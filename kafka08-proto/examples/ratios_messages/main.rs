//! The cost of message sets as ratios to hand-written loops: reading, writing and opening compressed ones.
//!
//! All cases run in turn in one process, at least 61 rounds of about 8 ms each, and the minima are compared, so that the
//! figures hold whatever else the machine does. Pin it to one core:
//!
//! ```text
//! cargo build --release -p kafka08-proto --example ratios_messages
//! taskset -c 1 target/release/examples/ratios_messages
//! ```
//!
//! An argument keeps the cases whose name contains it, and a second one sets the number of rounds.

mod codecs;
mod floor;
mod sets;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// How long one case runs in one round.
const SLICE: Duration = Duration::from_millis(8);
const ROUNDS: usize = 61;

/// One thing that is measured; what a run returns keeps the compiler from leaving it out.
pub(crate) struct Case {
    name: String,
    /// Things that one run does: messages, or KiB.
    units: u64,
    /// Name of the case that this one is compared with, and the ratio aimed at.
    goal: Option<(String, f64)>,
    run: Box<dyn FnMut() -> u64>,
    repeats: u32,
    best: Duration,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, units: u64, run: impl FnMut() -> u64 + 'static) -> Self {
        let run = Box::new(run);
        Self { name: name.into(), units, goal: None, run, repeats: 1, best: Duration::MAX }
    }

    pub(crate) fn beside(mut self, floor: &str, at_most: f64) -> Self {
        self.goal = Some((floor.to_owned(), at_most));
        self
    }

    /// Runs as often as was found to take about [`SLICE`].
    #[expect(clippy::disallowed_methods, reason = "it measures; only the library never asks for the time")]
    fn round(&mut self) {
        let begun = Instant::now();
        for _ in 0..self.repeats {
            black_box((self.run)());
        }
        self.best = self.best.min(begun.elapsed() / self.repeats);
    }

    fn calibrate(&mut self) {
        self.round();
        self.round();
        let runs = SLICE.as_nanos() / self.best.as_nanos().max(1);
        self.repeats = u32::try_from(runs).unwrap_or(u32::MAX).max(1);
    }

    fn nanoseconds(&self) -> f64 {
        self.best.as_secs_f64() * 1e9 / f64::from(u32::try_from(self.units).unwrap_or(u32::MAX))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut cases: Vec<Case> = sets::cases().into_iter().chain(codecs::cases()).collect();
    cases.retain(|case| case.name.contains(&wanted));
    cases.iter_mut().for_each(Case::calibrate);
    for _ in 0..rounds {
        cases.iter_mut().for_each(Case::round);
    }
    println!("{:<40} {:>10}  {:<32} {:>6} {:>6}", "case", "ns a unit", "beside", "ratio", "goal");
    for case in &cases {
        let found = case.goal.as_ref().and_then(|(name, goal)| {
            cases
                .iter()
                .find(|floor| floor.name == *name)
                .map(|floor| (name, case.nanoseconds() / floor.nanoseconds(), goal))
        });
        match found {
            Some((name, ratio, goal)) => {
                println!("{:<40} {:>10.2}  {name:<32} {ratio:>6.3} {goal:>6.2}", case.name, case.nanoseconds());
            }
            None => println!("{:<40} {:>10.2}", case.name, case.nanoseconds()),
        }
    }
}
