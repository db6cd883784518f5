//! Lies about brokers, leaders and coordinators.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, PartitionId, Text},
};

use super::{codes::no_coordinator, partitions};
use crate::{
    faults::{Lie, target::Target},
    wire::{BrokerView, CoordinatorAnswer, MetadataAnswer, PartitionView, TopicView},
};

/// A node id that no cluster of tests uses.
const NOWHERE: NodeId = NodeId(i32::MAX);

/// The longest host that the layout can hold.
const LONGEST: usize = 32_767;

pub(super) fn lie_about_topics(answer: &mut MetadataAnswer, lie: &Lie, target: &Target) {
    match lie {
        Lie::Empty => answer.topics.retain(|topic| !target.covers_topic(&topic.topic)),
        Lie::TopicTwice => {
            let selected = answer.topics.iter().find(|topic| target.covers_topic(&topic.topic));
            let again = selected.map(|topic| TopicView { partitions: Vec::new(), ..topic.clone() });
            answer.topics.extend(again);
        }
        // Only one topic, because all topics together may be too large for memory.
        Lie::ManyPartitions { count } => {
            if let Some(topic) = answer.topics.iter_mut().find(|topic| target.covers_topic(&topic.topic)) {
                topic.partitions = many(topic, *count);
            }
        }
        _ => {
            for topic in answer.topics.iter_mut().filter(|topic| target.covers_topic(&topic.topic)) {
                lie_about_topic(topic, lie, target);
            }
        }
    }
}

fn lie_about_topic(topic: &mut TopicView, lie: &Lie, target: &Target) {
    let views = &mut topic.partitions;
    match lie {
        Lie::TopicWrong => topic.topic = partitions::wrong(&topic.topic),
        Lie::PartitionGap => {
            views.iter_mut().skip(1).for_each(|view| view.partition.0 = view.partition.0.saturating_add(1));
        }
        // Each number gets one of its own, because repeated numbers are another lie.
        Lie::PartitionNegative => {
            views.iter_mut().for_each(|view| view.partition.0 = (-1_i32).saturating_sub(view.partition.0));
        }
        Lie::PartitionMissing | Lie::PartitionTwice | Lie::PartitionExtra => {
            partitions::change(views, lie, target, |view| view.partition, |view, number| view.partition = number);
        }
        _ => {
            for view in views.iter_mut().filter(|view| target.covers_partition(view.partition)) {
                lie_about_partition(view, lie);
            }
        }
    }
}

fn lie_about_partition(view: &mut PartitionView, lie: &Lie) {
    match lie {
        Lie::LeaderMissing => {
            view.error = ErrorCode::LEADER_NOT_AVAILABLE;
            view.leader = NodeId::NONE;
            view.isr.clear();
        }
        Lie::LeaderMissingSilently => {
            // A client that looks only at the code uses this leader.
            view.error = ErrorCode::NONE;
            view.leader = NodeId::NONE;
        }
        Lie::LeaderNotListed => view.leader = NOWHERE,
        Lie::ReplicaNotListed => {
            view.replicas.push(NOWHERE);
            view.isr.push(NOWHERE);
        }
        _ => {}
    }
}

/// Views of so many partitions that have the leader of the first one.
fn many(topic: &TopicView, count: u32) -> Vec<PartitionView> {
    let leader = topic.partitions.first().map_or(NodeId::NONE, |view| view.leader);
    let view = |number| PartitionView {
        error: ErrorCode::NONE,
        partition: PartitionId(number),
        leader,
        // Replicas would make each view two allocations larger.
        replicas: Vec::new(),
        isr: Vec::new(),
    };
    (0..i32::try_from(count).unwrap_or(i32::MAX)).map(view).collect()
}

pub(super) fn lie_about_brokers(answer: &mut MetadataAnswer, lie: &Lie) {
    match lie {
        Lie::BrokersMissing => answer.brokers.clear(),
        // The port tells which of the two a client believes.
        Lie::BrokerTwice => {
            let mut again = answer.brokers.first().cloned();
            if let Some(broker) = &mut again {
                broker.port = broker.port.saturating_add(1);
            }
            answer.brokers.extend(again);
        }
        _ => answer.brokers.iter_mut().for_each(|broker| lie_about_address(broker, lie)),
    }
}

pub(super) fn lie_about_coordinator(answer: &mut CoordinatorAnswer, lie: &Lie) {
    if *lie == Lie::CoordinatorIdZero {
        let error = ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE;
        *answer = CoordinatorAnswer { error, coordinator: no_coordinator() };
    }
    lie_about_address(&mut answer.coordinator, lie);
}

fn lie_about_address(broker: &mut BrokerView, lie: &Lie) {
    match lie {
        Lie::Host { host } => broker.host = host.clone(),
        Lie::LongHost { length } => broker.host = Text::from("h".repeat(usize::from(*length).min(LONGEST))),
        Lie::HostWithNul => broker.host = Text::from_static("local\0host"),
        Lie::Port { port } => broker.port = *port,
        _ => {}
    }
}
