//! Tells `tracing` what a cluster does.
//!
//! The machine logs nothing, so what has happened is read from its counters. Connecting is told where sockets are connected.

use kafka08_client::{cluster::ClusterStats, config::ClusterConfig};
use tracing::{Span, debug, info, warn_span};

use super::on::listed;

/// Notes how the counters of a cluster change.
pub(crate) struct ClusterTrace {
    is_on: bool,
    last: ClusterStats,
}

/// How counters have changed.
#[derive(Default)]
pub(crate) struct ClusterNotes {
    retries: u64,
    refreshes: u64,
    leader_moves: u64,
    failed: u64,
}

/// Tells what was noted, in the span of its cluster.
pub(crate) struct ClusterTeller(Span);

impl ClusterTrace {
    /// Compares the counters with those of the last time. They are not taken if nobody listens.
    pub(crate) fn note(&mut self, stats: impl FnOnce() -> ClusterStats) -> ClusterNotes {
        if !self.is_on {
            return ClusterNotes::default();
        }
        let stats = stats();
        let last = std::mem::replace(&mut self.last, stats);
        ClusterNotes {
            retries: stats.retries.saturating_sub(last.retries),
            refreshes: stats.refreshes.saturating_sub(last.refreshes),
            leader_moves: stats.leader_moves.saturating_sub(last.leader_moves),
            failed: stats.links.connects_failed.saturating_sub(last.links.connects_failed),
        }
    }
}

impl ClusterTeller {
    /// Opens the span of a cluster.
    pub(crate) fn new(config: &ClusterConfig) -> (Self, ClusterTrace) {
        let span = warn_span!("cluster", bootstrap = listed(config.bootstrap()));
        let trace = ClusterTrace { is_on: !span.is_disabled(), last: ClusterStats::default() };
        (Self(span), trace)
    }

    /// Tells what was noted. Call it while nothing is locked.
    pub(crate) fn tell(&self, notes: ClusterNotes) {
        let ClusterNotes { retries, refreshes, leader_moves, failed } = notes;
        if failed > 0 {
            info!(parent: &self.0, failed, "brokers could not be connected to");
        }
        if refreshes > 0 {
            debug!(parent: &self.0, refreshes, "metadata was asked for");
        }
        if leader_moves > 0 {
            info!(parent: &self.0, leader_moves, "leaders of partitions were learned");
        }
        if retries > 0 {
            info!(parent: &self.0, retries, "requests were sent again");
        }
    }
}
