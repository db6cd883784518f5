//! Answers Metadata.

use kafka08_proto::{
    api::{
        Broker as BrokerAddress, MetadataRequest, MetadataResponse, PartitionMetadata, Request as _, TopicMetadata,
        Topics as Wanted,
    },
    error_code::ErrorCode,
    ids::{NodeId, PartitionId, Text},
    limits::Limits,
    profile::Profile,
};

use super::{Broker, Now, topics::Topic};

impl Broker {
    /// Answers Metadata, and creates the topics of the request (`KafkaApis.handleTopicMetadataRequest`, 0.8.2).
    pub(super) fn metadata(&mut self, request: &MetadataRequest, now: Now) -> MetadataResponse {
        let node = self.config.node;
        let topics = match &request.topics {
            Wanted::All => self.topics.iter_mut().map(|(name, topic)| describe(node, name, topic)).collect(),
            // If one name is invalid, the response has an error for all names.
            Wanted::Named(names) if request.check(Profile::V0_8_2, &Limits::default()).is_err() => {
                let topics = names.iter().map(|name| without_partitions(name, ErrorCode::INVALID_TOPIC)).collect();
                return MetadataResponse::new(Vec::new(), topics);
            }
            Wanted::Named(names) => names.iter().map(|name| self.describe_or_create(name, now)).collect(),
        };
        // As in a cluster that never had a topic, the list of brokers is empty before the first topic.
        let brokers = if self.topics.is_empty() { Vec::new() } else { vec![self.address()] };
        MetadataResponse::new(brokers, topics)
    }

    /// The metadata of a topic of the request. The topic is created if that is allowed.
    fn describe_or_create(&mut self, name: &Text, now: Now) -> TopicMetadata {
        // In 0.8, only Metadata creates topics.
        if self.topics.get_mut(name).is_none() {
            if !self.config.auto_create {
                return without_partitions(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            }
            if !self.topics.create(name, self.config.partitions, self.config.leaderless_answers, now.wall) {
                return without_partitions(name, ErrorCode::UNKNOWN);
            }
        }
        match self.topics.get_mut(name) {
            Some(topic) => describe(self.config.node, name, topic),
            None => without_partitions(name, ErrorCode::UNKNOWN),
        }
    }

    /// The address to which clients should connect.
    fn address(&self) -> BrokerAddress {
        let host = Text::from(self.advertised.host());
        BrokerAddress { node: self.config.node, host, raw_port: self.advertised.port().into() }
    }
}

/// The metadata of a topic: its partitions, which this broker leads, or an error while the topic counts as leaderless.
fn describe(node: NodeId, name: &Text, topic: &mut Topic) -> TopicMetadata {
    if topic.leaderless > 0 {
        // Responses are counted instead of time, so that tests need no clock.
        topic.leaderless -= 1;
        return without_partitions(name, ErrorCode::LEADER_NOT_AVAILABLE);
    }
    let partitions = (0..).zip(&topic.partitions).map(|(partition, _)| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(partition),
        leader: Some(node),
        replicas: vec![node],
        isr: vec![node],
    });
    TopicMetadata { error: ErrorCode::NONE, name: name.clone(), partitions: partitions.collect() }
}

/// The metadata of a topic that has only an error code.
fn without_partitions(name: &Text, error: ErrorCode) -> TopicMetadata {
    TopicMetadata { error, name: name.clone(), partitions: Vec::new() }
}
