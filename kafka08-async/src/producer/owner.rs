//! The task's side of a producer.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kafka08_client::{
    accumulator::Accumulator,
    error::BootstrapError,
    machine::{LinkId, Machine, Output},
    producer::{Outcome, Producer, ProducerEvent},
};
use kafka08_proto::{ClientConnection, adapter::ConnectError};

use super::{
    cell::Completion,
    ending::deadline,
    error::SendError,
    news::News,
    shared::{Desk, Shared},
};
use crate::{fleet, trace::of_producer::ProducerTeller};

/// Owns the machine. It meets the accumulator once a turn.
pub(super) struct Owner {
    machine: Timed,
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
        Self { machine: Timed { producer: machine, until: None, told: now }, shared, contact_by, now, teller }
    }

    /// Tells those who wait for a first answer.
    fn look_for_contact(&self, desk: &mut Desk, news: &mut News) {
        if !desk.contact.is_sought() {
            return;
        }
        let producer = &self.machine.producer;
        // In this order: an answer beats every failure, and the reason of each address says more than a time that has
        // passed.
        if producer.has_answered() {
            desk.contact.settle(Ok(()), news);
        } else if let Some(unreachable) = producer.unreachable() {
            desk.contact.settle(Err(BootstrapError::Unreachable(unreachable)), news);
        } else if self.contact_by.is_some_and(|by| by <= self.machine.told) {
            let cluster = self.shared.config.cluster();
            let mut failed = producer.trouble();
            for address in cluster.bootstrap() {
                if failed.attempts.iter().all(|(failed, _)| failed != address) {
                    failed.attempts.push((address.clone(), Arc::from(format!("{address} has not answered"))));
                }
            }
            let (after, failed) = (cluster.connect_timeout(), Arc::new(failed));
            desk.contact.settle(Err(BootstrapError::TimedOut { after, failed }), news);
        }
    }

    fn take_event(&self, event: ProducerEvent<Completion>) {
        match event {
            ProducerEvent::Ended { completion, batch, records, outcome } => {
                self.teller.batch_ended(batch, &records, &outcome, completion.opened());
                let stats = self.machine.producer.stats();
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
            self.machine.producer.exchange(&mut accumulator, self.now);
            while let Some(output) = self.machine.producer.poll_output(self.now) {
                if let Output::Event(event) = output {
                    self.take_event(event);
                }
            }
        }
    }
}

impl fleet::Owner for Owner {
    type Machine = Timed;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Timed) -> T) -> T {
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
            self.machine.producer.exchange(accumulator, now);
            self.look_for_contact(desk, news);
            let producer = &self.machine.producer;
            // Not `now`: an answer that is here already beats the end of a wait, and the sockets were not read yet.
            let told = self.machine.told;
            desk.line.expire(told, shared.config.max_wait(), || producer.unreachable(), news);
            desk.stats = producer.stats();
            let contact_by = self.contact_by.filter(|_| desk.contact.is_sought());
            self.machine.until = [contact_by, desk.line.next_deadline()].into_iter().flatten().min();
        });
        // Subscribers are code of others, so nothing is locked now.
        self.teller.tell_counts(self.machine.producer.stats());
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

/// The machine, and a time at which those who wait are looked at.
pub(super) struct Timed {
    producer: Producer<Completion>,
    until: Option<Instant>,
    /// The last time that took effect.
    told: Instant,
}

impl Machine for Timed {
    type Event = ProducerEvent<Completion>;

    fn poll_output(&mut self, now: Instant) -> Option<Output<Self::Event>> {
        self.producer.poll_output(now)
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.producer.link(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.producer.handle_connected(link, now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.producer.handle_connect_failed(link, error, now);
    }

    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        self.producer.handle_io_error(link, error);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.producer.handle_progress(link, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.producer.poll_timeout(), self.until].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.told = self.told.max(now);
        // The exchange that follows sets it again.
        self.until = self.until.filter(|until| *until > now);
        self.producer.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.producer.is_over()
    }
}
