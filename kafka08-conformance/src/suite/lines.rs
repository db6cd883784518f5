//! Reads one line of a check.

use std::time::Duration;

use kafka08_proto::profile::Profile;

use super::macros::Macros;
use crate::{
    check::{Action, Check, Order, Releases, Step},
    notation::Pattern,
};

/// The time limit of an answer that has none of its own. The target's limit is shorter.
const UNLIMITED: Duration = Duration::from_secs(3600);

/// Adds what a line says to the check.
pub(super) fn read_line(line: &str, macros: &Macros, check: &mut Check) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match word {
        "rule" => rest.clone_into(&mut check.rule),
        "source" => rest.clone_into(&mut check.source),
        "releases" => check.releases = releases(rest)?,
        "order" => check.order = order(rest)?,
        _ => {
            let (word, releases) = match word.split_once('[') {
                Some((word, only)) => (word, releases(only.trim_end_matches(']'))?),
                None => (word, Releases::all()),
            };
            // Shorthands are expanded here, so that a step shows all of its bytes.
            check.steps.push(Step { releases, action: action(word, &macros.expand(rest)?)? });
        }
    }
    Ok(())
}

/// Reads releases by their numbers.
fn releases(text: &str) -> Result<Releases, String> {
    let read = text.split([' ', ',']).filter(|name| !name.is_empty()).map(|name| match name {
        "0.8.0" => Ok(Profile::V0_8_0),
        "0.8.1" => Ok(Profile::V0_8_1),
        "0.8.2" => Ok(Profile::V0_8_2),
        _ => Err(format!("not a release: {name}")),
    });
    read.collect::<Result<_, _>>().map(Releases)
}

/// Reads when a check runs.
fn order(text: &str) -> Result<Order, String> {
    match text {
        "first" => Ok(Order::First),
        "last" => Ok(Order::Last),
        _ => Err(format!("not an order: {text}")),
    }
}

/// Reads a step.
fn action(word: &str, rest: &str) -> Result<Action, String> {
    let millis = || rest.parse().map(Duration::from_millis).map_err(|_| format!("not milliseconds: {rest}"));
    let pattern = |text: &str| Pattern::parse(text).map_err(|error| error.to_string());
    Ok(match word {
        "needs" => needs(rest)?,
        "topic" => Action::Topic { variable: if rest.is_empty() { "topic" } else { rest }.to_owned() },
        "let" => {
            let (variable, value) = rest.split_once(' ').ok_or_else(|| format!("not NAME NUMBER: {rest}"))?;
            let value = value.parse().map_err(|_| format!("not a number: {value}"))?;
            Action::Let { variable: variable.to_owned(), value }
        }
        "on" => Action::On(rest.to_owned()),
        "send" => Action::Send(pattern(rest)?),
        "expect" => {
            let (not_before, rest) = time("after=", rest)?;
            let (within, rest) = time("within=", rest)?;
            Action::Expect {
                answer: pattern(rest)?,
                not_before: not_before.unwrap_or_default(),
                within: within.unwrap_or(UNLIMITED),
            }
        }
        "until" => {
            let (within, rest) = time("within=", rest)?;
            Action::Until { answer: pattern(rest)?, within: within.unwrap_or(UNLIMITED) }
        }
        "close" => Action::Close,
        "silence" => Action::Silence(millis()?),
        "half-close" => Action::HalfClose,
        "wait" => Action::Wait(millis()?),
        _ => return Err(format!("not a step: {word}")),
    })
}

/// Takes `prefix` and the milliseconds behind it from the start of a text, if they are there.
fn time<'a>(prefix: &str, text: &'a str) -> Result<(Option<Duration>, &'a str), String> {
    let Some(rest) = text.strip_prefix(prefix) else { return Ok((None, text)) };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let number = number.parse().map_err(|_| format!("not milliseconds: {number}"))?;
    Ok((Some(Duration::from_millis(number)), rest.trim_start()))
}

/// Reads a condition on a setting.
fn needs(text: &str) -> Result<Action, String> {
    let wrong = || format!("not SETTING=NUMBER, SETTING>=NUMBER or SETTING<=NUMBER: {text}");
    let at = text.find(['<', '>', '=']).ok_or_else(wrong)?;
    let (setting, condition) = text.split_at(at);
    let number: i64 = condition.trim_start_matches(['<', '>', '=']).trim().parse().map_err(|_| wrong())?;
    // Both ends are included, so the sign of equality in `<=` and `>=` may be dropped.
    let (least, most) = match condition.get(..1) {
        Some(">") => (number, i64::MAX),
        Some("<") => (i64::MIN, number),
        _ => (number, number),
    };
    Ok(Action::Needs { setting: setting.trim().to_owned(), least, most })
}
