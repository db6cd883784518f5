//! What goes wrong: the faults of a plan, and what they leave behind until they end.

mod brokers;
mod client;
mod conns;
mod healing;
mod hostile;
mod troubles;

use kafka08_proto::ids::NodeId;

use super::{Event, World, nodes};
use crate::{
    net::ConnNumber,
    plan::{Fault, FaultKind, Trigger},
    workload::Workload,
};
pub(super) use troubles::Troubles;

/// How a fault names one of several.
fn nth<T: Copy>(items: &[T], number: u64) -> Option<T> {
    let len = u64::try_from(items.len()).ok()?;
    items.get(usize::try_from(number.checked_rem(len)?).ok()?).copied()
}

impl<W: Workload> World<W> {
    pub(super) fn schedule_faults(&mut self) {
        for (index, fault) in self.plan.faults.clone().into_iter().enumerate() {
            match fault.when {
                Trigger::Time(at) => self.push(at, Event::Fault(index)),
                other => self.troubles.waiting.entry(other).or_default().push(index),
            }
        }
    }

    /// Begins the faults that wait for this traffic.
    pub(super) fn pull_trigger(&mut self, trigger: Trigger, number: ConnNumber) {
        if self.troubles.waiting.is_empty() {
            return;
        }
        for index in self.troubles.waiting.remove(&trigger).unwrap_or_default() {
            self.begin_fault(index, Some(number));
        }
    }

    /// Whether a fault of the plan still waits for its time.
    pub(super) fn awaits_faults(&self) -> bool {
        let is_ahead = |fault: &Fault| matches!(fault.when, Trigger::Time(at) if at > self.now);
        self.plan.faults.iter().any(is_ahead)
    }

    pub(super) fn begin_fault(&mut self, index: usize, on: Option<ConnNumber>) {
        let Some(fault) = self.plan.faults.get(index).copied().filter(|_| !self.troubles.is_over) else { return };
        self.history.trace(30, u64::try_from(index).unwrap_or(0));
        self.history.note(|| format!("{fault}"));
        let hits = match fault.kind {
            FaultKind::Reset | FaultKind::Fin | FaultKind::Stall | FaultKind::Corrupt | FaultKind::Hostile => {
                self.hit_conn(fault, on)
            }
            FaultKind::Swizzle => self.hit_many(fault),
            FaultKind::BlackHole
            | FaultKind::Refuse
            | FaultKind::SlowConnect
            | FaultKind::WrongService
            | FaultKind::Swap
            | FaultKind::Slow => self.hit_way(fault),
            FaultKind::Kill | FaultKind::Crash | FaultKind::Stop | FaultKind::Pause | FaultKind::Freeze => {
                self.hit_broker(fault, index)
            }
            FaultKind::Decommission => self.decommission(fault),
            FaultKind::MoveLeader | FaultKind::HoldBack | FaultKind::LoseTail => self.hit_partition(fault, index),
            FaultKind::Code => self.hit_answers(fault),
            FaultKind::ClientPause
            | FaultKind::ClockForward
            | FaultKind::ClockBack
            | FaultKind::Recreate
            | FaultKind::Close => self.hit_client(fault),
        };
        // What changes how connecting goes counts when somebody connects.
        let counts_later = matches!(
            fault.kind,
            FaultKind::Refuse | FaultKind::SlowConnect | FaultKind::WrongService | FaultKind::Swap
        );
        if hits && !counts_later {
            self.coverage.fired(fault.kind);
        }
        self.look_at_ready();
    }

    fn node_of(&self, number: u64) -> Option<NodeId> {
        nth(&nodes(&self.plan).collect::<Vec<_>>(), number)
    }

    pub(super) fn end_fault(&mut self, index: usize) {
        let Some(fault) = self.plan.faults.get(index).copied() else { return };
        let now = self.broker_now();
        let node = self.node_of(fault.a);
        self.history.note(|| format!("over: {fault}"));
        match (fault.kind, node) {
            (FaultKind::Kill | FaultKind::Crash | FaultKind::Stop, Some(node)) => self.start(node),
            (FaultKind::Pause, Some(node)) => self.cluster.resume(node, now),
            (FaultKind::Freeze, Some(node)) => self.cluster.thaw_metadata(node, now),
            _ => {
                self.start_all();
                self.let_all_go();
            }
        }
        self.logs.note_shortened();
        self.look_at_ready();
    }
}
