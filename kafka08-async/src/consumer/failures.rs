//! Why partitions are read no further, as long as nobody was told.

use std::collections::VecDeque;

use kafka08_client::{assignment::Assignment, consumer::FetchCause};
use kafka08_proto::ids::TopicPartition;

use super::ConsumeError;

/// Failures of partitions, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<(TopicPartition, FetchCause)>);

impl Failures {
    pub(super) fn add(&mut self, partition: TopicPartition, cause: FetchCause) {
        self.0.push_back((partition, cause));
    }

    /// The number of failures that can be told, if it is not more than `most`. What has come of a partition is taken before: whoever
    /// learns that it has failed seeks, and would leave it out.
    pub(super) fn due(&self, assignment: &Assignment, most: usize) -> usize {
        self.0.iter().filter(|(of, _)| !assignment.has_waiting(of)).take(most).count()
    }

    /// The next failure that can be told.
    pub(super) fn take(&mut self, assignment: &Assignment) -> Option<ConsumeError> {
        let at = self.0.iter().position(|(of, _)| !assignment.has_waiting(of))?;
        let (partition, cause) = self.0.remove(at)?;
        Some(ConsumeError::Failed { partition, cause: Box::new(cause) })
    }

    /// What is said now of a partition counts, and not how it has failed before.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        self.0.retain(|(of, _)| of != partition);
    }

    /// Forgets the failures of partitions that are read no longer.
    pub(super) fn forget_unassigned(&mut self, assignment: &Assignment) {
        self.0.retain(|(of, _)| assignment.is_assigned(of));
    }
}
