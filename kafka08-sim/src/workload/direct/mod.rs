//! Records that are sent in single requests on plain connections, by a small client of the simulation's own.
//!
//! It shows that the network, the brokers, the history and the checker are right before the layers above connections are
//! looked at: with a client of two hundred lines it is clear who is wrong.

mod machine;

use std::time::{Duration, Instant};

use kafka08_client::machine::LinkId;
use kafka08_proto::{connection::CloseReason, message::MessageSetBuilder};
pub use machine::{DirectEvent, DirectMachine};

use super::{
    Counts, Leftovers, Order, Promises, Stepped, Workload,
    schedule::{acks, records, times},
};
use crate::{
    history::{Ending, History, OperationId},
    plan::Plan,
    record::{ChosenBy, Records},
};

/// Sends records, each in a request of its own.
#[derive(Debug)]
pub struct Direct {
    machine: DirectMachine,
    plan: Plan,
    records: Records,
    acks: i16,
    /// The times at which records are submitted, the last one first.
    times: Vec<u64>,
    next: OperationId,
    open: u64,
}

impl Direct {
    /// Creates the workload of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            machine: DirectMachine::new(plan),
            plan: plan.clone(),
            records: records(plan, ChosenBy::Workload),
            acks: acks(plan),
            times: times(plan),
            next: 0,
            open: 0,
        }
    }
}

impl Workload for Direct {
    type Machine = DirectMachine;

    fn machine(&mut self) -> &mut DirectMachine {
        &mut self.machine
    }

    fn machine_ref(&self) -> &DirectMachine {
        &self.machine
    }

    fn step(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped {
        let mut stepped = Stepped::Idle;
        while self.times.last().is_some_and(|due| *due <= at) {
            self.times.pop();
            let record = self.records.record(self.next);
            let mut builder = MessageSetBuilder::default();
            builder.push(record.key.as_deref(), record.value.as_deref()).expect("a record of a plan is small");
            history.submitted(self.next);
            history.taken(self.next);
            if self.machine.is_closed() {
                history.ended(self.next, Ending::Refused);
            } else {
                self.machine.submit(now, self.next, record.place, builder.build());
                self.open += 1;
            }
            self.next += 1;
            stepped = Stepped::Acted;
        }
        stepped
    }

    fn next_step(&self) -> Option<u64> {
        self.times.last().copied()
    }

    fn handle_event(&mut self, _now: Instant, event: DirectEvent, history: &mut History) {
        self.open = self.open.saturating_sub(1);
        history.ended(event.id, event.ending);
    }

    fn is_submitted(&self) -> bool {
        self.times.is_empty()
    }

    fn is_done(&self) -> bool {
        self.times.is_empty() && self.open == 0 && !self.machine.is_asking()
    }

    fn close(&mut self, now: Instant, _within: Duration, _history: &mut History) {
        self.machine.close(now);
    }

    fn recreate(&mut self, now: Instant, history: &mut History) {
        for event in std::mem::replace(&mut self.machine, DirectMachine::new(&self.plan)).into_endings() {
            self.handle_event(now, event, history);
        }
    }

    fn promises(&self) -> Promises {
        // Nothing that has no answer keeps an order over connections: what a slow one holds arrives behind what was sent later.
        let order = if self.acks == 0 { Order::Free } else { Order::Kept };
        Promises { records: self.records, order, acks: self.acks, counts: Counts::Exact }
    }

    fn take_ends(&mut self) -> Vec<(LinkId, CloseReason)> {
        self.machine.take_ends()
    }

    fn leftovers(&self) -> Leftovers {
        match self.machine.in_flight() {
            0 => Leftovers::None,
            in_flight => Leftovers::Forgotten(format!("{in_flight} requests are in flight after everything has ended")),
        }
    }
}
