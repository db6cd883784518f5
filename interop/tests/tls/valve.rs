//! A socket that takes as many bytes as the test allows, and then would block.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a [`Gate`] lets through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Valve(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that are still let through; `None` while the valve is open.
    left: Option<usize>,
    passed: usize,
    refused: usize,
    waker: Option<Waker>,
}

impl Valve {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets this many more bytes through, and then none.
    pub(crate) fn allow(&self, bytes: usize) {
        *self.state() = State { left: Some(bytes), ..State::default() };
    }

    pub(crate) fn open(&self) {
        let mut state = self.state();
        state.left = None;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// How many bytes have passed since the beginning, or since [`Valve::allow`].
    pub(crate) fn passed(&self) -> usize {
        self.state().passed
    }

    /// How many writes would have blocked since [`Valve::allow`].
    pub(crate) fn refused(&self) -> usize {
        self.state().refused
    }

    /// The part of `bytes` that may pass; `None` if that is nothing.
    fn part<'b>(&self, bytes: &'b [u8], waker: Option<&Waker>) -> Option<&'b [u8]> {
        let mut state = self.state();
        match state.left {
            None => Some(bytes),
            Some(0) => {
                state.refused += 1;
                state.waker = waker.cloned();
                None
            }
            Some(left) => bytes.get(..left).or(Some(bytes)),
        }
    }

    fn pass(&self, bytes: usize) {
        let mut state = self.state();
        state.passed += bytes;
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(bytes);
        }
    }
}

/// A socket behind a [`Valve`], which concerns writing alone.
#[derive(Debug)]
pub(crate) struct Gate<S> {
    pub(crate) socket: S,
    pub(crate) valve: Valve,
}

impl<S: Read> Read for Gate<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.read(into)
    }
}

impl<S: Write> Write for Gate<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = self.valve.part(bytes, None).ok_or(ErrorKind::WouldBlock)?;
        let taken = self.socket.write(part)?;
        self.valve.pass(taken);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A poll of the socket does not know of the valve: a client that waits to write asks again and again.
impl<S: AsFd> AsFd for Gate<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let valve = self.valve.clone();
        let Some(part) = valve.part(bytes, Some(cx.waker())) else { return Poll::Pending };
        let taken = ready!(Pin::new(&mut self.socket).poll_write(cx, part))?;
        valve.pass(taken);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
