//! The loop between a tokio stream and either end of a connection. It knows no message.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_proto::{Connection, Disconnect};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};

/// Chunks per `writev`, well below the 1024 that systems take.
const SLICES: usize = 64;

/// A stream, and how it is doing.
pub(crate) struct Driver<S> {
    stream: S,
    /// The first failure of the stream, for its text. After one of writing, reading goes on: answers may be waiting.
    error: Option<Arc<io::Error>>,
    can_write: bool,
    needs_flush: bool,
    sleep: Pin<Box<Sleep>>,
    sleeps_until: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(stream: S) -> Self {
        let sleep = Box::pin(sleep_until(tokio::time::Instant::now()));
        Self { stream, error: None, can_write: true, needs_flush: false, sleep, sleeps_until: None }
    }

    pub(crate) fn error(&self) -> Option<&Arc<io::Error>> {
        self.error.as_ref()
    }

    pub(crate) fn can_write(&self) -> bool {
        self.can_write
    }

    /// Whether everything staged has left, also from the stream's own buffer.
    pub(crate) fn is_flushed<C: Connection>(&self, connection: &C) -> bool {
        let has_buffered = self.needs_flush && self.can_write;
        !connection.wants_write() && !has_buffered
    }

    /// Moves what moves. Ready when anything did: take events, and poll again. A deadline that has come is told when nothing
    /// moves any more, so that an answer that is here beats it.
    pub(crate) fn poll<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> Poll<()> {
        let written = self.write(cx, connection);
        if self.read_what_is_here(cx, connection) || written {
            return Poll::Ready(());
        }
        let Some(deadline) = connection.poll_timeout() else { return Poll::Pending };
        if self.sleeps_until != Some(deadline) {
            self.sleep.as_mut().reset(tokio::time::Instant::from_std(deadline));
            self.sleeps_until = Some(deadline);
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.sleeps_until = None;
        connection.handle_timeout(tokio::time::Instant::now().into_std());
        Poll::Ready(())
    }

    /// Reads for as long as the connection wants to and the stream has something. Returns whether it had.
    pub(crate) fn read_what_is_here<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> bool {
        let mut has_read = false;
        while connection.wants_read() && self.read(cx, connection) {
            has_read = true;
        }
        has_read
    }

    fn write<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> bool {
        let mut moved = false;
        while self.can_write && connection.wants_write() {
            let (_, queue) = connection.buffers();
            let stream = Pin::new(&mut self.stream);
            let written = if stream.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = queue.chunks_vectored(&mut slices);
                stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
            } else {
                stream.poll_write(cx, queue.chunk())
            };
            match written {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.fail_write(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    queue.advance(n);
                    self.needs_flush = true;
                    moved = true;
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.fail_write(error),
            }
        }
        // A layer with a buffer of its own, such as TLS, is told to let it go.
        if self.needs_flush && self.can_write && !connection.wants_write() {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    self.needs_flush = false;
                    moved = true;
                }
                Poll::Ready(Err(error)) => self.fail_write(error),
            }
        }
        moved
    }

    fn fail_write(&mut self, error: io::Error) {
        self.can_write = false;
        self.error.get_or_insert_with(|| Arc::new(error));
    }

    /// Reads once. Returns whether something came of it: bytes, or the end.
    fn read<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> bool {
        let (space, _) = connection.buffers();
        let mut space = ReadBuf::new(space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut space) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => match (space.filled().len(), &self.error) {
                // After a failed write, that failure is why the stream has ended.
                (0, Some(error)) => connection.handle_disconnect(Disconnect::Error(error.kind())),
                (0, None) => connection.handle_disconnect(Disconnect::Eof),
                (n, _) => connection.received(n),
            },
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Poll::Ready(Err(error)) => {
                let error = self.error.get_or_insert_with(|| Arc::new(error));
                connection.handle_disconnect(Disconnect::Error(error.kind()));
            }
        }
        true
    }

    /// The stream, to be shut down.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }
}
