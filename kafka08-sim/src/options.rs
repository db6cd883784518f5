//! The options of the program.

use kafka08_sim::{
    history::Detail,
    plan::{Plan, Settings},
};

/// What is printed when the options are not understood.
pub(crate) const USAGE: &str = "\
usage: kafka08-sim --seeds N [--from S] | --seed S | --plan FILE | --bytes FILE
  --set NAME=VALUE   sets a setting of every plan that is drawn
  --threads N        how many threads run seeds (default: 2)
  --reports N        how many failures are shown (default: 10)
  --no-shrink        shows failures as they are
  --rows             shows what happens in a single run
  --save DIRECTORY   writes the plans of failures there";

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// So many seeds from a first one on.
    Seeds {
        /// The first seed.
        first: u64,
        /// How many.
        count: u64,
    },
    /// One seed.
    Seed(u64),
    /// The plan in a file.
    Plan(String),
    /// The plan that the bytes of a file draw.
    Bytes(String),
}

/// Whether plans that fail are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shrinks {
    /// They are.
    Yes,
    /// They are shown as they are.
    No,
}

/// The options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) what: What,
    pub(crate) threads: u32,
    pub(crate) most_reports: usize,
    pub(crate) shrinks: Shrinks,
    pub(crate) detail: Detail,
    pub(crate) save: Option<String>,
    settings: Vec<(String, u64)>,
}

impl Options {
    /// Reads the options.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let mut options = Self {
            what: What::Seeds { first: 0, count: 100 },
            threads: 2,
            most_reports: 10,
            shrinks: Shrinks::Yes,
            detail: Detail::Brief,
            save: None,
            settings: Vec::new(),
        };
        let (mut first, mut count) = (0, None);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--seeds" => count = Some(number(&value()?)?),
                "--from" => first = number(&value()?)?,
                "--seed" => options.what = What::Seed(number(&value()?)?),
                "--plan" => options.what = What::Plan(value()?),
                "--bytes" => options.what = What::Bytes(value()?),
                "--set" => options.settings.push(setting(&value()?)?),
                "--threads" => options.threads = u32::try_from(number(&value()?)?.max(1)).unwrap_or(1),
                "--reports" => options.most_reports = usize::try_from(number(&value()?)?).unwrap_or(0),
                "--no-shrink" => options.shrinks = Shrinks::No,
                "--rows" => options.detail = Detail::Rows,
                "--save" => options.save = Some(value()?),
                other => return Err(format!("the option {other} is unknown")),
            }
        }
        if let Some(count) = count {
            options.what = What::Seeds { first, count };
        }
        Ok(options)
    }

    /// Sets what the options say of every plan.
    pub(crate) fn change(&self, plan: &mut Plan) {
        for (name, value) in &self.settings {
            if let Some(setting) = plan.settings.named_mut(name) {
                *setting = *value;
            }
        }
    }

    /// The options that repeat the changes.
    pub(crate) fn changes(&self) -> String {
        self.settings.iter().map(|(name, value)| format!(" --set {name}={value}")).collect()
    }
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is not a number"))
}

fn setting(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    if !Settings::NAMES.contains(&name) {
        return Err(format!("there is no setting {name:?}: the settings are {}", Settings::NAMES.join(", ")));
    }
    Ok((name.to_owned(), number(value)?))
}
