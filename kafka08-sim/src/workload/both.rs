//! A producer and a consumer as one machine, each with links of its own.

use std::{io, time::Instant};

use kafka08_client::{
    assignment::Assignment,
    consumer::{Consumer, ConsumerEvent},
    machine::{LinkId, Machine, Output},
    producer::ProducerEvent,
};
use kafka08_proto::{ClientConnection, adapter::ConnectError};

use super::{Producing, Workload as _};

/// A producer and a consumer. Even numbers of links are the producer's, odd ones the consumer's.
#[derive(Debug)]
pub struct Both {
    pub(super) producing: Producing,
    pub(super) consumer: Consumer,
    pub(super) assignment: Assignment,
}

/// What one of the two tells.
#[derive(Debug)]
pub enum BothEvent {
    /// The producer.
    Producer(ProducerEvent<()>),
    /// The consumer.
    Consumer(ConsumerEvent),
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Producer,
    Consumer,
}

/// The number of a link for the world.
fn outer(link: LinkId, side: Side) -> LinkId {
    LinkId(link.0 * 2 + u64::from(side == Side::Consumer))
}

/// Whose link it is, and its number there.
fn inner(link: LinkId) -> (Side, LinkId) {
    let side = if link.0.is_multiple_of(2) { Side::Producer } else { Side::Consumer };
    (side, LinkId(link.0 / 2))
}

fn mapped<E>(output: Output<E>, side: Side, event: impl FnOnce(E) -> BothEvent) -> Output<BothEvent> {
    match output {
        Output::Connect { link, to, within } => Output::Connect { link: outer(link, side), to, within },
        Output::Drop(link) => Output::Drop(outer(link, side)),
        Output::Write(link) => Output::Write(outer(link, side)),
        Output::Event(inner) => Output::Event(event(inner)),
    }
}

impl Both {
    /// Both meet what the user shares with them.
    pub(super) fn exchange(&mut self, now: Instant) {
        self.producing.exchange(now);
        self.consumer.exchange(&mut self.assignment, now);
    }
}

impl Machine for Both {
    type Event = BothEvent;

    fn poll_output(&mut self, now: Instant) -> Option<Output<BothEvent>> {
        if let Some(output) = self.producing.machine().poll_output(now) {
            return Some(mapped(output, Side::Producer, BothEvent::Producer));
        }
        let output = self.consumer.poll_output(now)?;
        Some(mapped(output, Side::Consumer, BothEvent::Consumer))
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        match inner(link) {
            (Side::Producer, link) => self.producing.machine().link(link),
            (Side::Consumer, link) => self.consumer.link(link),
        }
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        match inner(link) {
            (Side::Producer, link) => self.producing.machine().handle_connected(link, now),
            (Side::Consumer, link) => self.consumer.handle_connected(link, now),
        }
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        match inner(link) {
            (Side::Producer, link) => self.producing.machine().handle_connect_failed(link, error, now),
            (Side::Consumer, link) => self.consumer.handle_connect_failed(link, error, now),
        }
    }

    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        match inner(link) {
            (Side::Producer, link) => self.producing.machine().handle_io_error(link, error),
            (Side::Consumer, link) => self.consumer.handle_io_error(link, error),
        }
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        match inner(link) {
            (Side::Producer, link) => self.producing.machine().handle_progress(link, now),
            (Side::Consumer, link) => self.consumer.handle_progress(link, now),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let producer = Some(self.producing.machine_ref()).filter(|producer| !producer.is_over());
        let consumer = Some(&self.consumer).filter(|consumer| !consumer.is_over());
        let producer = producer.and_then(Machine::poll_timeout);
        [producer, consumer.and_then(Machine::poll_timeout)].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.producing.machine().handle_timeout(now);
        self.consumer.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.producing.machine_ref().is_over() && self.consumer.is_over()
    }
}
