//! Requests that can be taken apart by broker, and answers that can be put together again.
//!
//! This module knows what each request and each error code means. It knows no links, no attempts and no time. There is one
//! file for each API.

mod consumer_metadata;
mod fetch;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod produce;
mod split;
mod verdict;

use kafka08_proto::{
    api::Request,
    ids::{PartitionId, Text, TopicPartition},
};

/// Which brokers a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Any broker.
    Any,
    /// The leader of each partition.
    Leaders,
    /// The coordinator of this consumer group.
    Coordinator(&'a Text),
}

/// What an answer means for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This is the broker's last word.
    Final,
    /// The partition is asked for again after a pause.
    Again {
        /// What has to be looked up first.
        stale: Stale,
    },
}

/// What an answer has shown to be out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Nothing: the broker was asked rightly.
    Nothing,
    /// The leader of the partition.
    Leader,
    /// The coordinator of the group.
    Coordinator,
}

/// A request that can be taken apart by broker, and whose answers can be put together again.
///
/// Produce, Fetch and ListOffsets go to leaders; OffsetCommit and OffsetFetch v1 to the coordinator; their v0, Metadata
/// and ConsumerMetadata to any broker.
pub trait Routed: Request<Response: Send + 'static> + Clone + Send + 'static {
    /// Which brokers the request is for.
    fn place(&self) -> Place<'_>;

    /// The partitions of the request, each once, in the order asked. Empty if the request has none.
    fn partitions(&self) -> Vec<TopicPartition>;

    /// The same request for some of its partitions.
    ///
    /// The order and all other fields stay, and message sets are shared. A partition that is listed twice is kept
    /// twice. A request without partitions is returned whole.
    #[must_use]
    fn part(&self, keep: &mut dyn FnMut(&Text, PartitionId) -> bool) -> Self;

    /// Calls `each` with every partition of an answer, and what the answer means for it.
    ///
    /// A broker may list partitions that it was not asked for, and list a partition twice. Each entry is told, in the
    /// order of the answer. The caller hears the first entry of each partition that it asked this broker for, as
    /// [`Routed::merge`] does. A partition that the answer does not list is not told, and has no answer.
    fn verdicts(&self, answer: &Self::Response, each: &mut dyn FnMut(&Text, PartitionId, Verdict));

    /// What an answer means for a request without partitions. Final, unless the request says otherwise.
    ///
    /// Call it only if [`Routed::partitions`] is empty. [`Routed::verdicts`] tells nothing then.
    fn verdict_of_whole(&self, answer: &Self::Response) -> Verdict {
        let _ = answer;
        Verdict::Final
    }

    /// Puts answers together, in the order asked. Each has the partitions for which it has the last word.
    ///
    /// Of each answer, the first entry of each of these partitions counts, and nothing else. A partition that its answer
    /// does not list is missing in the result. If a partition is given with two answers that list it, the later one
    /// counts. Takes time proportional to n log n for n partitions.
    ///
    /// For a request without partitions, the last answer counts.
    fn merge(&self, parts: Vec<(Vec<TopicPartition>, Self::Response)>) -> Self::Response;
}
