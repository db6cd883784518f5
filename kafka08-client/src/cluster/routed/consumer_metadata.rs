//! ConsumerMetadata: goes to any broker, and has no partitions.

use kafka08_proto::{
    api::{ConsumerMetadataRequest, ConsumerMetadataResponse},
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict};

impl Routed for ConsumerMetadataRequest {
    fn place(&self) -> Place<'_> {
        Place::Any
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        Vec::new()
    }

    fn part(&self, _: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        self.clone()
    }

    fn verdicts(&self, _: &ConsumerMetadataResponse, _: &mut dyn FnMut(&Text, PartitionId, Verdict)) {}

    /// The first request in a cluster creates the topic of the coordinators, and gets code 15 until the topic has leaders.
    fn verdict_of_whole(&self, answer: &ConsumerMetadataResponse) -> Verdict {
        // Code 15 does not make a coordinator stale here: this request is the look-up.
        Verdict::of_any(answer.error)
    }

    fn merge(&self, mut parts: Vec<(Vec<TopicPartition>, ConsumerMetadataResponse)>) -> ConsumerMetadataResponse {
        parts.pop().map_or_else(ConsumerMetadataResponse::not_available, |(_, answer)| answer)
    }
}
