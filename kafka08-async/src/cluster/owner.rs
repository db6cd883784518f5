//! The owner of the machine in the task.

use std::{sync::Arc, time::Instant};

use kafka08_client::cluster::{self as machine, ClusterEvent};

use super::shared::Shared;
use crate::fleet;

/// Lends the machine, which stands behind the lock that it shares with handles, to the task.
pub(super) struct Owner(pub(super) Arc<Shared>);

impl fleet::Owner for Owner {
    type Machine = machine::Cluster;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut machine::Cluster) -> T) -> T {
        self.0.with(|state| work(&mut state.machine))
    }

    fn exchange(&mut self, now: Instant) {
        let (left, notes) = self.0.with(|state| {
            let left = state.exchange(now);
            // Gathered under the same lock, and told after it, because subscribers are code of others.
            (left, state.trace.note(|| state.machine.stats()))
        });
        self.0.tell(notes);
        left.wake();
    }

    fn handle_event(&mut self, event: ClusterEvent, _: Instant) {
        if let ClusterEvent::Ended(ended) = event {
            self.0.with(|state| state.end_call(ended)).wake();
        }
    }

    fn handle_end(&mut self) {
        self.0.with(super::shared::State::end).wake();
    }
}
