//! What a driver needs of either end of a connection.

use std::{io, time::Instant};

use crate::frame::SendQueue;

/// One end of a connection, as a driver sees it. A driver moves the bytes of one socket.
///
/// Methods named `handle_*` report what has happened. Methods named `poll_*` return the next event or deadline. `buffers`,
/// `wants_*` and `is_over` show the current state. Bytes to write and the next deadline are *state*: read them with [`Connection::buffers`] and
/// [`Connection::poll_timeout`] after every call. A partial write goes on where it stopped. Only events are queued.
///
/// After every read, write, command or timeout, call [`Connection::poll_event`] until it returns `None`. Then call
/// [`Connection::poll_timeout`], [`Connection::wants_read`] and [`Connection::wants_write`] again.
///
/// Some streams, such as TLS layers, may keep bytes of a write that they report as blocked. A driver of such a stream calls
/// [`SendQueue::note_offered`] before each write.
///
/// The trait is object-safe. Its only I/O type is [`io::ErrorKind`].
pub trait Connection {
    /// What [`Connection::poll_event`] returns.
    type Event;

    /// Returns the space to read into, and the bytes to write. A driver can use both at once. The space is initialised and
    /// never empty, so a read of 0 bytes means the end of the stream.
    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue);

    /// Tells that the driver has read `n` bytes into the space of [`Connection::buffers`].
    ///
    /// # Panics
    /// If the space has fewer than `n` bytes.
    fn handle_read(&mut self, now: Instant, n: usize);

    /// Takes bytes from a transport that has buffers of its own. The bytes are copied.
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]);

    /// Whether the driver should read. Returns false while a whole frame or an event waits to be taken, and once nothing more
    /// is to be read. A server's connection also returns false while too many calls are open, or too many bytes are staged.
    /// So a caller that takes no events stops the reading, and so the peer.
    ///
    /// Call it again after [`Connection::poll_event`] and after a write; no event announces the change.
    fn wants_read(&self) -> bool;

    /// Whether there are bytes to write.
    fn wants_write(&self) -> bool;

    /// Tells that writing has failed. Staged bytes are dropped. On a client's connection, requests that are not written fail
    /// at once, and reading goes on: the connection ends when no response is owed any more, or when the transport ends.
    fn handle_write_failed(&mut self, kind: io::ErrorKind);

    /// Tells that the transport has ended. Whole frames that have arrived still come out of [`Connection::poll_event`]; then
    /// the connection ends. After a failed write call [`Connection::handle_write_failed`] instead, and go on reading, because
    /// responses may be waiting.
    fn handle_disconnect(&mut self, how: Disconnect);

    /// Returns the next event, or `None`. This method also cuts the received bytes into frames.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// The latest time at which to call [`Connection::handle_timeout`]. When it has come, call that method before the next
    /// write, so that a request whose deadline has passed is not written.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Tells the time, and ends what is due. Read everything that the transport has before calling this, so that a response
    /// that has arrived is not timed out. Nothing times out while a whole frame waits to be taken.
    fn handle_timeout(&mut self, now: Instant);

    /// Whether the last event was taken and nothing is left to write. Then drop the socket.
    fn is_over(&self) -> bool;
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The peer has closed its side of the stream.
    Eof,
    /// Reading or writing has failed.
    Error(io::ErrorKind),
}
