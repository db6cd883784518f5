//! The loop that moves bytes between a non-blocking stream and a client or server connection. It does not depend on any
//! message type.

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

/// The maximum number of chunks per `writev`, well below the 1024 that systems accept.
const SLICES: usize = 64;

/// The number of bytes after which [`Driver::read`] returns even if more may be available. It is large enough that the
/// cost of a call is negligible beside that of copying, and small enough that one fast peer does not keep a loop from
/// its other work.
const READ_BUDGET: usize = 1 << 20;

/// Moves bytes between a non-blocking stream and a client or server [`Connection`].
///
/// [`Client`](crate::Client) consists of a driver and a `ClientConnection`. Use the driver directly to serve many
/// connections in a poll loop of your own. When a connection is ready, do four steps:
///
/// 1. Call [`Driver::read`], and take the connection's events.
/// 2. If the deadline of [`Connection::poll_timeout`] has passed, call [`Connection::handle_timeout`] and take events
///    again. This step comes after reading, so that a response that has arrived in time is accepted, and before
///    writing, so that an expired request is not written.
/// 3. Call [`Driver::write`], and take events again.
/// 4. If none of these steps moved anything, wait, for instance with [`Driver::wait`].
///
/// The driver has no timers of its own.
#[derive(Debug)]
pub struct Driver<S> {
    stream: S,
    keeps: Keeps,
    /// The first failure of the stream, kept for its text. Reading continues after a failed write, because responses
    /// may be waiting.
    error: Option<Arc<io::Error>>,
    /// The stream has taken bytes since it was last flushed, and may still keep them in its own buffer.
    needs_flush: bool,
    /// Waiting for the stream has failed. The next read reports it to the connection.
    lost: Option<ErrorKind>,
    /// The last read of a bare socket returned less than there was space for, so no more bytes were available.
    is_drained: bool,
}

/// What a stream may do with bytes that a write did not report as taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// The stream keeps nothing. Such bytes have not been sent, and need not be offered again.
    Nothing,
    /// The stream may keep such bytes, for example because it has encrypted them already. It expects the same bytes
    /// again.
    Unreported,
}

impl<S: Read + Write + AsFd> Driver<S> {
    /// Creates a driver of any stream that is already connected and non-blocking.
    ///
    /// Streams such as TLS layers may keep bytes of a write that they report as blocked. So a request is not withdrawn
    /// once it was passed to a write. If such a request fails, the broker may have acted on it.
    pub fn new(stream: S) -> Self {
        Self { stream, keeps: Keeps::Unreported, error: None, needs_flush: false, lost: None, is_drained: false }
    }

    /// Creates a driver of a bare socket that is already connected and non-blocking. Bytes that a write does not report
    /// as taken have not been sent. Several chunks are written with one `writev`.
    ///
    /// Do not use it for a stream with a buffer of its own. Requests that were sent would be reported as not applied,
    /// and the frames on the wire would be corrupt.
    pub fn of_socket(stream: S) -> Self {
        Self { keeps: Keeps::Nothing, ..Self::new(stream) }
    }

    /// The stream, for example to poll it.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream's first failure.
    pub fn error(&self) -> Option<&Arc<io::Error>> {
        self.error.as_ref()
    }

    /// Whether all staged bytes were written, and the stream's own buffer was flushed. Also true if this can never
    /// happen, because writing has failed.
    pub fn is_flushed<C: Connection>(&self, connection: &C) -> bool {
        !self.wants_write(connection)
    }

    /// Whether the last read found all bytes that were available, so that another read before [`Driver::wait`] would
    /// find nothing. Always false if the stream is not a bare socket.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Whether to poll the stream for writing.
    pub fn wants_write<C: Connection>(&self, connection: &C) -> bool {
        connection.wants_write() || self.needs_flush
    }

    /// Reads and then writes, without waiting. Take events afterwards, and call it again if it returned true.
    ///
    /// It does not handle deadlines. If expired requests must not be written, call [`Driver::read`] and
    /// [`Driver::write`] instead, and handle deadlines in between.
    pub fn pump<C: Connection>(&mut self, now: Instant, connection: &mut C) -> bool {
        let has_read = self.read(now, connection);
        self.write(connection) || has_read
    }

