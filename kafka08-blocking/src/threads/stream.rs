//! Streams that register what they wait for.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use kafka08_async::{
    Wrap,
    futures_io::{AsyncRead, AsyncWrite},
};

use super::{
    Threads,
    source::{Source, Way},
    turn,
};

/// A stream whose descriptor `poll(2)` can wait for.
pub trait Pollable: Read + Write + Send + Unpin {
    /// The descriptor, as something that lives as long as it is waited for.
    #[doc(hidden)]
    fn source(&self) -> io::Result<Registration>;
}

/// A descriptor that is waited for, for as long as this exists.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration {
    pub(super) source: Arc<Source>,
    /// Whether the stream has no buffer, so that it is ready only if its descriptor is.
    pub(super) is_bare: bool,
}

impl Registration {
    pub(super) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), is_bare: false }
    }

    /// That of a stream without a buffer.
    pub(super) fn of_bare(source: Source) -> Self {
        Self { source: Arc::new(source), is_bare: true }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        turn::forget(&self.source);
    }
}

impl<S: Read + Write + AsFd + Send + Unpin> Pollable for S {
    fn source(&self) -> io::Result<Registration> {
        // The descriptor is duplicated, because the stream is borrowed for reading and writing.
        let fd = self.as_fd().try_clone_to_owned()?;
        Ok(Registration::new(Source::new(fd)))
    }
}

impl<S: Pollable> Wrap<S> for Threads {
    type Stream = Polled<S>;

    fn wrap(stream: S) -> Polled<S> {
        let registration = stream.source();
        Polled { stream, registration }
    }
}

/// A non-blocking stream that a thread's task waits for.
#[derive(Debug)]
pub struct Polled<S> {
    stream: S,
    /// The first attempt reports an error.
    registration: io::Result<Registration>,
}

impl<S: Pollable> Polled<S> {
    /// Makes an attempt, unless it is known that it would block.
    fn attempt<T>(
        &mut self,
        way: Way,
        cx: &Context<'_>,
        attempt: impl FnOnce(&mut S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let Registration { source, is_bare } = match &self.registration {
            Ok(registration) => registration,
            Err(error) => return Poll::Ready(Err(io::Error::new(error.kind(), error.to_string()))),
        };
        // A layer such as TLS may have bytes although its socket has none.
        if source.may_be_ready(way) || !is_bare {
            match attempt(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => source.note_blocked(way),
                outcome => return Poll::Ready(outcome),
            }
        }
        turn::wait_for(source, way, cx);
        Poll::Pending
    }
}

impl<S: Pollable> AsyncRead for Polled<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = space.len();
        let read = self.attempt(Way::Reads, cx, |stream| stream.read(space));
        if let Poll::Ready(Ok(n)) = &read
            // Zero bytes are the end of the stream, and full space may not be all there is.
            && (1..room).contains(n)
            && let Ok(Registration { source, is_bare: true }) = &self.registration
        {
            // A socket that fills only a part of the space is empty now.
            source.note_blocked(Way::Reads);
        }
        read
    }
}

impl<S: Pollable> AsyncWrite for Polled<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.attempt(Way::Writes, cx, |stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.attempt(Way::Writes, cx, |stream| stream.write_vectored(slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attempt(Way::Writes, cx, Write::flush)
    }

    /// Dropping the stream closes it.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
