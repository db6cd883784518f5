//! What a flush and a close tell.

use std::{fmt, time::Duration};

use super::CallError;
use crate::connection::Closed;

/// Why a flush did not succeed: what failed since the last one, and whether the connection has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlushError {
    /// Every request that has failed and that nobody waits for, in the order of failing: above all those with acks = 0.
    pub failed: Vec<CallError>,
    /// The end of the connection, if it has ended. It lists what was written and is unconfirmed.
    pub closed: Option<Box<Closed>>,
    /// The time that the flush had, if that was over before everything had left. What has not left still may: flush again
    /// to wait for it.
    pub timed_out: Option<Duration>,
}

impl FlushError {
    /// A flush whose time was over, and what had failed until then.
    #[must_use]
    pub fn timed_out(after: Duration, failed: Vec<CallError>) -> Self {
        Self { failed, closed: None, timed_out: Some(after) }
    }

    /// What has failed and how the connection has ended, as an error if either is there.
    ///
    /// # Errors
    /// Something failed, or the connection has ended.
    pub fn check(failed: Vec<CallError>, closed: Option<Closed>) -> Result<(), Self> {
        let closed = closed.map(Box::new);
        if failed.is_empty() && closed.is_none() { Ok(()) } else { Err(Self { failed, closed, timed_out: None }) }
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list_failures(f, &self.failed)?;
        if !self.failed.is_empty() && (self.closed.is_some() || self.timed_out.is_some()) {
            f.write_str("; ")?;
        }
        if let Some(after) = self.timed_out {
            write!(
                f,
                "not everything that was staged had left within {after:?}: the peer does not read, or reads slowly"
            )?;
        }
        self.closed.as_ref().map_or(Ok(()), |closed| write!(f, "{closed}"))
    }
}

impl std::error::Error for FlushError {}

/// What closing a connection brought to light.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloseReport {
    /// How the connection ended, which may have been before it was to be closed. It lists what was written and is
    /// unconfirmed.
    pub closed: Closed,
    /// Every request that has failed and that nobody waits for, since the last flush.
    pub failed: Vec<CallError>,
}

impl CloseReport {
    /// A report of this end and these failures.
    #[must_use]
    pub fn new(closed: Closed, failed: Vec<CallError>) -> Self {
        Self { closed, failed }
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.closed)?;
        if !self.failed.is_empty() {
            f.write_str("; ")?;
        }
        list_failures(f, &self.failed)
    }
}

/// How many there are, and the first in full.
fn list_failures(f: &mut fmt::Formatter<'_>, failed: &[CallError]) -> fmt::Result {
    match failed {
        [] => Ok(()),
        [only] => write!(f, "{only}"),
        // Requests that fail together mostly fail for the same reason, so the first one tells enough.
        [first, ..] => write!(f, "{} requests failed that nobody waits for; the first: {first}", failed.len()),
    }
}
