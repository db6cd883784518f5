//! Runs checks against a broker.

mod link;
mod names;
mod session;

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use self::names::Names;
use crate::{
    check::{Check, Order},
    report::{CheckResult, Report},
    suite::checks,
    target::Target,
};

/// Runs those of the crate's [`checks`](crate::checks) that `filter` accepts.
///
/// The checks make topics and groups of fresh names on the broker, and leave them there. So a broker can be judged again, but it
/// should not be one that others depend on.
#[must_use]
pub fn run(target: &Target, filter: impl Fn(&Check) -> bool) -> Report {
    run_checks(checks(), target, filter)
}

/// Runs those of the given checks that `filter` accepts. The results are in the order of the checks.
#[must_use]
pub fn run_checks(checks: &[Check], target: &Target, filter: impl Fn(&Check) -> bool) -> Report {
    let started = Instant::now();
    let names = Names::new();
    let chosen: Vec<(usize, &Check)> = checks.iter().filter(|check| filter(check)).enumerate().collect();
    // Checks of a fresh cluster come first: every other check makes topics.
    let of = |order| chosen.iter().copied().filter(move |(_, check)| check.order == order).collect::<Vec<_>>();
    let mut results = one_by_one(&of(Order::First), target, &names);
    results.extend(together(&of(Order::Together), target, &names));
    results.extend(one_by_one(&of(Order::Last), target, &names));
    // Checks that run together end in any order, and a report should read the same each time.
    results.sort_by_key(|(nth, _)| *nth);
    Report {
        address: target.address.clone(),
        release: target.release,
        results: results.into_iter().map(|(_, result)| result).collect(),
        took: started.elapsed(),
    }
}

/// For checks that see what others do, such as the first questions of a cluster's life.
fn one_by_one(checks: &[(usize, &Check)], target: &Target, names: &Names) -> Vec<(usize, CheckResult)> {
    checks.iter().map(|(nth, check)| (*nth, judge(check, target, names))).collect()
}

/// Many checks only wait for the broker, so a few threads shorten the run.
fn together(checks: &[(usize, &Check)], target: &Target, names: &Names) -> Vec<(usize, CheckResult)> {
    // A shared list, not equal shares: a few checks wait much longer than all others.
    let left = Mutex::new(checks.iter());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..target.workers {
            scope.spawn(|| {
                loop {
                    // A separate statement, so that the lock is not held while the check runs.
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((nth, check)) = next else { break };
                    let result = judge(check, target, names);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((*nth, result));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn judge(check: &Check, target: &Target, names: &Names) -> CheckResult {
    let started = Instant::now();
    let verdict = session::judge(check, target, names);
    CheckResult { id: check.id.clone(), rule: check.rule.clone(), verdict, took: started.elapsed() }
}
