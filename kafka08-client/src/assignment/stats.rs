//! How far all of an assignment is.

use super::Assignment;

/// What is assigned, how far it is behind, and what waits to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AssignmentStats {
    /// Partitions that are assigned.
    pub partitions: usize,
    /// Those of them that are paused.
    pub paused: usize,
    /// Those of which nothing will come any more.
    pub finished: usize,
    /// How many offsets the positions are behind the high watermarks, together. See [`Assignment::lag`].
    pub lag: u64,
    /// Partitions whose position or high watermark is not known yet.
    pub unknown: usize,
    /// The bytes of responses of which something was not taken: what was fetched ahead.
    pub undelivered: usize,
    /// Entries that could not be read, so far.
    pub corrupt_entries: u64,
}

impl Assignment {
    /// What is assigned, how far it is behind, and what waits to be taken. Looks at each partition.
    #[must_use]
    pub fn stats(&self) -> AssignmentStats {
        let mut stats = AssignmentStats {
            partitions: self.by_name.len(),
            undelivered: self.frames.total(),
            corrupt_entries: self.errors,
            ..AssignmentStats::default()
        };
        for part in self.by_name.values().filter_map(|at| self.part(*at)) {
            stats.paused += usize::from(part.is_paused);
            stats.finished += usize::from(part.is_finished());
            match part.lag() {
                Some(lag) => stats.lag = stats.lag.saturating_add(lag),
                None => stats.unknown += 1,
            }
        }
        stats
    }
}
