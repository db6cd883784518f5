//! What workloads have in common: when operations are submitted, and what a plan says of them.

use crate::{
    choices::{Choices as _, Stream},
    plan::Plan,
    record::{ChosenBy, Records},
};

/// The times at which operations are submitted, in bursts and one by one, the last one first.
pub(super) fn times(plan: &Plan) -> Vec<u64> {
    let mut stream = Stream::of(plan.settings.residual, 2, 0);
    let mut times: Vec<u64> = (0..plan.settings.operations)
        .map(|_| {
            let at = stream.below(plan.settings.span.saturating_add(1));
            // Half of the operations come in bursts of the same time.
            if stream.chance(1, 2) { at / 100_000 * 100_000 } else { at }
        })
        .collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times
}

/// How the records of a plan are made.
pub(super) fn records(plan: &Plan, chosen_by: ChosenBy) -> Records {
    let small = |number: u64| u16::try_from(number.clamp(1, 4)).unwrap_or(1);
    Records {
        run: plan.settings.residual,
        topics: small(plan.settings.topics),
        partitions: u16::try_from(plan.settings.partitions.clamp(1, 64)).unwrap_or(1),
        filler: plan.settings.filler,
        chosen_by,
    }
}

/// The acks of a plan.
pub(super) fn acks(plan: &Plan) -> i16 {
    match plan.settings.acks {
        1 => 1,
        2 => 0,
        _ => -1,
    }
}
