//! Words: a name, and arguments with values.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use kafka08_proto::error_code::ErrorCode;

/// A text is not that of a rule or of a lie. Correct the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRuleError {
    problem: &'static str,
    /// The part of the text that is wrong.
    part: String,
}

impl ParseRuleError {
    pub(super) fn new(problem: &'static str, part: &str) -> Self {
        Self { problem, part: part.to_owned() }
    }
}

impl fmt::Display for ParseRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.problem, self.part)
    }
}

impl std::error::Error for ParseRuleError {}

/// A name and its arguments: `cut after=10 then=hang`. An argument without a value has an empty one.
#[derive(Debug, Default)]
pub(super) struct Phrase {
    pub(super) name: String,
    args: Vec<(String, String)>,
}

impl Phrase {
    /// Takes the value of an argument, if the phrase has it.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.args.iter().position(|(name, _)| name == key)?;
        Some(self.args.remove(at).1)
    }

    /// Takes the first argument as a name.
    pub(super) fn take_name(&mut self) -> Option<String> {
        // A name has no value. `lie empty=1` has no name.
        let (_, value) = self.args.first()?;
        if value.is_empty() { Some(self.args.remove(0).0) } else { None }
    }

    /// Takes an argument without a value.
    pub(super) fn take_flag(&mut self, key: &str) -> Option<()> {
        self.take(key).map(drop)
    }

    pub(super) fn take_as<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, ParseRuleError> {
        let parse = |value: String| value.parse().map_err(|_| ParseRuleError::new("this is not such a number", &value));
        self.take(key).map(parse).transpose()
    }

    /// Takes an argument that the phrase must have.
    pub(super) fn need(&mut self, key: &str) -> Result<String, ParseRuleError> {
        self.take(key).ok_or_else(|| ParseRuleError::new("an argument is missing", &format!("{} {key}=", self.name)))
    }

    pub(super) fn need_as<T: FromStr>(&mut self, key: &str) -> Result<T, ParseRuleError> {
        let value = self.need(key)?;
        value.parse().map_err(|_| ParseRuleError::new("this is not such a number", &value))
    }

    pub(super) fn need_duration(&mut self, key: &str) -> Result<Duration, ParseRuleError> {
        let value = self.need(key)?;
        parse_duration(&value).ok_or_else(|| ParseRuleError::new("this is not a time such as 250ms or 3s", &value))
    }

    pub(super) fn need_bytes(&mut self, key: &str) -> Result<Bytes, ParseRuleError> {
        let value = self.need(key)?;
        parse_hex(&value).ok_or_else(|| ParseRuleError::new("these are not hexadecimal digits", &value))
    }

    /// Takes the code: a number, or the name that `ErrorMapping` of 0.8 has for it.
    pub(super) fn need_code(&mut self) -> Result<ErrorCode, ParseRuleError> {
        let value = self.need("code")?;
        if let Ok(number) = value.parse() {
            return Ok(ErrorCode(number));
        }
        let named = (-1..=i16::from(i8::MAX)).map(ErrorCode).find(|code| code.name() == Some(&value));
        named.ok_or_else(|| ParseRuleError::new("no error has this code", &value))
    }

    /// Checks that all arguments were taken.
    pub(super) fn finish(self) -> Result<(), ParseRuleError> {
        match self.args.first() {
            None => Ok(()),
            Some((key, _)) => Err(ParseRuleError::new("this argument is not known here", key)),
        }
    }
}

/// Reads one phrase of a text after the other.
#[derive(Debug)]
pub(super) struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// Reads a phrase and the separator behind it: `:`, `,`, or `None` at the end.
    pub(super) fn phrase(&mut self) -> Result<(Phrase, Option<char>), ParseRuleError> {
        let mut phrase = Phrase::default();
        loop {
            self.rest = self.rest.trim_start();
            let mut chars = self.rest.chars();
            match chars.next() {
                None => return Ok((phrase, None)),
                Some(separator @ (':' | ',')) => {
                    self.rest = chars.as_str();
                    return Ok((phrase, Some(separator)));
                }
                Some(_) => {
                    let (key, value) = self.word()?;
                    // The first word without a value is the name, wherever it stands.
                    match value {
                        None if phrase.name.is_empty() => phrase.name = key,
                        value => phrase.args.push((key, value.unwrap_or_default())),
                    }
                }
            }
        }
    }

    fn word(&mut self) -> Result<(String, Option<String>), ParseRuleError> {
        let key = self.plain(|c| c == '=');
        let Some(rest) = self.rest.strip_prefix('=') else { return Ok((key, None)) };
        self.rest = rest;
        match rest.strip_prefix('"') {
            Some(rest) => self.quoted(rest).map(|value| (key, Some(value))),
            None => Ok((key, Some(self.plain(|_| false)))),
        }
    }

    fn plain(&mut self, ends: impl Fn(char) -> bool) -> String {
        let is_end = |c: char| c.is_whitespace() || c == ':' || c == ',' || ends(c);
        let (word, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn quoted(&mut self, text: &'t str) -> Result<String, ParseRuleError> {
        let bad = |text| ParseRuleError::new("a quoted value does not end, or has an unknown escape", text);
        let mut value = String::new();
        let mut chars = text.chars();
        loop {
            match chars.next().ok_or_else(|| bad(text))? {
                '"' => break,
                '\\' => match chars.next() {
                    Some(c @ ('"' | '\\')) => value.push(c),
                    // A character by its number, as in Rust.
                    Some('u') => {
                        let (digits, rest) = chars
                            .as_str()
                            .strip_prefix('{')
                            .and_then(|rest| rest.split_once('}'))
                            .ok_or_else(|| bad(text))?;
                        let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                        value.push(code.ok_or_else(|| bad(text))?);
                        chars = rest.chars();
                    }
                    _ => return Err(bad(text)),
                },
                other => value.push(other),
            }
        }
        self.rest = chars.as_str();
        Ok(value)
    }
}

/// Writes a value, in quotes if it could be read as something else. Control characters are escaped, because rules are
/// written to logs.
pub(super) fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return f.write_str(value);
    }
    f.write_str("\"")?;
    for c in value.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            ' ' | '!'..='~' => write!(f, "{c}")?,
            // Letters of any script are readable in a log. The rest may be invisible, or turn the line around.
            c if c.is_alphanumeric() => write!(f, "{c}")?,
            c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
        }
    }
    f.write_str("\"")
}

/// A time in the largest unit that gives a whole number.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{}s", self.0.as_secs()),
            nanos if nanos % 1_000_000 == 0 => write!(f, "{}ms", self.0.as_millis()),
            nanos if nanos % 1_000 == 0 => write!(f, "{}us", self.0.as_micros()),
            _ => write!(f, "{}ns", self.0.as_nanos()),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let nanos_each: u128 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    // In 128 bits, because the longest time has more nanoseconds than 64 bits can count.
    let nanos = number.parse::<u128>().ok()?.checked_mul(nanos_each)?;
    let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(secs, u32::try_from(nanos % 1_000_000_000).ok()?))
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'b>(pub(super) &'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn parse_hex(text: &str) -> Option<Bytes> {
    // Half a byte at the end is a mistake in the text, not a smaller number.
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect::<Option<Vec<u8>>>().map(Bytes::from) } else { None }
}
