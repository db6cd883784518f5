//! OffsetFetch: version 1 goes to the coordinator of its group, version 0 to any broker.

use kafka08_proto::{
    api::{OffsetFetchRequestV0, OffsetFetchRequestV1, OffsetFetchResponseV0, OffsetFetchResponseV1},
    error_code::ErrorCode,
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict, split};

impl Routed for OffsetFetchRequestV0 {
    fn place(&self) -> Place<'_> {
        Place::Any
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self { group: self.group.clone(), topics: split::part(&self.topics, keep) }
    }

    fn verdicts(&self, answer: &OffsetFetchResponseV0, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, entry| unless_unknown(entry.error, Verdict::of_any));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, OffsetFetchResponseV0)>) -> OffsetFetchResponseV0 {
        OffsetFetchResponseV0 { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}

impl Routed for OffsetFetchRequestV1 {
    fn place(&self) -> Place<'_> {
        Place::Coordinator(&self.group)
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self { group: self.group.clone(), topics: split::part(&self.topics, keep) }
    }

    fn verdicts(&self, answer: &OffsetFetchResponseV1, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, entry| unless_unknown(entry.error, Verdict::of_coordinator));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, OffsetFetchResponseV1)>) -> OffsetFetchResponseV1 {
        OffsetFetchResponseV1 { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}

/// The verdict on a code. Code 3 is an answer: a broker sends it in version 0 if the group has committed nothing, and in
/// version 1 if the partition does not exist. 0.8.1 answers version 1 as version 0.
fn unless_unknown(code: ErrorCode, otherwise: fn(ErrorCode) -> Verdict) -> Verdict {
    if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION { Verdict::Final } else { otherwise(code) }
}
