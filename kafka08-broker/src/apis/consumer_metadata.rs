//! ConsumerMetadata (`KafkaApis.handleConsumerMetadataRequest`).
//!
//! Only 0.8.2 has this API. It answers from the metadata of the broker that is asked, so a broker whose metadata is late
//! names the coordinator of before.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{CorrelationId, NodeId, PartitionId, Text},
};

use super::{Caller, Outcome};
use crate::{
    cluster::Cluster,
    groups::partition_for,
    state::{Led, Now, OFFSETS_TOPIC},
    wire::{Answer, BrokerView, CoordinatorAnswer, Name},
};

impl Cluster {
    pub(crate) fn consumer_metadata(&mut self, caller: Caller, group: &Name, now: Now) -> Outcome {
        // The answer to an exception loses the correlation id. A null group is one, and so is a cluster that has never had a topic:
        // the broker knows no brokers then, on which it could create the topic of offsets.
        let knows_brokers = self.state.nodes.get(&caller.node).is_some_and(|node| !node.view.brokers.is_empty());
        let Some(group) = group.as_ref().filter(|_| knows_brokers) else {
            return Outcome::AnswerAs(CorrelationId(0), unavailable());
        };
        let answer = match self.coordinator(caller, group, now) {
            Some(coordinator) => Answer::ConsumerMetadata(CoordinatorAnswer { error: ErrorCode::NONE, coordinator }),
            None => unavailable(),
        };
        Outcome::Answer(answer)
    }

    /// The broker that coordinates a group, as far as the broker that is asked knows. The first question creates the topic of
    /// offsets.
    fn coordinator(&mut self, caller: Caller, group: &Text, now: Now) -> Option<BrokerView> {
        let node = self.state.nodes.get(&caller.node)?;
        let name = Text::from_static(OFFSETS_TOPIC);
        // The broker looks into its metadata cache and not into the log of the topic: the topic may exist for some
        // milliseconds before the broker hears of it.
        let Some(view) = node.view.topics.get(&name) else {
            let partitions = self.state.config.offsets_partitions;
            // If the topic cannot be created, the coordinator stays unavailable.
            let _ = self.state.create_topic(OFFSETS_TOPIC, partitions, Led::Later, now);
            return None;
        };
        let leader = view.get(partition_for(group, view.len()))?.leader?;
        let address = node.view.brokers.get(&leader)?;
        Some(BrokerView { node: leader, host: Text::from(address.host()), port: address.port().into() })
    }

    /// The partition of `__consumer_offsets` that a group's offsets are stored in.
    pub(super) fn offsets_partition(&self, group: &str) -> PartitionId {
        let topic = self.state.topics.id(&Text::from_static(OFFSETS_TOPIC));
        let partitions = topic.and_then(|id| self.state.topics.get(id)).map(|topic| topic.partitions.len());
        // Before the topic exists, the setting tells how many partitions it will have.
        let partitions = partitions.unwrap_or_else(|| usize::from(self.state.config.offsets_partitions));
        PartitionId(i32::try_from(partition_for(group, partitions)).unwrap_or(0))
    }
}

fn unavailable() -> Answer {
    let coordinator = BrokerView { node: NodeId::NONE, host: Text::default(), port: -1 };
    Answer::ConsumerMetadata(CoordinatorAnswer { error: ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE, coordinator })
}
