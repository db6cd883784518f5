//! A check: a rule, and the exchange that tells whether a broker keeps it.

use std::{fmt, time::Duration};

use kafka08_proto::profile::Profile;

use crate::notation::Pattern;

/// The releases for which a check or a step holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Releases(pub(crate) Vec<Profile>);

/// A rule of the protocol, and an exchange that tells whether a broker keeps it.
#[derive(Clone, Debug)]
pub struct Check {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) source: String,
    pub(crate) releases: Releases,
    pub(crate) order: Order,
    pub(crate) steps: Vec<Step>,
}

/// When a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Before all others, one by one, in the order of their text. For brokers that have just started.
    First,
    /// With others at the same time.
    Together,
    /// After all others, one by one.
    Last,
}

/// One step of an exchange.
#[derive(Clone, Debug)]
pub struct Step {
    /// The releases for which the step is taken. For others it is left out.
    pub releases: Releases,
    /// What is done or expected.
    pub action: Action,
}

/// What a step does or expects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Skips the check unless a setting of the target, or a variable, is in this range.
    Needs {
        /// The name of the setting.
        setting: String,
        /// The smallest value.
        least: i64,
        /// The largest value.
        most: i64,
    },
    /// Makes a topic of a fresh name by asking for its metadata until every partition has a leader.
    Topic {
        /// The variable for the name.
        variable: String,
    },
    /// Sets a variable to a number.
    Let {
        /// The name of the variable.
        variable: String,
        /// The number.
        value: i64,
    },
    /// Uses another connection for the following steps. It is opened on first use.
    On(String),
    /// Sends bytes.
    Send(Pattern),
    /// Expects one frame.
    Expect {
        /// The bytes of the frame, with its length.
        answer: Pattern,
        /// The shortest time since the last bytes were sent.
        not_before: Duration,
        /// The longest time since the last bytes were sent.
        within: Duration,
    },
    /// Sends the bytes of the last [`Action::Send`] again and again, until the answer is this one.
    Until {
        /// The bytes of the frame, with its length.
        answer: Pattern,
        /// How long this is tried.
        within: Duration,
    },
    /// Expects the end of the connection, and no byte before it.
    Close,
    /// Expects no byte and no end of the connection for this time.
    Silence(Duration),
    /// Ends the sending direction of the connection.
    HalfClose,
    /// Lets time pass.
    Wait(Duration),
}

impl Releases {
    /// All releases.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2])
    }

    /// Whether this release is among them.
    #[must_use]
    pub fn contains(&self, release: Profile) -> bool {
        self.0.contains(&release)
    }
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|&release| name(release)).collect();
        f.write_str(&names.join(" "))
    }
}

/// The number of a release line, as the checks and the command line write it.
pub(crate) fn name(release: Profile) -> &'static str {
    match release {
        Profile::V0_8_0 => "0.8.0",
        Profile::V0_8_1 => "0.8.1",
        Profile::V0_8_2 => "0.8.2",
    }
}

impl Check {
    /// The name of the check, which stays the same between versions of this crate: a group, a dot and a behaviour.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The rule in one sentence.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Where the rule comes from: a class of Kafka, a release on which it was seen, or both.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The releases for which the rule holds.
    #[must_use]
    pub fn releases(&self) -> &Releases {
        &self.releases
    }

    /// When the check runs.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// The exchange.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

// As in the texts, with all shorthands expanded. Reports show steps this way.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs { setting, least, most } => write!(f, "needs {setting} from {least} to {most}"),
            Self::Topic { variable } => write!(f, "topic {variable}"),
            Self::Let { variable, value } => write!(f, "let {variable} {value}"),
            Self::On(link) => write!(f, "on {link}"),
            Self::Send(bytes) => write!(f, "send {bytes}"),
            Self::Expect { answer, .. } => write!(f, "expect {answer}"),
            Self::Until { answer, .. } => write!(f, "until {answer}"),
            Self::Close => f.write_str("close"),
            Self::Silence(time) => write!(f, "silence {}", time.as_millis()),
            Self::HalfClose => f.write_str("half-close"),
            Self::Wait(time) => write!(f, "wait {}", time.as_millis()),
        }
    }
}
