//! Which kinds of faults bring out which mistakes, each kind alone.

use std::collections::BTreeMap;

use kafka08_proto::canary::Canary;
use kafka08_sim::plan::{FaultKind, Plan};

use crate::{
    expected,
    hunt::{Noticed, Repeat, look, over},
};

/// How many seeds notice each mistake, without faults and with those of each kind.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    pub(crate) quiet: BTreeMap<Canary, u64>,
    pub(crate) of_kind: BTreeMap<(FaultKind, Canary), u64>,
}

impl Matrix {
    /// The mistakes that a kind of faults brings out, and in how many seeds. Those that show without faults say nothing of it.
    pub(crate) fn brought_out_by(&self, kind: FaultKind) -> impl Iterator<Item = (Canary, u64)> {
        let is_quiet = |canary| self.quiet.get(&canary).copied().unwrap_or(0) > 0;
        let of_kind = self.of_kind.iter().filter(move |((of, canary), _)| *of == kind && !is_quiet(*canary));
        of_kind.map(|((_, canary), seeds)| (*canary, *seeds))
    }

    /// The kinds of faults that bring out nothing.
    pub(crate) fn kinds_without(&self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.iter().copied().filter(|kind| self.brought_out_by(*kind).next().is_none())
    }
}

/// Runs seeds with each mistake and each kind of fault. A kind brings a mistake out if the expected invariant is broken in a
/// plan with faults of this kind, and nothing is in the same plan without faults.
pub(crate) fn matrix(seeds: u64) -> Matrix {
    let mut found = Matrix::default();
    for expected in expected::all() {
        let canary = expected.canary;
        let by_seed = over(Some(canary), seeds, |seed| {
            let repeat = Repeat::of(Some(canary));
            let is_expected = |noticed: Option<Noticed>| noticed.is_some_and(|noticed| noticed.is_expected(&expected));
            let mut plan = expected.plan(Plan::of_seed(seed));
            plan.faults.clear();
            let quiet = look(&plan, repeat);
            let mut kinds = Vec::new();
            // What shows in a run without faults would show in the same run with them.
            if quiet.is_none() && repeat == Repeat::No {
                let with = |kind| expected.plan(Plan::of_seed_with_only(seed, kind));
                let brings_out = |kind: &FaultKind| is_expected(look(&with(*kind), repeat));
                kinds.extend(FaultKind::ALL.iter().copied().filter(brings_out));
            }
            Some((is_expected(quiet), kinds))
        });
        for (is_quiet, kinds) in by_seed.into_values() {
            *found.quiet.entry(canary).or_default() += u64::from(is_quiet);
            for kind in kinds {
                *found.of_kind.entry((kind, canary)).or_default() += 1;
            }
        }
    }
    found
}
