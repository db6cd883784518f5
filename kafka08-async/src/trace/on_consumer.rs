//! Tells `tracing` what a consumer does, in the span of the consumer.

use kafka08_client::{
    config::ConsumerConfig,
    consumer::{ConsumerEvent, ConsumerStats},
};
use tracing::{Span, debug, info, warn, warn_span};

use super::on::listed;

/// Tells what a consumer does, in its span. The task has it, and calls it while nothing is locked.
#[derive(Debug)]
pub(crate) struct ConsumerTeller {
    span: Span,
    /// The counts that were told last.
    told: ConsumerStats,
}

impl ConsumerTeller {
    /// Opens the span of a consumer.
    pub(crate) fn new(config: &ConsumerConfig) -> Self {
        // A span of this level is there whenever failures are told.
        let span = warn_span!("consumer", bootstrap = listed(config.cluster().bootstrap()));
        Self { span, told: ConsumerStats::default() }
    }

    /// Tells what was fetched since the last call, and which leaders have moved.
    pub(crate) fn tell_counts(&mut self, now: ConsumerStats) {
        let span = &self.span;
        let before = std::mem::replace(&mut self.told, now);
        let (fetches, bytes) = (now.fetches - before.fetches, now.bytes - before.bytes);
        if fetches > 0 || bytes > 0 {
            debug!(parent: span, fetches, bytes, in_flight = now.in_flight, "messages were fetched");
        }
        let refreshes = now.cluster.refreshes - before.cluster.refreshes;
        if refreshes > 0 {
            debug!(parent: span, refreshes, "metadata was asked for");
        }
        let leader_moves = now.cluster.leader_moves - before.cluster.leader_moves;
        if leader_moves > 0 {
            info!(parent: span, leader_moves, "leaders of partitions were learned");
        }
    }

    /// Tells what a user is told too.
    pub(crate) fn tell(&self, event: &ConsumerEvent) {
        let span = &self.span;
        match event {
            ConsumerEvent::Assigned { topic, partitions } => {
                info!(parent: span, %topic, partitions = partitions.len(), "partitions of a topic were found");
            }
            ConsumerEvent::Unlisted { topic, cause, since } => {
                warn!(parent: span, %topic, %cause, ?since, "the partitions of a topic are not known");
            }
            ConsumerEvent::Started { partition, at } => info!(parent: span, %partition, %at, "reading starts"),
            ConsumerEvent::Reset { partition, why } => {
                warn!(parent: span, %partition, %why, "reading starts elsewhere");
            }
            ConsumerEvent::Ended { partition, at, expected } => {
                info!(parent: span, %partition, %at, %expected, "reading has ended");
            }
            ConsumerEvent::Skipped { partition, from, to } => {
                warn!(parent: span, %partition, %from, %to, "messages of a later format are left out");
            }
            ConsumerEvent::Corrupt { partition, error, behind } => {
                warn!(parent: span, %partition, %error, %behind, "a message cannot be read");
            }
            ConsumerEvent::Stalled { partition, cause, since } => {
                warn!(parent: span, %partition, %cause, ?since, "nothing has come for a time");
            }
            ConsumerEvent::Failed { partition, cause } => {
                warn!(parent: span, %partition, %cause, "a partition is read no further");
            }
            ConsumerEvent::Committed { failed, .. } if failed.is_empty() => {
                debug!(parent: span, "offsets were committed");
            }
            ConsumerEvent::Committed { failed, .. } | ConsumerEvent::NotCommitted { failed } => {
                for (partition, cause) in failed {
                    warn!(parent: span, %partition, %cause, "an offset was not committed");
                }
            }
            _ => {}
        }
    }
}
