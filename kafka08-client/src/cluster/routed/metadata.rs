//! Metadata: goes to any broker, and is not taken apart.

use std::collections::BTreeSet;

use kafka08_proto::{
    api::{MetadataRequest, MetadataResponse, Topics},
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Place, Routed, Verdict};

impl Routed for MetadataRequest {
    fn place(&self) -> Place<'_> {
        Place::Any
    }

    /// None: the request names topics, and the answer says which partitions they have.
    fn partitions(&self) -> Vec<TopicPartition> {
        Vec::new()
    }

    fn part(&self, _: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self {
        self.clone()
    }

    /// Nothing is told. The codes of topics and partitions are what the caller has asked for, so an answer as a whole is
    /// always final.
    fn verdicts(&self, _: &MetadataResponse, _: &mut dyn FnMut(&Text, PartitionId, Verdict)) {}

    /// If the request names topics, the result has only these, in the order asked, and the first entry of each.
    fn merge(&self, mut parts: Vec<(Vec<TopicPartition>, MetadataResponse)>) -> MetadataResponse {
        let answer = parts.pop().map(|(_, answer)| answer).unwrap_or_default();
        let Topics::Named(names) = &self.topics else { return answer };
        let mut seen = BTreeSet::new();
        let asked = names.iter().filter(|name| seen.insert(*name));
        let topics = asked.filter_map(|name| answer.topic(name).cloned()).collect();
        MetadataResponse::new(answer.brokers().to_vec(), topics)
    }
}
