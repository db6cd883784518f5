//! How far an assignment is: each partition, and all together.

use kafka08_proto::ids::TopicPartition;

use super::{Assignment, part::Stage};

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
    /// Whether a partition is read, also if it has ended or failed.
    #[must_use]
    pub fn is_assigned(&self, of: &TopicPartition) -> bool {
        self.by_name.contains_key(of)
    }

    /// Whether no more will come of a partition: it has reached its end, has failed or has halted. What has come may wait.
    #[must_use]
    pub fn has_ended(&self, of: &TopicPartition) -> bool {
        self.by_name.get(of).and_then(|at| self.part(*at)).is_some_and(|part| part.stage != Stage::Reading)
    }

    /// Whether something of a partition has come and was not taken, also if it is paused.
    #[must_use]
    pub fn has_waiting(&self, of: &TopicPartition) -> bool {
        self.by_name.get(of).and_then(|at| self.part(*at)).is_some_and(|part| !part.waiting.is_empty())
    }

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
