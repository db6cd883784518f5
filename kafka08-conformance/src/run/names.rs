//! Names that nothing else on the broker has, so that the checks can run again on the same broker.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::notation::Variables;

/// Makes fresh names.
#[derive(Debug)]
pub(super) struct Names {
    /// The part of all names that differs between runs.
    run: String,
    /// The start of the run, in milliseconds since 1970.
    now: i64,
}

/// The number of names that were made. All runs of this process share it, so that two runs at the same time differ.
static USED: AtomicU32 = AtomicU32::new(0);

impl Names {
    /// Names for one run. They contain the time and the process, so another run has other names.
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // Within the 249 characters that a folder of the broker's log leaves for a name.
        let run = format!("{since:x}-{:x}", process::id());
        Self { run, now: i64::try_from(since).unwrap_or(i64::MAX) }
    }

    /// A name for a topic.
    pub(super) fn topic(&self) -> String {
        format!("conformance-{}-{}", self.run, next())
    }

    /// Sets the variables that every check has.
    pub(super) fn fill(&self, variables: &mut Variables) {
        let unique = next();
        variables.set_number("id", 1);
        variables.set_number("now", self.now);
        variables.set_text("topic", format!("conformance-{}-{unique}", self.run).as_bytes());
        variables.set_text("missing", format!("conformance-missing-{}-{unique}", self.run).as_bytes());
        variables.set_text("group", format!("conformance-{}-{unique}", self.run).as_bytes());
    }
}

fn next() -> u32 {
    // Only uniqueness matters, so no other memory has to be in order.
    USED.fetch_add(1, Ordering::Relaxed)
}
