//! The program `kafka08-sim`: runs seeds or plans, and says how to repeat what fails.

mod options;
mod report;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use kafka08_sim::{
    choices::ByteChoices,
    coverage::{Coverage, GATED_SEEDS},
    plan::Plan,
};
use options::{Options, What};
use report::{Failure, report};

/// What a thread has found.
#[derive(Debug, Default)]
struct Found {
    coverage: Coverage,
    failures: Vec<Failure>,
    runs: u64,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match &options.what {
        What::Seeds { first, count } => run_seeds(*first, *count, &options),
        What::Seed(seed) => {
            let mut plan = Plan::of_seed(*seed);
            options.change(&mut plan);
            run_one(&plan, Some(*seed), &options)
        }
        What::Plan(path) => match read_plan(path) {
            Ok(plan) => run_one(&plan, None, &options),
            Err(problem) => fail(path, &problem),
        },
        What::Bytes(path) => match std::fs::read(path) {
            Ok(bytes) => run_one(&Plan::draw(&mut ByteChoices::new(&bytes)), None, &options),
            Err(problem) => fail(path, &problem.to_string()),
        },
    }
}

fn fail(path: &str, problem: &str) -> ExitCode {
    eprintln!("{path}: {problem}");
    ExitCode::from(2)
}

fn read_plan(path: &str) -> Result<Plan, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: kafka08_sim::plan::PlanError| error.to_string())
}

/// Runs one plan, and shows what happened.
fn run_one(plan: &Plan, seed: Option<u64>, options: &Options) -> ExitCode {
    println!("{plan}");
    let ran = kafka08_sim::run(plan, options.detail);
    ran.history.rows().iter().for_each(|row| println!("{row}"));
    println!("hash {:016x}, {} operations", ran.history.hash(), ran.history.operations().count());
    // A run that differs from itself has drawn from something that is not in its plan.
    let again = kafka08_sim::run(plan, kafka08_sim::history::Detail::Brief);
    if again.history.hash() != ran.history.hash() {
        println!("FAIL D1: a second run of the same plan has the hash {:016x}", again.history.hash());
        return ExitCode::FAILURE;
    }
    let Some(violation) = ran.violation else {
        println!("ok");
        return ExitCode::SUCCESS;
    };
    report(&Failure { seed, plan: plan.clone(), violation }, options);
    ExitCode::FAILURE
}

fn run_seeds(first: u64, count: u64, options: &Options) -> ExitCode {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let mut found = Found::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return found;
            }
            run_seed(first.wrapping_add(number), number, &mut found, options);
        }
    };
    let all: Vec<Found> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run does not panic")).collect()
    });
    let mut total = Found::default();
    for found in all {
        total.coverage.add(&found.coverage);
        total.failures.extend(found.failures);
        total.runs += found.runs;
    }
    total.failures.sort_by_key(|failure| failure.seed);
    let seconds = start.elapsed().as_secs_f64();
    total.failures.iter().take(options.most_reports).for_each(|failure| report(failure, options));
    println!("{}", total.coverage);
    let failed = total.failures.len();
    println!(
        "{} seeds from {first} in {seconds:.1} s, {:.0} a second, {failed} failed",
        total.runs,
        rate(total.runs, seconds)
    );
    let is_covered = count < GATED_SEEDS || !options.changes().is_empty() || is_covered(&total.coverage);
    if failed > 0 || !is_covered { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whether the runs have come across everything that they should. Says what they have not.
fn is_covered(coverage: &Coverage) -> bool {
    let short = coverage.shortfalls();
    short.iter().for_each(|short| println!("FAIL coverage: {short}"));
    short.is_empty()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
fn rate(runs: u64, seconds: f64) -> f64 {
    runs as f64 / seconds
}

fn run_seed(seed: u64, number: u64, found: &mut Found, options: &Options) {
    let mut plan = Plan::of_seed(seed);
    options.change(&mut plan);
    let ran = kafka08_sim::run(&plan, kafka08_sim::history::Detail::Brief);
    found.runs += 1;
    found.coverage.add(&ran.coverage);
    let mut violation = ran.violation;
    // One run in a hundred is repeated.
    if violation.is_none() && number.is_multiple_of(100) {
        let again = kafka08_sim::run(&plan, kafka08_sim::history::Detail::Brief);
        violation = report::differs(ran.history.hash(), again.history.hash());
    }
    if let Some(violation) = violation {
        found.failures.push(Failure { seed: Some(seed), plan, violation });
    }
}