    /// Reads until the stream would block or has ended, until a whole frame has arrived, or until a mebibyte was read.
    /// Returns whether anything changed. If it returns true, take events, and read again before you poll: a TLS layer
    /// may hold bytes that polling its socket does not show.
    pub fn read<C: Connection>(&mut self, now: Instant, connection: &mut C) -> bool {
        // The failure is reported here and not in `wait`, because `wait` has no mutable access to the connection.
        if let Some(kind) = self.lost.take() {
            connection.handle_disconnect(Disconnect::Error(kind));
            return true;
        }
        let mut sum = 0;
        let mut moved = false;
        self.is_drained = false;
        // `wants_read` turns false when a whole frame has arrived. To continue reading would fill memory with bytes
        // that the caller has not asked for.
        while connection.wants_read() && !self.is_drained && sum < READ_BUDGET {
            let (space, _) = connection.buffers();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => connection.handle_disconnect(Disconnect::Eof),
                Ok(n) => {
                    // A socket that fills only a part of the space is empty now. This is not true of a TLS layer, which
                    // returns one record at a time.
                    self.is_drained = n < room && self.keeps == Keeps::Nothing;
                    connection.handle_read(now, n);
                    sum += n;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    connection.handle_disconnect(Disconnect::Error(error.kind()));
                    self.keep(error);
                }
            }
            moved = true;
        }
        moved
    }

    /// Writes as much as the stream takes. Returns whether anything changed.
    pub fn write<C: Connection>(&mut self, connection: &mut C) -> bool {
        let mut moved = false;
        while connection.wants_write() {
            match self.write_some(connection) {
                // If a stream takes 0 of several bytes, it will not take more later, and trying again would be an
                // endless loop.
                Ok(0) => self.fail_write(connection, ErrorKind::WriteZero.into()),
                Ok(n) => {
                    connection.buffers().1.advance(n);
                    self.needs_flush = self.keeps == Keeps::Unreported;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return moved,
                Err(error) => self.fail_write(connection, error),
            }
            moved = true;
        }
        self.flush(connection) || moved
    }

    /// Tries to write once.
    fn write_some<C: Connection>(&mut self, connection: &mut C) -> io::Result<usize> {
        let (_, queue) = connection.buffers();
        match self.keeps {
            Keeps::Nothing => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = queue.chunks_vectored(&mut slices);
                self.stream.write_vectored(slices.get(..count).unwrap_or_default())
            }
            Keeps::Unreported => {
                // Only one chunk is offered, because most such streams write only the first slice, and the others would
                // count as offered too.
                queue.note_offered(queue.chunk().len());
                self.stream.write(queue.chunk())
            }
        }
    }

    /// Flushes the stream's own buffer. If this would block, the next call of `write` tries again.
    fn flush<C: Connection>(&mut self, connection: &mut C) -> bool {
        while self.needs_flush {
            match self.stream.flush() {
                Ok(()) => self.needs_flush = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => self.fail_write(connection, error),
            }
            return true;
        }
        false
    }

    fn fail_write<C: Connection>(&mut self, connection: &mut C, error: io::Error) {
        connection.handle_write_failed(error.kind());
        // Bytes that the stream still keeps will never be sent.
        self.needs_flush = false;
        self.keep(error);
    }

    fn keep(&mut self, error: io::Error) {
        // The first failure is the cause. Later ones follow from it.
        self.error.get_or_insert_with(|| Arc::new(error));
    }

    /// Waits until the stream is ready for what the connection wants, or until `until` has passed. It may also return
    /// earlier without a reason, as `poll` does.
    pub fn wait<C: Connection>(&mut self, connection: &C, until: Option<Instant>) {
        let mut flags = PollFlags::empty();
        // The stream is polled only for what is wanted. Otherwise a readable socket would end each wait at once while
        // nobody reads.
        flags.set(PollFlags::IN, connection.wants_read());
        flags.set(PollFlags::OUT, self.wants_write(connection));
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.is_drained = false;
        // If the timeout does not fit into a `Timespec`, the wait has no time limit.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut [PollFd::new(&self.stream, flags)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                // If the stream cannot be polled, the connection must end. Otherwise the caller would loop without ever
                // waiting.
                let error = io::Error::from(error);
                self.lost = Some(error.kind());
                self.keep(error);
            }
        }
    }
}
