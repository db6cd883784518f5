//! Plans as text: one setting or fault a line.
//!
//! A setting is its name and its number, and a setting that is left out has its default. A fault is the word `fault`, its
//! trigger (`t=`, `w=` or `r=` with a number), its kind and its three arguments. A line that begins with `#` is a comment.

use std::fmt;

use super::{Fault, FaultKind, Plan, Settings, Trigger};

/// A line that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the plan is neither a setting nor a fault: {:?}", self.line, self.text)
    }
}

impl std::error::Error for PlanError {}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(at) => write!(f, "t={at}"),
            Self::Write(nth) => write!(f, "w={nth}"),
            Self::Answer(nth) => write!(f, "r={nth}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { when, kind, a, b, c } = self;
        write!(f, "fault {when} {} {a} {b} {c}", kind.name())
    }
}

impl fmt::Display for Plan {
    /// Writes all settings that differ from their defaults, and all faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Settings::default();
        for name in Settings::NAMES {
            let value = self.settings.named(name);
            if let Some(value) = value.filter(|_| value != default.named(name)) {
                writeln!(f, "{name} {value}")?;
            }
        }
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl std::str::FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_understood = match words.as_slice() {
                [] => true,
                [first, ..] if first.starts_with('#') => true,
                ["fault", rest @ ..] => fault(rest).map(|fault| plan.faults.push(fault)).is_some(),
                [name, value] => set(&mut plan.settings, name, value).is_some(),
                _ => false,
            };
            if !is_understood {
                return Err(PlanError { line: number, text: line.to_owned() });
            }
        }
        Ok(plan)
    }
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Option<()> {
    *settings.named_mut(name)? = value.parse().ok()?;
    Some(())
}

fn fault(words: &[&str]) -> Option<Fault> {
    let [when, kind, a, b, c] = words else { return None };
    let (trigger, number) = when.split_once('=')?;
    let number = number.parse().ok()?;
    let when = match trigger {
        "t" => Trigger::Time(number),
        "w" => Trigger::Write(number),
        "r" => Trigger::Answer(number),
        _ => return None,
    };
    let kind = FaultKind::of_name(kind)?;
    Some(Fault { when, kind, a: a.parse().ok()?, b: b.parse().ok()?, c: c.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::Stream;

    #[test]
    fn a_plan_that_is_written_and_read_is_the_same() {
        for seed in 0..50 {
            let plan = Plan::draw(&mut Stream::new(seed));
            assert_eq!(plan.to_string().parse(), Ok(plan));
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for text in ["brokers", "colour 3", "fault t=1 explode 0 0 0", "fault x=1 reset 0 0 0", "brokers -1"] {
            let plan = format!("# a comment\n\n{text}\n");
            assert_eq!(plan.parse::<Plan>().unwrap_err().line, 3, "{text}");
        }
    }
}
