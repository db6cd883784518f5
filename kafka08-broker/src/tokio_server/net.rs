//! The sockets of tokio, as the turns of a driver use them.
//!
//! Tokio's sockets are polled with a context. Here each poll has the waker of its own socket, so the turns of the driver can
//! use them like sockets that do not block.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use kafka08_proto::ids::{ConnectionId, NodeId};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::wakers::{Source, Woken};
use crate::server::net::{Net, Peer, Stream};

/// The sockets of a tokio runtime.
pub(super) struct TokioNet {
    woken: Arc<Woken>,
}

impl TokioNet {
    pub(super) fn new(woken: Arc<Woken>) -> Self {
        Self { woken }
    }
}

impl Net for TokioNet {
    // The waker is kept beside the socket: tokio compares it with the one of the last poll, and a new one each time would be
    // costly.
    type Listener = (TcpListener, Waker);
    type Accepted = TcpStream;
    type Stream = TokioStream;

    fn listen(&mut self, node: NodeId, listener: std::net::TcpListener) -> io::Result<(TcpListener, Waker)> {
        Ok((TcpListener::from_std(listener)?, self.woken.waker(Source::Listener(node))))
    }

    fn accept(&mut self, (listener, waker): &(TcpListener, Waker)) -> io::Result<(TcpStream, SocketAddr)> {
        now_or_later(listener.poll_accept(&mut Context::from_waker(waker)))
    }

    fn open(&mut self, id: ConnectionId, stream: TcpStream) -> io::Result<TokioStream> {
        // Otherwise the end of an answer would wait for the client's acknowledgement of its beginning.
        stream.set_nodelay(true)?;
        Ok(TokioStream { stream, waker: self.woken.waker(Source::Connection(id)) })
    }
}

/// The socket of a client, as one that does not block. What is not ready wakes the socket's waker later.
pub(super) struct TokioStream {
    stream: TcpStream,
    waker: Waker,
}

impl AsFd for TokioStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Read for TokioStream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        let room = space.len();
        let mut space = ReadBuf::new(space);
        now_or_later(Pin::new(&mut self.stream).poll_read(&mut context, &mut space))?;
        let n = space.filled().len();
        // Only a poll in vain registers the waker. Whoever reads stops after a read that has not filled its buffer.
        if (1..room).contains(&n) && self.stream.poll_read_ready(&mut context).is_ready() {
            self.waker.wake_by_ref();
        }
        Ok(n)
    }
}

impl Write for TokioStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        now_or_later(Pin::new(&mut self.stream).poll_write(&mut context, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        now_or_later(Pin::new(&mut self.stream).poll_write_vectored(&mut context, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        // The socket keeps nothing back.
        Ok(())
    }
}

impl Stream for TokioStream {
    /// A client that leaves behind a request that nobody has read yet is not noticed: tokio does not announce the end of a
    /// stream apart from its bytes. The wait of such a client ends at its time.
    fn peer(&mut self) -> Peer {
        let mut byte = [0];
        let mut context = Context::from_waker(&self.waker);
        // A peek leaves the byte to the next read, and registers the waker for the end of the stream.
        match self.stream.poll_peek(&mut context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Peer::HalfClosed,
            Poll::Ready(Err(error)) if error.kind() != ErrorKind::Interrupted => Peer::Broken,
            Poll::Ready(_) | Poll::Pending => Peer::Open,
        }
    }
}

/// What is pending, as the error of a socket that does not block.
fn now_or_later<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
