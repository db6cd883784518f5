//! Why there is no broker.

use std::{fmt, io, path::PathBuf, time::Duration};

/// Why something could not be started or run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A program is not installed.
    MissingProgram {
        /// The program's name, as it is called.
        program: String,
        /// What to install.
        package: &'static str,
    },
    /// Something failed in the file system or when starting a process.
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
    /// Maven did not bring the jars.
    Maven {
        /// What it printed.
        output: String,
    },
    /// A process ended, or was not ready in time.
    NotReady {
        /// The process, for instance "broker 1 of 0.8.2.2".
        what: String,
        /// How long was waited.
        after: Duration,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        last_lines: String,
    },
    /// A partition cannot be read.
    Log {
        /// The partition, as topic and number.
        what: String,
        /// What happened at the last attempt.
        why: String,
    },
    /// A tool failed or did not end in time.
    Tool {
        /// Its main class, or the name of a program.
        class: String,
        /// What happened.
        why: String,
        /// What it printed.
        output: String,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |error| Self::Io { doing, error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingProgram { program, package } => {
                write!(f, "{program} is not installed: install {package} (Debian: apt-get install {package})")
            }
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
            Self::Maven { output } => {
                write!(f, "Maven did not bring Kafka's jars: is its registry reachable? {output}")
            }
            Self::NotReady { what, after, log, last_lines } => {
                write!(f, "{what} was not ready after {after:?}; its log is {}, and ends:\n{last_lines}", log.display())
            }
            Self::Log { what, why } => write!(f, "{what} cannot be read: {why}"),
            Self::Tool { class, why, output } => write!(f, "{class} {why}:\n{output}"),
        }
    }
}

// The text has what the system said, so that it is not returned as the source.
impl std::error::Error for Error {}
