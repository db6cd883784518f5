//! What a driver needs of either end of a connection.

use std::{io, time::Instant};

use crate::frame::SendQueue;

/// Everything a driver of one socket needs. Object-safe; no I/O type but [`io::ErrorKind`].
///
/// `handle_*` takes the world in, `poll_*` gives it back, other verbs are commands. Bytes to write and the next deadline are
/// state: read them with [`Connection::buffers`] and [`Connection::poll_timeout`] after every call; a partial write resumes.
/// Only events are queued. After every read, write, command or timeout, call [`Connection::poll_event`] until it returns
/// `None`, then look at [`Connection::poll_timeout`], [`Connection::wants_read`] and [`Connection::wants_write`] again.
///
/// A driver of a stream that may keep bytes it does not report as written, as TLS layers do, calls
/// [`SendQueue::note_offered`] before each write.
pub trait Connection {
    /// What there is to tell.
    type Event;

    /// Where to read to, and what to write. They are disjoint, so that a driver can do both at once. The slice is
    /// initialised and never empty: a read of 0 bytes means the end of the stream.
    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue);

    /// `n` bytes of the slice were filled.
    ///
    /// # Panics
    /// If the slice was shorter than that.
    fn handle_read(&mut self, now: Instant, n: usize);

    /// Bytes have come by a transport that has buffers of its own. They are copied.
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]);

    /// Whether to read on. False exactly while a whole frame or an event waits to be taken, and when the connection is
    /// over: not reading is the backpressure. Call it again after [`Connection::poll_event`] and after a write; no event
    /// announces the change.
    fn wants_read(&self) -> bool;

    /// Whether there is something to write.
    fn wants_write(&self) -> bool;

    /// Writing has failed; reading goes on. What is staged will never leave. A client's requests that are not written fail
    /// at once, and the connection is over when no answer is owed any more, or when the transport ends.
    fn handle_write_failed(&mut self, kind: io::ErrorKind);

    /// The transport has ended. Whole frames that are here already still come out; then the connection is over. After a
    /// failed write, call [`Connection::handle_write_failed`] instead and read on: answers may be waiting.
    fn handle_disconnect(&mut self, how: Disconnect);

    /// The next piece of news. Frames are cut here.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`Connection::handle_timeout`], at the latest. A driver that has it come before it writes also keeps
    /// what has expired off the wire: read what is here, tell the time, then write.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Time has passed. Read what the transport has before calling this: an answer that is here beats its deadline, and
    /// nothing expires while one waits to be taken.
    fn handle_timeout(&mut self, now: Instant);

    /// Whether the last event was taken and nothing is left to write: drop the socket.
    fn is_over(&self) -> bool;
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The peer closed its side.
    Eof,
    /// Reading or writing failed.
    Error(io::ErrorKind),
}
