//! ListOffsets: each partition goes to its leader.

use kafka08_proto::{
    api::{ListOffsetsRequest, ListOffsetsResponse},
    error_code::ErrorCode,
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict, split};

impl Routed for ListOffsetsRequest {
    fn place(&self) -> Place<'_> {
        Place::Leaders
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        split::partitions(&self.topics)
    }

    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        Self { replica: self.replica, topics: split::part(&self.topics, keep) }
    }

    fn verdicts(&self, answer: &ListOffsetsResponse, each: &mut dyn FnMut(&Text, PartitionId, Verdict)) {
        split::verdicts(&answer.topics, each, |topic, partition, entry| {
            // A broker answers a negative count with -1, every time. Other causes of -1 may pass.
            let negative = || self.topics.find(topic, partition).is_some_and(|asked| asked.max_offsets < 0);
            if entry.error == ErrorCode::UNKNOWN && negative() {
                return Verdict::Final;
            }
            Verdict::of_leader(entry.error)
        });
    }

    fn merge(&self, parts: Vec<(Vec<TopicPartition>, ListOffsetsResponse)>) -> ListOffsetsResponse {
        ListOffsetsResponse { topics: split::merge(&self.topics, &parts, |answer| &answer.topics) }
    }
}
