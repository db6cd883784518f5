//! Tells `tracing` what a producer does, in the span of the producer.

use std::{ops::Range, time::Instant};

use kafka08_client::{
    accumulator::BatchId,
    config::ProducerConfig,
    producer::{Outcome, ProducerStats},
};
use kafka08_proto::ids::NodeId;
use tracing::{Span, debug, info, warn, warn_span};

use super::on::listed;

/// When a batch was opened.
#[derive(Debug)]
pub(crate) struct Opened(Instant);

impl Default for Opened {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// Tells what a producer does, in its span. The task has it, and calls it while nothing is locked.
#[derive(Debug)]
pub(crate) struct ProducerTeller {
    span: Span,
    /// The counts that were told last.
    told: ProducerStats,
}

impl ProducerTeller {
    /// Opens the span of a producer.
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        // A span of this level is there whenever failures are told.
        let span = warn_span!("producer", bootstrap = listed(config.cluster().bootstrap()));
        Self { span, told: ProducerStats::default() }
    }

    /// Tells what was sent and sent again since the last call, and which leaders have moved.
    pub(crate) fn tell_counts(&mut self, now: ProducerStats) {
        let span = &self.span;
        let before = std::mem::replace(&mut self.told, now);
        let (requests, retries) = (now.requests - before.requests, now.retries - before.retries);
        if requests > 0 {
            debug!(parent: span, requests, batches = now.batches, in_flight = now.in_flight, "batches sent");
        }
        if retries > 0 {
            warn!(parent: span, retries, "batches sent again");
        }
        let splits = now.splits - before.splits;
        if splits > 0 {
            warn!(parent: span, splits, "batches halved, because a broker has refused their size");
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

    /// Tells how records have ended.
    pub(crate) fn batch_ended(&self, batch: BatchId, records: &Range<u32>, outcome: &Outcome, opened: &Opened) {
        let (span, batch, records, elapsed) = (&self.span, batch.get(), records.len(), opened.0.elapsed());
        match outcome {
            Outcome::Delivered { to, base, maybe_applied } => {
                let offset = base.map(|base| base.0);
                debug!(parent: span, batch, %to, records, offset, maybe_applied, ?elapsed, "batch delivered");
            }
            Outcome::Written { to } => {
                debug!(parent: span, batch, %to, records, ?elapsed, "batch written without a response");
            }
            Outcome::Failed { records: set, error } => {
                let (to, bytes, attempts) = (&error.to, set.len(), error.attempts);
                warn!(parent: span, batch, %to, records, bytes, attempts, ?elapsed, %error, "batch failed");
            }
            _ => {}
        }
    }

    /// Tells that records with acks 0 are not confirmed.
    pub(crate) fn unconfirmed(&self, node: NodeId, records: u64) {
        warn!(parent: &self.span, node = node.0, records, "records with acks 0 are not confirmed");
    }
}
