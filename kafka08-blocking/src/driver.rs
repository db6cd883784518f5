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

/// Bytes after which [`Driver::read`] returns although more may be here. Large enough that its cost vanishes in that of the
/// copying, and small enough that one fast peer does not keep a loop from its other work.
const READ_BUDGET: usize = 1 << 20;

/// Moves bytes between a non-blocking stream and either end of a [`Connection`].
///
/// [`Client`](crate::Client) is made of one and a `ClientConnection`. For those who keep many connections in a poll loop of
/// their own, a turn of one that is ready has four steps:
///
/// 1. [`Driver::read`], and take the connection's events.
/// 2. If [`Connection::poll_timeout`] has come, call [`Connection::handle_timeout`] and take events again: what has expired
///    is not written, and an answer that is here beats its deadline.
/// 3. [`Driver::write`], and take events again.
/// 4. Wait, for instance with [`Driver::wait`], if none of that moved anything.
///
/// The driver has no timers of its own.
#[derive(Debug)]
pub struct Driver<S> {
    stream: S,
    keeps: Keeps,
    /// The first failure of the stream, for its text. After one of writing, reading goes on: answers may be waiting.
    error: Option<Arc<io::Error>>,
    /// The stream has taken bytes, and has not said since that they left its own buffer.
    needs_flush: bool,
    /// Waiting for the stream has failed, and the next read tells the connection.
    lost: Option<ErrorKind>,
    /// The last read of a bare socket gave less than there was room for: nothing more was here.
    is_drained: bool,
}

/// What a stream may do with bytes that a write did not report as taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// Nothing: they have not left, and need not be offered again.
    Nothing,
    /// It may have encrypted them already, and expects the same bytes again.
    Unreported,
}

impl<S: Read + Write + AsFd> Driver<S> {
    /// A driver of any stream that is connected and non-blocking already.
    ///
    /// The stream may keep bytes of a write that it reports as blocked, as TLS layers do. So a request that was in an attempt
    /// to write is not taken back any more, and may have been applied when it fails.
    pub fn new(stream: S) -> Self {
        Self { stream, keeps: Keeps::Unreported, error: None, needs_flush: false, lost: None, is_drained: false }
    }

    /// A driver of a bare socket that is connected and non-blocking already: what a write does not report as taken has not
    /// left, and several pieces leave in one `writev`.
    ///
    /// Do not use it for a stream with a buffer of its own. Requests that left would be reported as not applied, and the
    /// bytes on the wire would be torn.
    pub fn of_socket(stream: S) -> Self {
        Self { keeps: Keeps::Nothing, ..Self::new(stream) }
    }

    /// The stream, to be polled.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream's first failure.
    pub fn error(&self) -> Option<&Arc<io::Error>> {
        self.error.as_ref()
    }

    /// Whether everything staged has left, also from the stream's own buffer, or never will.
    pub fn is_flushed<C: Connection>(&self, connection: &C) -> bool {
        !self.wants_write(connection)
    }

    /// Whether the last read found the end of what was here, so that another one before [`Driver::wait`] would find nothing.
    /// Only a bare socket can tell.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Whether the stream is to be polled for writing.
    pub fn wants_write<C: Connection>(&self, connection: &C) -> bool {
        connection.wants_write() || self.needs_flush
    }

    /// Reads, then writes, what moves without waiting. Take events afterwards, and pump again if it returned true.
    ///
    /// Timers are the caller's. One that must not write what has expired reads and writes in two steps.
    pub fn pump<C: Connection>(&mut self, now: Instant, connection: &mut C) -> bool {
        let has_read = self.read(now, connection);
        self.write(connection) || has_read
    }

    /// Reads until the stream would block or has ended, until a whole frame is here, or until a mebibyte has come. Returns
    /// whether anything came of it: then take events, and read again before you poll, because a TLS layer may hold bytes that
    /// no poll knows of.
    pub fn read<C: Connection>(&mut self, now: Instant, connection: &mut C) -> bool {
        // Told here and not in `wait`, which has no connection to change.
        if let Some(kind) = self.lost.take() {
            connection.handle_disconnect(Disconnect::Error(kind));
            return true;
        }
        let mut sum = 0;
        let mut moved = false;
        self.is_drained = false;
        // A connection stops wanting when a whole frame is here. Reading on would fill memory with what nobody has asked for.
        while connection.wants_read() && !self.is_drained && sum < READ_BUDGET {
            let (space, _) = connection.buffers();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => connection.handle_disconnect(Disconnect::Eof),
                Ok(n) => {
                    // A read that fills less than it could has emptied the socket. A TLS layer says nothing of the kind: it gives one record
                    // at a time.
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

    /// Writes what the stream takes. Returns whether it took anything.
    pub fn write<C: Connection>(&mut self, connection: &mut C) -> bool {
        let mut moved = false;
        while connection.wants_write() {
            match self.write_some(connection) {
                // A stream that takes nothing of something will not take anything later either: going on would be a loop.
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

    /// One attempt to write.
    fn write_some<C: Connection>(&mut self, connection: &mut C) -> io::Result<usize> {
        let (_, queue) = connection.buffers();
        match self.keeps {
            Keeps::Nothing => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = queue.chunks_vectored(&mut slices);
                self.stream.write_vectored(slices.get(..count).unwrap_or_default())
            }
            Keeps::Unreported => {
                // One chunk, so that no more counts as offered than was: most such streams look at the first slice only.
                queue.note_offered(queue.chunk().len());
                self.stream.write(queue.chunk())
            }
        }
    }

    /// Tells a layer with a buffer of its own to let it go; one that would block is told again by the next write.
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
        // What the stream holds back will never leave.
        self.needs_flush = false;
        self.keep(error);
    }

    fn keep(&mut self, error: io::Error) {
        // The first failure is the cause; later ones follow from it.
        self.error.get_or_insert_with(|| Arc::new(error));
    }

    /// Waits until the stream is ready for what the connection wants, or `until` has come. Wakes up early for nothing now
    /// and then, as polls do.
    pub fn wait<C: Connection>(&mut self, connection: &C, until: Option<Instant>) {
        let mut flags = PollFlags::empty();
        // Not polled for what is not wanted: a socket that is readable while nobody reads would end each wait at once.
        flags.set(PollFlags::IN, connection.wants_read());
        flags.set(PollFlags::OUT, self.wants_write(connection));
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.is_drained = false;
        // A wait that no Timespec can say is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut [PollFd::new(&self.stream, flags)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                // A stream that cannot be waited for is lost: going on would be a loop without a pause.
                let error = io::Error::from(error);
                self.lost = Some(error.kind());
                self.keep(error);
            }
        }
    }
}
