//! OffsetCommit: version 1 goes to the coordinator of its group, version 0 to any broker.
//!
//! A commit changes the broker's data, but it sets a value and does not add to one: the same commit applied twice leaves
//! what it leaves when it is applied once. So a commit is sent again after every temporary code, also after those that may
//! come from a broker that has stored the offset (-1, 7 and 20). A resend can still set a group back, if a later commit of
//! the same partition was stored in between. That can happen after every code, for example after 16 too, so the fate makes
//! no difference. A caller that waits for the end of a commit before it begins the next one is safe.

use kafka08_proto::{
    api::{OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse},
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict, split};

impl Routed for OffsetCommitRequestV0 {
    fn place(&self) -> Place<'_> {
        Place::Any
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self { group: self.group.clone(), topics: split::part(&self.topics, keep) }
    }

    /// Code 3 is temporary: the broker has not heard yet of a topic that was just created. -1 means trouble with
    /// ZooKeeper.
    fn verdicts(&self, answer: &OffsetCommitResponse, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, code| Verdict::of_any(*code));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, OffsetCommitResponse)>) -> OffsetCommitResponse {
        OffsetCommitResponse { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}

impl Routed for OffsetCommitRequestV1 {
    fn place(&self) -> Place<'_> {
        Place::Coordinator(&self.group)
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self {
            group: self.group.clone(),
            generation: self.generation,
            consumer: self.consumer.clone(),
            topics: split::part(&self.topics, keep),
        }
    }

    fn verdicts(&self, answer: &OffsetCommitResponse, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |_, _, code| Verdict::of_coordinator(*code));
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, OffsetCommitResponse)>) -> OffsetCommitResponse {
        OffsetCommitResponse { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}
