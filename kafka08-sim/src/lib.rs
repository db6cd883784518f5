#![doc = include_str!("../README.md")]

pub mod check;
pub mod choices;
pub mod coverage;
pub mod history;
pub mod logs;
pub mod net;
pub mod plan;
pub mod record;
pub mod sent;
pub mod shrink;
pub mod workload;
pub mod world;

use history::Detail;
use plan::Plan;
use workload::{Calls, Consuming, Direct, Producing, Scenario};
pub use world::Ran;
use world::World;

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan, detail: Detail) -> Ran {
    match Scenario::of(plan) {
        Scenario::Direct => World::new(plan.clone(), Direct::new(plan), detail).run(),
        Scenario::Calls => World::new(plan.clone(), Calls::new(plan), detail).run(),
        Scenario::Producing => World::new(plan.clone(), Producing::new(plan), detail).run(),
        Scenario::Consuming => World::new(plan.clone(), Consuming::new(plan), detail).run(),
    }
}
