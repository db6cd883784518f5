//! The results of a run. The table is for people, the JSON for programs, and the exit code for scripts.

mod json;

use std::{fmt, time::Duration};

use kafka08_proto::profile::Profile;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The broker keeps the rule.
    Passed,
    /// The broker breaks the rule.
    Failed(Box<Failure>),
    /// The check cannot judge this broker. The text is the reason.
    Skipped(String),
    /// The exchange could not take place, for example because no connection could be opened. The text is the reason.
    Error(String),
}

/// How a broker breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step that failed, in the notation of the checks.
    pub step: String,
    /// What is wrong, in one sentence.
    pub reason: String,
    /// What was expected: hex with the name of each field, or a sentence.
    pub expected: String,
    /// The bytes that came: hex with the name of each field up to the wrong one.
    pub found: String,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The id of the check.
    pub id: String,
    /// The rule in one sentence.
    pub rule: String,
    /// What was found.
    pub verdict: Verdict,
    /// How long the check took.
    pub took: Duration,
}

/// The results of a run, in the order of the checks. `Display` prints a table.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) address: String,
    pub(crate) release: Profile,
    pub(crate) results: Vec<CheckResult>,
    pub(crate) took: Duration,
}

/// How many checks had each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that were skipped.
    pub skipped: usize,
    /// Checks that could not take place.
    pub errors: usize,
}

impl Verdict {
    /// One word: "pass", "fail", "skip" or "error".
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed(_) => "fail",
            Self::Skipped(_) => "skip",
            Self::Error(_) => "error",
        }
    }
}

impl Report {
    /// The result of each check.
    #[must_use]
    pub fn results(&self) -> &[CheckResult] {
        &self.results
    }

    /// The address of the broker.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The release that the broker was judged as.
    #[must_use]
    pub fn release(&self) -> Profile {
        self.release
    }

    /// How long the run took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// How many checks had each verdict.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.results.iter().fold(Counts::default(), |mut counts, result| {
            let count = match result.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed(_) => &mut counts.failed,
                Verdict::Skipped(_) => &mut counts.skipped,
                Verdict::Error(_) => &mut counts.errors,
            };
            *count += 1;
            counts
        })
    }

    /// Whether no check failed or had an error. A report without any passed check is no success either.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let Counts { passed, failed, errors, .. } = self.counts();
        passed > 0 && failed == 0 && errors == 0
    }

    /// The status for a process to end with: 0 after a success, 2 if a check had an error, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.counts() {
            // First: after an error nobody knows what the other checks would have found.
            Counts { errors: 1.., .. } => 2,
            _ => u8::from(!self.is_success()),
        }
    }

    /// The report as one JSON object. Its keys are `address`, `release`, `took_ms`, `counts` and `results`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::write(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.results.iter().map(|result| result.id.len()).max().unwrap_or(0);
        for CheckResult { id, rule, verdict, .. } in &self.results {
            writeln!(f, "{:<5}  {id:<width$}  {rule}", verdict.word())?;
            match verdict {
                Verdict::Passed => {}
                Verdict::Failed(failure) => write!(f, "{failure}")?,
                Verdict::Skipped(reason) | Verdict::Error(reason) => writeln!(f, "       {reason}")?,
            }
        }
        let Counts { passed, failed, skipped, errors } = self.counts();
        let (address, release, seconds) = (&self.address, self.release, self.took.as_secs_f32());
        writeln!(
            f,
            "{address} as {release}: {passed} passed, {failed} failed, {skipped} skipped, {errors} errors, in {seconds:.1} s"
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "       {}", self.reason)?;
        for (title, text) in [("expected", &self.expected), ("found", &self.found)] {
            writeln!(f, "       {title}:")?;
            text.lines().try_for_each(|line| writeln!(f, "         {line}"))?;
        }
        Ok(())
    }
}
