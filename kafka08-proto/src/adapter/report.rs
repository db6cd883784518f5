//! What a flush and a close report.

use std::{fmt, time::Duration};

use super::CallError;
use crate::connection::Closed;

/// Why a flush has failed: the requests that have failed since the last flush, and the end of the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlushError {
    /// The requests that have failed and that nobody waits for, in the order of failing. Mostly these are produces with
    /// acks = 0.
    pub failed: Vec<CallError>,
    /// The end of the connection, if it has ended. It lists the unconfirmed requests.
    pub closed: Option<Box<Closed>>,
    /// The timeout of the flush, if it was over before everything was written. The rest may still be written: flush again to
    /// wait for it.
    pub timed_out: Option<Duration>,
}

impl FlushError {
    /// The error of a flush whose timeout was over, with the requests that had failed until then.
    #[must_use]
    pub fn timed_out(after: Duration, failed: Vec<CallError>) -> Self {
        Self { failed, closed: None, timed_out: Some(after) }
    }

    /// The result of a flush.
    ///
    /// # Errors
    /// A request has failed, or the connection has ended.
    pub fn check(failed: Vec<CallError>, closed: Option<Closed>) -> Result<(), Self> {
        let closed = closed.map(Box::new);
        if failed.is_empty() && closed.is_none() { Ok(()) } else { Err(Self { failed, closed, timed_out: None }) }
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list_failures(f, &self.failed, self.closed.as_deref())?;
        if !self.failed.is_empty() && (self.closed.is_some() || self.timed_out.is_some()) {
            f.write_str("; ")?;
        }
        if let Some(after) = self.timed_out {
            write!(
                f,
                "not all staged requests were written within {after:?}: the peer does not read, or reads slowly; flush again to \
                 wait for the rest"
            )?;
        }
        self.closed.as_ref().map_or(Ok(()), |closed| write!(f, "{closed}"))
    }
}

impl std::error::Error for FlushError {}

/// What is known after a connection was closed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloseReport {
    /// How the connection has ended, which may have been before the close. It lists the unconfirmed requests.
    pub closed: Closed,
    /// The requests that have failed since the last flush and that nobody waits for.
    pub failed: Vec<CallError>,
}

impl CloseReport {
    /// Creates a report.
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
        list_failures(f, &self.failed, Some(&self.closed))
    }
}

/// Writes the number of failures, and the first of them.
fn list_failures(f: &mut fmt::Formatter<'_>, failed: &[CallError], closed: Option<&Closed>) -> fmt::Result {
    let Some(first) = failed.first() else { return Ok(()) };
    if failed.len() > 1 {
        // Requests that fail together mostly fail for the same reason, so the first one tells enough.
        write!(f, "{} requests failed that nobody waits for; the first: ", failed.len())?;
    }
    first.fmt_beside(closed, f)
}
