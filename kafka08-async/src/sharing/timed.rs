//! A machine, and a time at which those who wait are looked at.

use std::{io, time::Instant};

use kafka08_client::machine::{LinkId, Machine, Output};
use kafka08_proto::{ClientConnection, adapter::ConnectError};

/// A machine, and a time at which those who wait are looked at.
pub(crate) struct Timed<M> {
    pub(crate) machine: M,
    pub(crate) until: Option<Instant>,
    /// The last time that took effect.
    pub(crate) told: Instant,
}

impl<M> Timed<M> {
    pub(crate) fn new(machine: M, now: Instant) -> Self {
        Self { machine, until: None, told: now }
    }
}

impl<M: Machine> Machine for Timed<M> {
    type Event = M::Event;

    fn poll_output(&mut self, now: Instant) -> Option<Output<Self::Event>> {
        self.machine.poll_output(now)
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.machine.link(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.machine.handle_connected(link, now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.machine.handle_connect_failed(link, error, now);
    }

    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        self.machine.handle_io_error(link, error);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.machine.handle_progress(link, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.machine.poll_timeout(), self.until].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.told = self.told.max(now);
        // The exchange that follows sets it again.
        self.until = self.until.filter(|until| *until > now);
        self.machine.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.machine.is_over()
    }
}
