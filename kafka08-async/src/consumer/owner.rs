//! The task's side of a consumer.

use std::{sync::Arc, thread, time::Instant};

use kafka08_client::{
    consumer::{Consumer, ConsumerEvent},
    machine::{Machine as _, Output},
};

use super::shared::Shared;
use crate::{
    fleet,
    sharing::{Timed, deadline},
    trace::of_consumer::ConsumerTeller,
};

/// Owns the machine. It meets the assignment once a turn.
pub(super) struct Owner {
    machine: Timed<Consumer>,
    shared: Arc<Shared>,
    /// Until when a broker has to answer.
    contact_by: Option<Instant>,
    /// Failures that the assignment does not know yet. At the next exchange it does, unless somebody has begun anew with their
    /// partitions meanwhile.
    failed: Vec<ConsumerEvent>,
    /// The time of the last turn.
    now: Instant,
    teller: ConsumerTeller,
}

impl Owner {
    /// Creates the owner, and seeks a broker. `now` and `contact_by` may be estimates until the first turn.
    pub(super) fn new(shared: Arc<Shared>, now: Instant, contact_by: Option<Instant>) -> Self {
        let mut machine = Consumer::new(&shared.config);
        machine.connect(now);
        let teller = ConsumerTeller::new(&shared.config);
        Self { machine: Timed::new(machine, now), shared, contact_by, failed: Vec::new(), now, teller }
    }

    fn take_event(&mut self, event: ConsumerEvent) {
        self.teller.tell(&event);
        if matches!(event, ConsumerEvent::Failed { .. }) {
            self.failed.push(event);
            return;
        }
        let stats = self.machine.machine.stats();
        self.shared.command(|desk, news| {
            // Before anybody is woken, so that whoever waits sees the counts.
            desk.stats = stats;
            desk.note_event(event, news);
        });
    }
}

impl fleet::Owner for Owner {
    type Machine = Timed<Consumer>;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Self::Machine) -> T) -> T {
        work(&mut self.machine)
    }

    fn exchange(&mut self, now: Instant) {
        self.now = now;
        let shared = Arc::clone(&self.shared);
        let mut events = Vec::new();
        let stats = shared.command(|desk, news| {
            let Timed { machine, until, told } = &mut self.machine;
            if let Some(by) = desk.closing(deadline(now, shared.config.cluster().call_timeout())) {
                // A later call can only shorten the time.
                machine.close_by(now, by);
            }
            machine.exchange(&mut desk.assignment, now);
            // Not `now`: an answer that is here already beats the end of a wait, and the sockets were not read yet.
            desk.contact.look(machine, shared.config.cluster(), self.contact_by, *told, news);
            desk.stats = machine.stats();
            self.failed.drain(..).for_each(|event| desk.note_event(event, news));
            // Under the same lock: nobody may find that nothing will come before the failure that ends a partition is known.
            while let Some(event) = machine.poll_event() {
                desk.note_event(event.clone(), news);
                events.push(event);
            }
            for topic in desk.listings.expire(*told, |topic| machine.why_unlisted(topic), news) {
                desk.change(news, |assignment| assignment.unassign_topic(&topic));
            }
            let contact_by = self.contact_by.filter(|_| desk.contact.is_sought());
            *until = [contact_by, desk.listings.next_deadline(*told)].into_iter().flatten().min();
            desk.stats
        });
        // Subscribers are code of others, so nothing is locked now.
        events.iter().for_each(|event| self.teller.tell(event));
        self.teller.tell_counts(stats);
    }

    fn handle_event(&mut self, event: ConsumerEvent, _: Instant) {
        self.take_event(event);
    }

    fn handle_end(&mut self) {
        let commits = self.shared.config.interval_commit().is_some();
        let is_cut = commits && (thread::panicking() || !self.machine.machine.is_over());
        // A machine that has panicked is not asked for more.
        if !thread::panicking() {
            let now = self.now;
            self.machine.machine.close(now);
            while let Some(output) = self.machine.machine.poll_output(now) {
                if let Output::Event(event) = output {
                    self.take_event(event);
                }
            }
        }
        self.shared.command(|desk, news| desk.end(is_cut, news));
    }
}
