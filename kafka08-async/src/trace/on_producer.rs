//! Tells `tracing` of a producer.

use std::{ops::Range, time::Instant};

use kafka08_client::{
    accumulator::BatchId,
    producer::{Outcome, ProducerStats},
};
use kafka08_proto::ids::NodeId;
use tracing::{debug, warn};

/// When a batch was opened.
#[derive(Debug)]
pub(crate) struct Opened(Instant);

impl Default for Opened {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// What was told of the counts of a producer.
#[derive(Debug, Default)]
pub(crate) struct Counts(ProducerStats);

impl Counts {
    /// Tells what was sent and sent again since the last call, and which leaders have moved.
    pub(crate) fn tell(&mut self, now: ProducerStats) {
        let before = std::mem::replace(&mut self.0, now);
        let (requests, retries) = (now.requests - before.requests, now.retries - before.retries);
        if requests > 0 {
            debug!(requests, batches = now.batches, in_flight = now.in_flight, "batches sent");
        }
        if retries > 0 {
            warn!(retries, "batches sent again");
        }
        if now.splits > before.splits {
            warn!(splits = now.splits - before.splits, "batches halved, because a broker has refused their size");
        }
        let moves = now.cluster.leader_moves - before.cluster.leader_moves;
        if moves > 0 {
            debug!(partitions = moves, "leaders learned");
        }
    }
}

/// Tells how records have ended.
pub(crate) fn batch_ended(batch: BatchId, records: &Range<u32>, outcome: &Outcome, opened: &Opened) {
    let (batch, records, elapsed) = (batch.get(), records.len(), opened.0.elapsed());
    match outcome {
        Outcome::Delivered { to, base, maybe_applied } => {
            let offset = base.map(|base| base.0);
            debug!(batch, %to, records, offset, maybe_applied, ?elapsed, "batch delivered");
        }
        Outcome::Written { to } => debug!(batch, %to, records, ?elapsed, "batch written without a response"),
        Outcome::Failed { records: set, error } => {
            warn!(batch, records, bytes = set.len(), ?elapsed, %error, "batch failed");
        }
        _ => {}
    }
}

/// Tells that records with acks 0 are not confirmed.
pub(crate) fn unconfirmed(node: NodeId, records: u64) {
    warn!(broker = node.0, records, "records with acks 0 are not confirmed");
}
