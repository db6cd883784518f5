//! The simulation of the client, with choices from bytes in place of a seed.

use kafka08_sim::{choices::ByteChoices, history::Detail, plan::Plan, run};

/// How many operations a run has at most: enough for batches, retries and flushes.
const OPERATIONS: u64 = 40;
/// How many faults a run has at most. More of them hide each other.
const FAULTS: usize = 32;
/// The longest filler of a record. Bytes may travel one by one.
const FILLER: u64 = 64;

/// Runs the plan that the bytes draw. Everything that the simulation checks must hold.
///
/// # Panics
/// If it does not. The message has the plan, which `kafka08-sim --plan FILE` runs, shows and makes smaller.
pub fn sim(data: &[u8]) {
    let mut plan = Plan::draw(&mut ByteChoices::new(data));
    plan.settings.operations = plan.settings.operations.min(OPERATIONS);
    plan.settings.filler = plan.settings.filler.min(FILLER);
    plan.faults.truncate(FAULTS);
    if let Some(violation) = run(&plan, Detail::Brief).violation {
        panic!("{violation}\n{plan}");
    }
}
