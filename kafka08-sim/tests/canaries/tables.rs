//! What was found, as tables in Markdown.

use std::fmt::Write as _;

use kafka08_sim::{check::Invariant, plan::FaultKind};

use crate::{
    expected::{self, Expected},
    hunt::{Found, Noticed},
    matrix::{KNOWN, Matrix},
};

fn names(invariants: &[Invariant]) -> String {
    invariants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// When each mistake was noticed, and by what.
pub(crate) fn of_canaries(caught: &[(Expected, Found)]) -> String {
    let mut table = String::from(
        "| mistake | first seed | by | expected | seeds that notice it | others | because |\n|---|---|---|---|---|---|---|\n",
    );
    for (expected, found) in caught {
        let Expected { canary, by, why } = expected;
        let (seed, first) = match found.first {
            Some((seed, Noticed::Broken(invariant))) => (seed.to_string(), invariant.to_string()),
            Some((seed, Noticed::Panic)) => (seed.to_string(), "a panic".to_owned()),
            None if expected.waits() => (String::new(), "not checked yet".to_owned()),
            None => (String::new(), "nothing".to_owned()),
        };
        let right: u64 = by.iter().map(|invariant| found.seeds_of(*invariant)).sum();
        let others: Vec<String> = found
            .seeds
            .iter()
            .filter(|(noticed, _)| !matches!(noticed, Noticed::Broken(invariant) if by.contains(invariant)))
            .map(|(noticed, count)| match noticed {
                Noticed::Broken(invariant) => format!("{count} {invariant}"),
                Noticed::Panic => format!("{count} panics"),
            })
            .collect();
        let (by, others) = (names(by), others.join(", "));
        writeln!(table, "| {canary:?} | {seed} | {first} | {by} | {right} | {others} | {why} |")
            .expect("a string takes all");
    }
    table
}

/// Which kinds of faults bring out which mistakes, and which mistakes break each invariant.
pub(crate) fn of_faults(found: &Matrix, seeds: u64) -> String {
    let mut table = String::from("| fault, alone | mistakes that it brings out, and in how many seeds |\n|---|---|\n");
    for kind in FaultKind::ALL {
        let of_kind = found.of_kind.iter().filter(|((of, _), _)| of == kind);
        let mut mistakes: Vec<String> = of_kind.map(|((_, canary), count)| format!("{canary:?} {count}")).collect();
        if mistakes.is_empty() {
            mistakes.extend(KNOWN.iter().filter(|(known, _)| known == kind).map(|(_, why)| format!("none: {why}")));
        }
        writeln!(table, "| {} | {} |", kind.name(), mistakes.join(", ")).expect("a string takes all");
    }
    write!(
        table,
        "\n| invariant | mistakes that break it, and in how many of {seeds} seeds without faults |\n|---|---|\n"
    )
    .expect("a string takes all");
    for invariant in expected::INVARIANTS {
        let breaks = expected::all().filter(|expected| expected.by.contains(&invariant));
        let quiet = |expected: Expected| found.quiet.get(&expected.canary).copied().unwrap_or(0);
        let mistakes: Vec<String> =
            breaks.map(|expected| format!("{:?} {}", expected.canary, quiet(expected))).collect();
        writeln!(table, "| {invariant} | {} |", mistakes.join(", ")).expect("a string takes all");
    }
    table
}
