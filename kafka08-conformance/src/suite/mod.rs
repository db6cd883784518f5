//! The checks, read from their text.
//!
//! A check begins with its name at the start of a line. Its lines follow, indented by two spaces; a line that is indented by six
//! or more continues the one before. Lines that begin with `#` are comments, and `define` makes a shorthand for the
//! lines below it.

mod lines;
mod macros;

use std::{fmt, sync::OnceLock};

use self::{lines::read_line, macros::Macros};
use crate::check::{Check, Order, Releases};

/// The texts, in the order in which their checks run. Definitions come first.
const TEXTS: [&str; 26] = [
    include_str!("../../checks/definitions.txt"),
    include_str!("../../checks/fresh.txt"),
    include_str!("../../checks/framing.txt"),
    include_str!("../../checks/keys.txt"),
    include_str!("../../checks/versions.txt"),
    include_str!("../../checks/bodies.txt"),
    include_str!("../../checks/order.txt"),
    include_str!("../../checks/metadata.txt"),
    include_str!("../../checks/produce.txt"),
    include_str!("../../checks/produce-replicas.txt"),
    include_str!("../../checks/produce-sets.txt"),
    include_str!("../../checks/compression.txt"),
    include_str!("../../checks/compression-refused.txt"),
    include_str!("../../checks/codecs.txt"),
    include_str!("../../checks/codecs-more.txt"),
    include_str!("../../checks/fetch.txt"),
    include_str!("../../checks/fetch-partitions.txt"),
    include_str!("../../checks/fetch-waits.txt"),
    include_str!("../../checks/waiting.txt"),
    include_str!("../../checks/strings.txt"),
    include_str!("../../checks/list-offsets.txt"),
    include_str!("../../checks/offsets-v0.txt"),
    include_str!("../../checks/offsets-v1.txt"),
    include_str!("../../checks/offsets-v1-limits.txt"),
    include_str!("../../checks/groups.txt"),
    include_str!("../../checks/controller.txt"),
];

/// A text of checks that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteError {
    /// The number of the line, from 1.
    line: usize,
    problem: String,
}

/// All checks of this crate.
///
/// # Panics
/// Never: a test reads all of them.
#[must_use]
pub fn checks() -> &'static [Check] {
    static CHECKS: OnceLock<Vec<Check>> = OnceLock::new();
    // Read once per process: expanding all shorthands takes longer than many checks do.
    CHECKS.get_or_init(|| {
        let mut macros = Macros::default();
        let read = TEXTS.iter().map(|text| read(text, &mut macros)).collect::<Result<Vec<_>, _>>();
        read.unwrap_or_else(|error| panic!("the checks of this crate can be read: {error}")).concat()
    })
}

/// Reads checks of your own, in the notation of this crate. The shorthands of the crate's own checks can be used.
///
/// # Errors
/// The text is not in the notation. The error names the line.
pub fn parse_checks(text: &str) -> Result<Vec<Check>, SuiteError> {
    let mut macros = Macros::default();
    read(include_str!("../../checks/definitions.txt"), &mut macros)?;
    read(text, &mut macros)
}

/// Reads one text. Definitions stay known for the texts behind it.
fn read(text: &str, macros: &mut Macros) -> Result<Vec<Check>, SuiteError> {
    let mut checks: Vec<Check> = Vec::new();
    for (line, text) in joined(text) {
        let fail = |problem| SuiteError { line, problem };
        // Three kinds of lines: a definition, the name of a check, and a line of the check above.
        if let Some(definition) = text.strip_prefix("define ") {
            macros.define(definition).map_err(fail)?;
        } else if !text.starts_with(' ') {
            checks.push(Check {
                id: text,
                rule: String::new(),
                source: String::new(),
                releases: Releases::all(),
                order: Order::Together,
                steps: Vec::new(),
            });
        } else {
            let check = checks.last_mut().ok_or_else(|| fail("a line before the first check".to_owned()))?;
            read_line(text.trim(), macros, check).map_err(fail)?;
        }
    }
    Ok(checks)
}

/// Lines without comments, each joined with those that continue it, and the number of its first line.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with("      ") => {
                before.push(' ');
                before.push_str(line.trim());
            }
            _ => lines.push((number, line.trim_end().to_owned())),
        }
    }
    lines
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for SuiteError {}
