//! Fetch: each partition goes to its leader.

use kafka08_proto::{
    api::{FetchRequest, FetchResponse},
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict, split};

impl Routed for FetchRequest {
    fn place(&self) -> Place<'_> {
        Place::Leaders
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self {
            replica: self.replica,
            max_wait: self.max_wait,
            min_bytes: self.min_bytes,
            topics: split::part(&self.topics, keep),
        }
    }

    /// Code 1 (offset out of range) is final: the caller decides where to go on. Code -1 is temporary, because a leader
    /// sends it for an offset above the high watermark, for example after it has become the leader.
    fn verdicts(&self, answer: &FetchResponse, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, entry| Verdict::of_leader(entry.error));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, FetchResponse)>) -> FetchResponse {
        FetchResponse { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}
