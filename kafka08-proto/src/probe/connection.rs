//! The connection of a probe, as its driver sees it.

use std::{convert::Infallible, io, time::Instant};

use crate::{
    connection::{ClientConnection, Connection, Disconnect},
    frame::SendQueue,
};

/// The connection of a [`Probe`](super::Probe). A driver moves its bytes and tells it the time, and gets no events from it.
///
/// The probe takes the events itself, in [`Probe::poll_step`](super::Probe::poll_step). Call that after every read, write and
/// timeout. Until then [`Connection::wants_read`] may stay false.
#[derive(Debug)]
pub struct ProbeConnection(pub(super) ClientConnection);

impl Connection for ProbeConnection {
    type Event = Infallible;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        self.0.buffers()
    }

    fn handle_read(&mut self, now: Instant, n: usize) {
        self.0.handle_read(now, n);
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.0.handle_bytes(now, bytes);
    }

    fn wants_read(&self) -> bool {
        self.0.wants_read()
    }

    fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        self.0.handle_write_failed(kind);
    }

    fn handle_disconnect(&mut self, how: Disconnect) {
        self.0.handle_disconnect(how);
    }

    /// Always `None`: the probe would miss an event that its driver took.
    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.0.is_over()
    }
}
