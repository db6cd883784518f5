//! Metadata (`KafkaApis.handleTopicMetadataRequest`).
//!
//! A broker answers from its view of the cluster, which the controller feeds and which may be late. The view is never
//! corrected from the true state here, so a client sees the stale leaders that it must cope with. This is the only API of a
//! client that creates topics.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_proto::{
    HostPort,
    error_code::ErrorCode,
    ids::{NodeId, Text},
    profile::Profile,
};

use super::Caller;
use crate::{
    cluster::Cluster,
    state::{BrokersView, Led, Now, OFFSETS_TOPIC, ViewOfPartition, ViewOfTopic, is_valid_name},
    wire::{Answer, BrokerView, MetadataAnswer, Name, PartitionView, TopicView},
};

/// What a broker knows of one topic that was asked for.
enum Known {
    /// The topic has these partitions.
    Topic(ViewOfTopic),
    /// The topic has no leader yet, or is not there.
    Without(ErrorCode),
}

impl Cluster {
    pub(crate) fn metadata(&mut self, caller: Caller, names: &BTreeSet<Name>, now: Now) -> Answer {
        let asked = if names.is_empty() { self.all_topics(caller) } else { names.iter().cloned().collect() };
        let mut topics = Vec::with_capacity(asked.len());
        for name in &asked {
            match self.describe_or_create(caller, name, now) {
                Ok(known) => topics.push((name.clone(), known)),
                // One bad name spoils the answer for all names.
                Err(error) => return Answer::Metadata(failed(&asked, error)),
            }
        }
        // The view is read after all topics were created: the first topic of a cluster is also the news of its brokers, and
        // the answer has to tell them.
        let Some(node) = self.state.nodes.get(&caller.node) else {
            return Answer::Metadata(failed(&asked, ErrorCode::UNKNOWN));
        };
        // 0.8.0 and 0.8.1 take every broker that was ever there for live.
        let live: &BrokersView = if caller.profile == Profile::V0_8_2 { &node.view.brokers } else { &node.view.ever };
        let mut views: Vec<TopicView> = topics.into_iter().map(|(name, known)| view_of(name, known, live)).collect();
        let brokers = brokers_of(caller.profile, live, &views);
        let seed = self.seed();
        for view in &mut views {
            // 0.8.0 sorts the partitions; later releases write the order of a hash map.
            if caller.profile > Profile::V0_8_0 {
                seed.shuffle(&mut view.partitions);
            }
        }
        seed.shuffle(&mut views);
        Answer::Metadata(MetadataAnswer { brokers, topics: views })
    }

    /// The names of all topics that the broker knows. 0.8.0 reads them from ZooKeeper.
    fn all_topics(&self, caller: Caller) -> Vec<Name> {
        if caller.profile == Profile::V0_8_0 {
            return self.state.topics.iter().map(|(_, topic)| Some(topic.name.clone())).collect();
        }
        let view = self.state.nodes.get(&caller.node).map(|node| &node.view);
        view.into_iter().flat_map(|view| view.topics.keys().cloned().map(Some)).collect()
    }

    /// What the broker knows of a topic, which it creates if that is allowed.
    fn describe_or_create(&mut self, caller: Caller, name: &Name, now: Now) -> Result<Known, ErrorCode> {
        // A null name is an exception that no release names.
        let Some(name) = name else { return Err(ErrorCode::UNKNOWN) };
        let view = self.state.nodes.get(&caller.node).and_then(|node| node.view.topics.get(name));
        if let Some(view) = view {
            return Ok(Known::Topic(view.to_vec()));
        }
        // `KafkaApis.getTopicMetadata` of 0.8.2 creates the topic of offsets even if `auto.create.topics.enable` is false.
        let is_internal = caller.profile == Profile::V0_8_2 && *name == OFFSETS_TOPIC;
        if !self.state.config.auto_create && !is_internal {
            return Ok(Known::Without(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
        if !is_valid_name(name) {
            let error = if caller.profile == Profile::V0_8_2 { ErrorCode::INVALID_TOPIC } else { ErrorCode::UNKNOWN };
            return Err(error);
        }
        let partitions = if is_internal { self.state.config.offsets_partitions } else { self.state.config.partitions };
        self.state.create_topic(name, partitions, Led::Later, now)?;
        // Even if the topic has leaders at once, this broker looked before it had any.
        Ok(Known::Without(ErrorCode::LEADER_NOT_AVAILABLE))
    }
}

/// The answer to a request that has failed as a whole.
fn failed(names: &[Name], error: ErrorCode) -> MetadataAnswer {
    let topics = names.iter().map(|name| TopicView { error, topic: name.clone(), partitions: Vec::new() });
    MetadataAnswer { brokers: Vec::new(), topics: topics.collect() }
}

fn view_of(name: Name, known: Known, live: &BrokersView) -> TopicView {
    match known {
        Known::Without(error) => TopicView { error, topic: name, partitions: Vec::new() },
        Known::Topic(partitions) => TopicView {
            error: ErrorCode::NONE,
            topic: name,
            partitions: partitions.iter().map(|partition| view_of_partition(partition, live)).collect(),
        },
    }
}

fn view_of_partition(partition: &ViewOfPartition, live: &BrokersView) -> PartitionView {
    let living = |nodes: &[NodeId]| nodes.iter().copied().filter(|node| live.contains_key(node)).collect::<Vec<_>>();
    let replicas = living(&partition.replicas);
    let partition_id = partition.partition;
    // A partition without a leader lists the replicas that are live and no replica in sync, whatever the controller knows of
    // them (`AdminUtils`, `MetadataCache`).
    let Some(leader) = partition.leader.filter(|leader| live.contains_key(leader)) else {
        let error = ErrorCode::LEADER_NOT_AVAILABLE;
        return PartitionView { error, partition: partition_id, leader: NodeId::NONE, replicas, isr: Vec::new() };
    };
    let isr = living(&partition.isr);
    // The leader is fine all the same.
    let has_all = replicas.len() == partition.replicas.len() && isr.len() == partition.isr.len();
    let error = if has_all { ErrorCode::NONE } else { ErrorCode::REPLICA_NOT_AVAILABLE };
    PartitionView { error, partition: partition_id, leader, replicas, isr }
}

/// The brokers that an answer lists: all live ones, or before 0.8.2 those of the partitions in the answer.
fn brokers_of(profile: Profile, live: &BrokersView, topics: &[TopicView]) -> Vec<BrokerView> {
    let named: BTreeMap<NodeId, &HostPort> = if profile == Profile::V0_8_2 {
        live.iter().map(|(node, address)| (*node, address)).collect()
    } else {
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let nodes = partitions.flat_map(|partition| partition.replicas.iter().chain([&partition.leader]));
        nodes.filter_map(|node| live.get_key_value(node)).map(|(node, address)| (*node, address)).collect()
    };
    let view = |(node, address): (NodeId, &HostPort)| BrokerView {
        node,
        host: Text::from(address.host()),
        port: address.port().into(),
    };
    named.into_iter().map(view).collect()
}
