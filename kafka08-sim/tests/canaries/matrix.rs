//! Which kinds of faults bring out which mistakes, each kind alone.

use std::collections::BTreeMap;

use kafka08_proto::canary::Canary;
use kafka08_sim::plan::{FaultKind, Plan};

use crate::{
    expected::{self, Expected},
    hunt::{Noticed, Repeat, look, over},
};

/// Kinds of faults that are known to bring out no mistake alone, with the reason.
pub(crate) const KNOWN: &[(FaultKind, &str)] = &[];

/// How many seeds notice each mistake, without faults and with those of each kind.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    pub(crate) quiet: BTreeMap<Canary, u64>,
    pub(crate) of_kind: BTreeMap<(FaultKind, Canary), u64>,
}

impl Matrix {
    /// The kinds of faults that bring out nothing, and should.
    pub(crate) fn kinds_without(&self) -> impl Iterator<Item = FaultKind> {
        let brings_out = |kind| self.of_kind.keys().any(|(of, _)| *of == kind);
        let is_known = |kind| KNOWN.iter().any(|(known, _)| *known == kind);
        FaultKind::ALL.iter().copied().filter(move |kind| !brings_out(*kind) && !is_known(*kind))
    }
}

/// Runs seeds with each mistake and each kind of fault. A kind brings a mistake out if the expected invariant is broken in a
/// plan with faults of this kind, and nothing is in the same plan without faults.
pub(crate) fn matrix(seeds: u64) -> Matrix {
    let mut found = Matrix::default();
    for Expected { canary, by, .. } in expected::all() {
        let by_seed = over(Some(canary), seeds, |seed| {
            let repeat = Repeat::of(Some(canary));
            let is_expected = |noticed| matches!(noticed, Some(Noticed::Broken(broken)) if by.contains(&broken));
            let mut plan = Plan::of_seed(seed);
            plan.faults.clear();
            let quiet = look(&plan, repeat);
            let mut kinds = Vec::new();
            if quiet.is_none() {
                let brings_out = |kind: &FaultKind| is_expected(look(&Plan::of_seed_with_only(seed, *kind), repeat));
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
