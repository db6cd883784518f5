//! The partitions that a rule selects.
//!
//! A request that names no partition, such as Heartbeat, is selected only by a target that selects all.

use kafka08_proto::ids::{PartitionId, Text};

use crate::wire::{Name, Place, Places, Request};

/// The topic and the partition that a rule selects. What is not given selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) topic: Option<Text>,
    pub(crate) partition: Option<PartitionId>,
}

impl Target {
    pub(super) fn covers_topic(&self, topic: &Name) -> bool {
        self.topic.is_none() || self.topic == *topic
    }

    pub(super) fn covers_partition(&self, partition: PartitionId) -> bool {
        self.partition.is_none_or(|wanted| wanted == partition)
    }

    pub(super) fn covers(&self, topic: &Name, partition: PartitionId) -> bool {
        self.covers_topic(topic) && self.covers_partition(partition)
    }

    pub(super) fn covers_place(&self, place: &Place) -> bool {
        self.covers(&place.topic, place.partition)
    }

    /// Whether the request names a partition that is selected.
    pub(super) fn is_in(&self, request: &Request) -> bool {
        if *self == Self::default() {
            return true;
        }
        match request {
            Request::Produce { sets, .. } => self.is_among(sets),
            Request::Fetch { parts, .. } => self.is_among(parts),
            Request::ListOffsets { parts, .. } => self.is_among(parts),
            Request::OffsetCommit { parts, .. } => self.is_among(parts),
            Request::OffsetFetch { parts, .. } => self.is_among(parts),
            // No names ask for all topics. Which partitions there are is known only from the answer.
            Request::Metadata { names } => names.is_empty() || names.iter().any(|name| self.covers_topic(name)),
            Request::ConsumerMetadata { .. }
            | Request::JoinGroup
            | Request::Heartbeat
            | Request::ControlledShutdown
            | Request::OfController { .. }
            | Request::Unreadable => false,
        }
    }

    fn is_among<T>(&self, places: &Places<T>) -> bool {
        places.keys().any(|place| self.covers_place(place))
    }
}
