//! Writes a report as JSON. Written here, because strings and a fixed shape are all that is needed.

use std::fmt::Write as _;

use super::{CheckResult, Counts, Report, Verdict};
use crate::check;

/// Writes the report on one line.
pub(super) fn write(report: &Report) -> String {
    let Counts { passed, failed, skipped, errors } = report.counts();
    let results: Vec<String> = report.results.iter().map(result).collect();
    format!(
        "{{\"address\":{},\"release\":{},\"took_ms\":{},\
         \"counts\":{{\"passed\":{passed},\"failed\":{failed},\"skipped\":{skipped},\"errors\":{errors}}},\
         \"results\":[{}]}}",
        string(&report.address),
        string(check::name(report.release)),
        report.took.as_millis(),
        results.join(","),
    )
}

/// Writes one result. The keys behind `took_ms` are there only if the verdict has them.
fn result(result: &CheckResult) -> String {
    let more = match &result.verdict {
        Verdict::Passed => String::new(),
        Verdict::Failed(failure) => {
            let parts = [&failure.reason, &failure.step, &failure.expected, &failure.found].map(|text| string(text));
            let [reason, step, expected, found] = parts;
            format!(",\"reason\":{reason},\"step\":{step},\"expected\":{expected},\"found\":{found}")
        }
        Verdict::Skipped(reason) | Verdict::Error(reason) => format!(",\"reason\":{}", string(reason)),
    };
    let (id, rule, verdict) = (string(&result.id), string(&result.rule), string(result.verdict.word()));
    format!("{{\"id\":{id},\"rule\":{rule},\"verdict\":{verdict},\"took_ms\":{}{more}}}", result.took.as_millis())
}

/// A text in quotes, with the escapes that RFC 8259 requires.
fn string(text: &str) -> String {
    let mut quoted = String::from('"');
    // Listings have line breaks, and texts of a broker may have anything.
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a String takes what is written to it");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
