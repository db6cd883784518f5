//! Produce: each partition goes to its leader, and is sent again only if nothing was appended.

use kafka08_proto::{
    api::{ProduceRequest, ProduceResponse},
    error_code::ErrorCode,
    fate::Fate,
    ids::{Acks, PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict, split};

impl Routed for ProduceRequest {
    fn place(&self) -> Place<'_> {
        Place::Leaders
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self { acks: self.acks, timeout: self.timeout, topics: split::part(&self.topics, keep) }
    }

    fn verdicts(&self, answer: &ProduceResponse, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, entry| verdict(entry.error, self.acks));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, ProduceResponse)>) -> ProduceResponse {
        ProduceResponse { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}

/// The verdict on a code for a partition, if the request had these acks.
fn verdict(code: ErrorCode, acks: Acks) -> Verdict {
    match code.produce_fate(acks) {
        // Code 2 is among these codes. A request is checked before it is sent, so its messages were damaged on the way.
        Some(Fate::NotApplied) => Verdict::of_leader(code),
        // The messages may be in the log, and a second append would double them. Only the caller knows whether that does
        // harm. So the code stands in the answer, temporary or not.
        Some(Fate::MaybeApplied) | None => Verdict::Final,
    }
}
