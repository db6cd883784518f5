//! The loop between a non-blocking stream and either end of a connection. It knows no message.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::AsFd,
    sync::Arc,
    time::Instant,
};

use bytes::Buf as _;
use kafka08_proto::{Connection, Disconnect};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Chunks per `writev`, well below the 1024 that systems take.
const SLICES: usize = 64;

/// Moves bytes between a non-blocking stream and either end of a [`Connection`].
///
/// [`Client`](crate::Client) is made of one and a `ClientConnection`. For those who keep many connections in a poll loop of
/// their own: [`Driver::pump`] each one that is ready, take its events, and pump it again if that moved anything.
#[derive(Debug)]
pub struct Driver<S> {
    stream: S,
    /// The first failure of the stream, for its text. After one of writing, reading goes on: answers may be waiting.
    error: Option<Arc<io::Error>>,
    can_write: bool,
    /// The stream has taken bytes, and has not said since that they left its own buffer.
    needs_flush: bool,
}

impl<S: Read + Write + AsFd> Driver<S> {
    /// A driver of a stream that is connected and non-blocking already.
    pub fn new(stream: S) -> Self {
        Self { stream, error: None, can_write: true, needs_flush: false }
    }

    /// The stream, to be polled.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream's first failure.
    pub fn error(&self) -> Option<&Arc<io::Error>> {
        self.error.as_ref()
    }

    /// Whether what is staged can still leave.
    pub fn can_write(&self) -> bool {
        self.can_write
    }

    /// Whether everything staged has left, also from the stream's own buffer, or never will.
    pub fn is_flushed<C: Connection>(&self, connection: &C) -> bool {
        !connection.wants_write() && !self.holds_back()
    }

    /// Whether the stream may keep bytes in a buffer of its own.
    fn holds_back(&self) -> bool {
        self.needs_flush && self.can_write
    }

    /// Moves what moves without waiting: writes, then reads for as long as the connection wants to. Take events afterwards,
    /// and pump again if it returned true.
    pub fn pump<C: Connection>(&mut self, connection: &mut C) -> bool {
        let written = self.write(connection);
        let mut has_read = false;
        // To the point where it would block, because a TLS layer may hold bytes that no poll knows of.
        while connection.wants_read() && self.read(connection) {
            has_read = true;
        }
        written || has_read
    }

    /// Writes what the stream takes. Returns whether it took anything.
    pub fn write<C: Connection>(&mut self, connection: &mut C) -> bool {
        let mut moved = false;
        while self.can_write && connection.wants_write() {
            let (_, queue) = connection.buffers();
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.chunks_vectored(&mut slices);
            match self.stream.write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => self.fail_write(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    queue.advance(n);
                    self.needs_flush = true;
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.fail_write(error),
            }
        }
        // A layer with a buffer of its own, such as TLS, is told to let it go; one that would block is told again.
        if self.holds_back() && !connection.wants_write() {
            match self.stream.flush() {
                Ok(()) => {
                    self.needs_flush = false;
                    moved = true;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => self.fail_write(error),
            }
        }
        moved
    }

    fn fail_write(&mut self, error: io::Error) {
        self.can_write = false;
        self.error.get_or_insert_with(|| Arc::new(error));
    }

    /// Reads once. Returns whether something came of it: bytes, or the end.
    fn read<C: Connection>(&mut self, connection: &mut C) -> bool {
        loop {
            let (space, _) = connection.buffers();
            return match self.stream.read(space) {
                // After a failed write, that failure is why the stream has ended.
                Ok(0) => {
                    connection.handle_disconnect(match &self.error {
                        Some(error) => Disconnect::Error(error.kind()),
                        None => Disconnect::Eof,
                    });
                    true
                }
                Ok(n) => {
                    connection.received(n);
                    true
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(error) => {
                    let error = self.error.get_or_insert_with(|| Arc::new(error));
                    connection.handle_disconnect(Disconnect::Error(error.kind()));
                    true
                }
            };
        }
    }

    /// Waits until the stream is ready for what the connection wants, or `until` has come. Wakes up early for nothing now
    /// and then, as polls do.
    pub fn wait<C: Connection>(&mut self, connection: &C, until: Option<Instant>) {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, connection.wants_read());
        flags.set(PollFlags::OUT, (connection.wants_write() && self.can_write) || self.holds_back());
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A wait that no Timespec can say is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut [PollFd::new(&self.stream, flags)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                // The next read tells the connection.
                self.can_write = false;
                self.error.get_or_insert_with(|| Arc::new(error.into()));
            }
        }
    }
}
