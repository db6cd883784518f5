//! What was found, as tables in Markdown.

use std::fmt::Write as _;

use kafka08_sim::{check::Invariant, plan::FaultKind};

use crate::{
    expected::{self, Expected},
    hunt::{Found, Noticed},
    matrix::Matrix,
};

/// Behind each table, for who takes it out of what the tests print.
const END: &str = "<!-- end -->";

const CANARIES: &str = "\
## When each mistake is noticed

The first of 200 seeds that break what the mistake should break, and how many do. The settings are those of each plan. Other
seeds are those that break something else.

| mistake | settings | breaks | first seed | seeds | other seeds | because |
|---|---|---|---|---|---|---|
";

const FAULTS: &str = "\
## Which faults bring out which mistakes

For each kind of fault, the mistakes that are noticed in a run with faults of this kind alone and not in the same run without
faults, and in how many seeds. Mistakes that some run without faults shows are left out.

| fault, alone | mistakes |
|---|---|
";

fn names(invariants: &[Invariant]) -> String {
    invariants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// When each mistake was noticed, and by what.
pub(crate) fn of_canaries(caught: &[(Expected, Found)]) -> String {
    let mut table = CANARIES.to_owned();
    for (expected, found) in caught {
        let Expected { canary, by, why } = expected;
        let seed = found.first.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
        let right = found.right(expected);
        let others: Vec<String> = found
            .seeds
            .iter()
            .filter(|(noticed, _)| !matches!(noticed, Noticed::Broken(invariant) if by.contains(invariant)))
            .map(|(noticed, count)| match noticed {
                Noticed::Broken(invariant) => format!("{count} {invariant}"),
                Noticed::Panic => format!("{count} panics"),
            })
            .collect();
        let settings = expected.settings().iter().map(|(name, value)| format!("{name}={value}"));
        let settings = settings.collect::<Vec<_>>().join(" ");
        let (by, others) = (names(by), others.join(", "));
        writeln!(table, "| {canary:?} | {settings} | {by} | {seed} | {right} | {others} | {why} |")
            .expect("a string takes all");
    }
    table + END
}

/// Which kinds of faults bring out which mistakes, and which mistakes break each invariant.
pub(crate) fn of_faults(found: &Matrix, seeds: u64) -> String {
    let mut table = FAULTS.to_owned();
    for kind in FaultKind::ALL {
        let mistakes: Vec<String> =
            found.brought_out_by(*kind).map(|(canary, seeds)| format!("{canary:?} {seeds}")).collect();
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
    table + END
}
