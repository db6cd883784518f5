//! What a consumer holds besides its partitions and brokers.

use std::time::{Duration, Instant};

use kafka08_proto::{
    api::MAX_WAIT,
    ids::{Millis, Offset, Text},
};

use crate::{
    assignment::{Epoch, PartitionIndex},
    backoff::Backoff,
    cluster::ClusterStats,
    config::{ConsumerConfig, Reset},
};

/// The settings that fetching needs.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) max_wait: Millis,
    pub(super) partition_bytes: usize,
    pub(super) room: usize,
    /// The most that can be asked for in one fetch.
    pub(super) max_fetch: usize,
    /// The limits of a response and of a request, with what is around messages.
    pub(super) max_frame: usize,
    pub(super) max_request: usize,
    /// The bytes of the client id.
    pub(super) client_id: usize,
    pub(super) reset: Reset,
    pub(super) stall_after: Duration,
    pub(super) retry_backoff: Backoff,
}

impl Terms {
    pub(super) fn of(config: &ConsumerConfig) -> Self {
        let client = &config.cluster.client;
        Self {
            max_wait: Millis::try_from(config.max_wait).unwrap_or(MAX_WAIT),
            partition_bytes: config.partition_bytes.min(config.max_fetch()),
            room: config.room,
            max_fetch: config.max_fetch(),
            max_frame: client.limits().max_frame,
            max_request: client.limits().max_request,
            client_id: client.client_id().map_or(0, |id| id.len()),
            reset: config.reset,
            stall_after: config.stall_after,
            retry_backoff: config.cluster.retry_backoff,
        }
    }
}

/// What happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A partition is asked for again.
    Again(PartitionIndex),
    /// A partition has had trouble for long.
    Stalled(PartitionIndex),
    /// The partitions of a topic were not known for long.
    Unlisted(Text),
    /// What has passed is committed.
    Commit,
}

/// How far closing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    /// Commits are waited for until this time.
    Closing {
        until: Instant,
        /// The assignment was met since, so no commit comes any more.
        is_last_asked: bool,
    },
    Closed,
}

impl Life {
    /// When everything ends at the latest.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Closing { until, .. } => Some(until),
            Self::Open | Self::Closed => None,
        }
    }
}

/// What the assignment has to be told.
#[derive(Debug, Default)]
pub(super) struct Returns {
    pub(super) started: Vec<(PartitionIndex, Epoch, Offset)>,
    pub(super) ended: Vec<(PartitionIndex, Epoch)>,
}

impl Returns {
    pub(super) fn is_empty(&self) -> bool {
        self.started.is_empty() && self.ended.is_empty()
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) fetches: u64,
    pub(super) bytes: u64,
    pub(super) resets: u64,
}

/// What a consumer has done, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// The cluster.
    pub cluster: ClusterStats,
    /// Partitions that are assigned.
    pub partitions: usize,
    /// Fetches that are unanswered.
    pub in_flight: usize,
    /// Fetches so far.
    pub fetches: u64,
    /// The bytes of message sets that were fetched and put into the assignment so far.
    pub bytes: u64,
    /// How often a partition was read from another offset than it was to be read from.
    pub resets: u64,
}
