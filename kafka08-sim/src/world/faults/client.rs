//! Faults of the client's process, and of its user.

use std::time::Duration;

use kafka08_client::machine::{LinkId, Machine as _};

use crate::{
    plan::{Fault, FaultKind},
    workload::Workload,
    world::{Event, World},
};

impl<W: Workload> World<W> {
    pub(super) fn hit_client(&mut self, fault: Fault) -> bool {
        let by = Duration::from_micros(fault.b);
        if !matches!(fault.kind, FaultKind::Close) {
            self.note_fault(fault.kind, |_| true);
        }
        match fault.kind {
            FaultKind::ClientPause => {
                self.troubles.client_paused_until = self.now.saturating_add(fault.b);
                self.push(self.now.saturating_add(fault.b), Event::Look);
            }
            FaultKind::ClockForward => self.client_base += by,
            // The base leaves room for a day.
            FaultKind::ClockBack => self.client_base = self.client_base.checked_sub(by).unwrap_or(self.client_base),
            FaultKind::Recreate => self.recreate_client(),
            _ => return self.close_client(by),
        }
        true
    }

    /// The client's process ends, and its system closes its sockets. Another one begins.
    fn recreate_client(&mut self) {
        let links: Vec<LinkId> = self.by_link.keys().copied().collect();
        links.into_iter().for_each(|link| self.drop_link(link));
        self.breaches.clear();
        let now = self.client_now();
        self.workload.recreate(now, &mut self.history);
        self.watch.begin_client();
        self.troubles.client_paused_until = 0;
        self.troubles.over_by = None;
        self.wake_client();
    }

    /// The user closes the client, and goes on to use it.
    fn close_client(&mut self, within: Duration) -> bool {
        if self.troubles.over_by.is_some() {
            return false;
        }
        self.note_fault(FaultKind::Close, |_| true);
        let now = self.client_now();
        self.workload.close(now, within, &mut self.history);
        self.troubles.over_by = Some(now + within);
        self.push(self.now.saturating_add(u64::try_from(within.as_micros()).unwrap_or(0)), Event::Look);
        self.wake_client();
        true
    }

    /// Whether the client was closed, has had its time, and is not over.
    pub(in crate::world) fn is_closing_too_long(&self) -> bool {
        let is_late = self.troubles.over_by.is_some_and(|at| at <= self.client_now());
        let is_paused = self.troubles.client_paused_until > self.now;
        is_late && !is_paused && !self.workload.machine_ref().is_over()
    }
}
