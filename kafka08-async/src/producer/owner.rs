//! The task's side of a producer.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kafka08_client::{
    accumulator::Accumulator,
    machine::{Machine as _, Output},
    producer::{Outcome, Producer, ProducerEvent},
};

use super::{cell::Completion, error::SendError, shared::Shared};
use crate::{
    fleet,
    sharing::{Timed, deadline},
    trace::of_producer::ProducerTeller,
};

/// Owns the machine. It meets the accumulator once a turn.
pub(super) struct Owner {
    machine: Timed<Producer<Completion>>,
    shared: Arc<Shared>,
    /// Until when a broker has to answer.
    contact_by: Option<Instant>,
    /// The time of the last turn.
    now: Instant,
    teller: ProducerTeller,
}

impl Owner {
    /// Creates the owner, and seeks a broker. `now` and `contact_by` may be estimates until the first turn.
    pub(super) fn new(shared: Arc<Shared>, now: Instant, contact_by: Option<Instant>) -> Self {
        let mut machine = Producer::new(&shared.config);
        machine.connect(now);
        let teller = ProducerTeller::new(&shared.config);
        Self { machine: Timed::new(machine, now), shared, contact_by, now, teller }
    }

    fn take_event(&self, event: ProducerEvent<Completion>) {
        match event {
            ProducerEvent::Ended { completion, batch, records, outcome } => {
                self.teller.batch_ended(batch, &records, &outcome, completion.opened());
                let stats = self.machine.machine.stats();
                self.shared.command(|desk, _| {
                    // Before the delivery ends, so that whoever waits for it sees the counts.
                    desk.stats = stats;
                    if matches!(outcome, Outcome::Failed { .. }) {
                        desk.failed += u64::from(records.end.saturating_sub(records.start));
                    }
                });
                completion.cell().end(records, outcome);
            }
            ProducerEvent::Unconfirmed { node, records } => {
                self.teller.unconfirmed(node, records);
                self.shared.command(|desk, _| desk.unconfirmed += records);
            }
            // What it counts was counted above, also if nobody waits for this flush any more.
            ProducerEvent::Flushed { id, .. } => self.shared.command(|desk, news| desk.end_flush(id, news)),
            ProducerEvent::Topic { topic, problem: None } => {
                self.shared.command(|desk, news| desk.line.note_topic(&topic, news));
            }
            ProducerEvent::Topic { topic, problem: Some(code) } => self.shared.command(|desk, news| {
                let failure = (!code.is_retriable()).then(|| SendError::NoTopic {
                    topic: topic.to_string(),
                    waited: Duration::ZERO,
                    problem: Some(code),
                    unreachable: None,
                });
                desk.line.note_problem(&topic, code, failure.as_ref(), news);
            }),
            ProducerEvent::Room => self.shared.command(|desk, news| desk.line.give_room(news)),
            _ => {}
        }
    }

    /// Lets the machine end everything. All sockets are closed.
    fn abort(&mut self, mut accumulator: Accumulator<Completion>) {
        accumulator.close(self.now);
        // One exchange ends all batches; the second one tells the flushes that nothing is left.
        for _ in 0..2 {
            self.machine.machine.exchange(&mut accumulator, self.now);
            while let Some(output) = self.machine.machine.poll_output(self.now) {
                if let Output::Event(event) = output {
                    self.take_event(event);
                }
            }
        }
    }
}

impl fleet::Owner for Owner {
    type Machine = Timed<Producer<Completion>>;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Self::Machine) -> T) -> T {
        work(&mut self.machine)
    }

    fn exchange(&mut self, now: Instant) {
        self.now = now;
        let shared = Arc::clone(&self.shared);
        shared.command(|desk, news| {
            // Before the exchange, so that the machine sees the end in the same turn.
            if desk.take_abandoned() {
                desk.close(deadline(now, shared.config.delivery_timeout()), news);
            }
            let Some(accumulator) = desk.accumulator() else { return };
            self.machine.machine.exchange(accumulator, now);
            let producer = &self.machine.machine;
            // Not `now`: an answer that is here already beats the end of a wait, and the sockets were not read yet.
            let told = self.machine.told;
            desk.contact.look(producer, shared.config.cluster(), self.contact_by, told, news);
            desk.line.expire(told, shared.config.max_wait(), || producer.unreachable(), news);
            desk.stats = producer.stats();
            let contact_by = self.contact_by.filter(|_| desk.contact.is_sought());
            self.machine.until = [contact_by, desk.line.next_deadline()].into_iter().flatten().min();
        });
        // Subscribers are code of others, so nothing is locked now.
        self.teller.tell_counts(self.machine.machine.stats());
    }

    fn handle_event(&mut self, event: ProducerEvent<Completion>, _: Instant) {
        self.take_event(event);
    }

    fn handle_end(&mut self) {
        // Taken away first. From here on nobody can append records that would never be sent.
        let accumulator = self.shared.command(|desk, _| desk.take_accumulator());
        // A machine that has panicked is not asked for more. Its batches are dropped, and their guards end the
        // deliveries.
        let is_cut = thread::panicking();
        if let Some(accumulator) = accumulator
            && !is_cut
        {
            self.abort(accumulator);
        }
        // Last, so that a flush or `close` that is woken finds all failures counted.
        self.shared.command(|desk, news| desk.end(is_cut, news));
    }
}
