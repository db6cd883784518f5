//! Moves bytes between a stream and a client or server connection. It does not depend on any message type.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Buf as _;
use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::{Connection, Disconnect, frame::SendQueue};

/// The maximum number of chunks per `writev`, well below the 1024 that systems accept.
const SLICES: usize = 64;

/// The maximum number of bytes that are gathered into one write to a stream of the caller: the size of a TLS record.
const RECORD: usize = 16 << 10;

/// The maximum number of bytes of one large chunk that such a stream is offered at once. Bytes that were offered cannot
/// be withdrawn any more.
const OFFER: usize = 64 << 10;

/// A stream, its kind, and its state.
pub(crate) struct Driver<S> {
    stream: S,
    transport: Transport,
    /// The first failure of the stream, kept for its text.
    error: Option<Arc<io::Error>>,
    /// The stream has taken bytes since it was last flushed, and may still keep them in its own buffer.
    needs_flush: bool,
}

/// What a stream may do with bytes that a write did not report as taken.
enum Transport {
    /// A bare socket. Such bytes have not been sent, and there is no buffer to flush.
    Socket,
    /// Any other stream. Like a TLS layer, it may keep such bytes, and expects the same bytes again.
    Any {
        /// The number of bytes that the last attempt offered, if the attempt is to be repeated. Otherwise zero.
        offered: usize,
        /// Small chunks, gathered into one write. They are kept while an attempt is to be repeated.
        gathered: Vec<u8>,
    },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Creates a driver of any stream, such as a TLS layer. Bytes that were offered may be sent even if the stream does
    /// not report them as taken.
    pub(crate) fn new(stream: S) -> Self {
        let transport = Transport::Any { offered: 0, gathered: Vec::new() };
        Self { stream, transport, error: None, needs_flush: false }
    }

    /// Creates a driver of a bare socket. Bytes that a write does not report as taken have not been sent.
    pub(crate) fn of_socket(stream: S) -> Self {
        Self { stream, transport: Transport::Socket, error: None, needs_flush: false }
    }

    pub(crate) fn error(&self) -> Option<&Arc<io::Error>> {
        self.error.as_ref()
    }

    /// Whether the stream may keep bytes that it has taken.
    pub(crate) fn needs_flush(&self) -> bool {
        self.needs_flush
    }

    /// Gives up the bytes that the stream keeps, because the connection is ended without them.
    pub(crate) fn give_up(&mut self) {
        self.needs_flush = false;
    }

    /// Closes the stream. A TLS stream sends a closing message, and may wait for that of the peer.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_close(cx)).await
    }

    /// Reads once. Ready with the number of bytes, which is 0 if the read was interrupted or has failed, or if the
    /// stream has ended.
    pub(crate) fn read<C: Connection>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        connection: &mut C,
    ) -> Poll<usize> {
        let (space, _) = connection.buffers();
        let room = space.len();
        let read = match Pin::new(&mut self.stream).poll_read(cx, space) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(read) => read,
        };
        match read {
            Ok(0) => connection.handle_disconnect(Disconnect::Eof),
            // A faulty stream may claim to have filled more than there was. This must not cause a panic.
            Ok(n) if n > room => connection.handle_disconnect(Disconnect::Error(ErrorKind::InvalidData)),
            Ok(n) => {
                connection.handle_read(now, n);
                return Poll::Ready(n);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                connection.handle_disconnect(Disconnect::Error(error.kind()));
                self.error.get_or_insert_with(|| Arc::new(error));
            }
        }
        Poll::Ready(0)
    }

    /// Writes once. Ready if the stream has taken bytes, was interrupted, or has failed.
    pub(crate) fn write<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> Poll<()> {
        let (_, queue) = connection.buffers();
        let stream = Pin::new(&mut self.stream);
        let written = match &mut self.transport {
            Transport::Socket => write_to_socket(stream, cx, queue),
            Transport::Any { offered, gathered } => write_to_any(stream, cx, queue, offered, gathered),
        };
        match written {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => self.fail_write(ErrorKind::WriteZero.into(), connection),
            Poll::Ready(Ok(n)) => {
                // A faulty stream may claim to have taken more than it was offered. This must not cause a panic.
                queue.advance(n.min(queue.remaining()));
                self.needs_flush = matches!(self.transport, Transport::Any { .. });
            }
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Poll::Ready(Err(error)) => self.fail_write(error, connection),
        }
        Poll::Ready(())
    }

    /// Flushes the stream. Ready when this has succeeded or failed.
    pub(crate) fn flush<C: Connection>(&mut self, cx: &mut Context<'_>, connection: &mut C) -> Poll<()> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => self.needs_flush = false,
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {
                // The flush is tried again in the task's next turn, so that a stream that is always interrupted does
                // not starve other tasks.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => self.fail_write(error, connection),
        }
        Poll::Ready(())
    }

    fn fail_write<C: Connection>(&mut self, error: io::Error, connection: &mut C) {
        self.needs_flush = false;
        connection.handle_write_failed(error.kind());
        self.error.get_or_insert_with(|| Arc::new(error));
    }
}

fn write_to_socket<S: AsyncWrite>(
    stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    queue: &SendQueue,
) -> Poll<io::Result<usize>> {
    let chunk = queue.chunk();
    // One chunk needs no list of slices.
    if chunk.len() == queue.remaining() {
        return stream.poll_write(cx, chunk);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = queue.chunks_vectored(&mut slices);
    stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
}

/// Offers a large chunk directly, and gathers small ones into one write, so that they become one TLS record. If the
/// stream was not ready for an attempt, the next one offers the same bytes, because frames that were offered are not
/// withdrawn.
fn write_to_any<S: AsyncWrite>(
    stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    queue: &mut SendQueue,
    offered: &mut usize,
    gathered: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let is_repeated = *offered > 0;
    let (chunk, remaining) = (queue.chunk().len(), queue.remaining());
    if !is_repeated {
        // Each write to a TLS layer becomes a record, with a header, a checksum and a call of the cipher.
        let gathers = chunk < RECORD && chunk < remaining;
        // The bytes count as offered before the attempt, because the stream may keep them whatever it returns.
        *offered = if gathers { remaining.min(RECORD) } else { chunk.min(OFFER) };
        if gathers {
            gather(queue, *offered, gathered);
        }
        queue.note_offered(*offered);
    }
    let bytes = if gathered.is_empty() { queue.chunk() } else { &gathered[..] };
    let written = stream.poll_write(cx, bytes.get(..*offered).unwrap_or(bytes));
    // An interrupted attempt is repeated too.
    let is_decided = match &written {
        Poll::Pending => false,
        Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(error)) => error.kind() != ErrorKind::Interrupted,
    };
    if is_decided {
        *offered = 0;
        gathered.clear();
    }
    written
}

/// Copies the first `len` bytes of the queue.
fn gather(queue: &SendQueue, len: usize, to: &mut Vec<u8>) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut left = len;
    let count = queue.chunks_vectored(&mut slices);
    for slice in slices.iter().take(count) {
        let step = left.min(slice.len());
        to.extend_from_slice(slice.get(..step).unwrap_or_default());
        left -= step;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use kafka08_proto::{
        ClientConfig, ClientConnection,
        api::ProduceRequest,
        ids::{Acks, ConnectionId, Millis},
        message::MessageSet,
    };

    use super::*;

    /// A connection in which a produce is staged. The value of its message is a chunk of its own.
    fn two_pieces() -> ClientConnection {
        let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
        let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&[7; 10_000]));
        connection.request(Instant::now(), &request).expect("there is room");
        connection
    }

    #[test]
    fn what_is_staged_in_pieces_leaves_a_socket_in_one_call() {
        let mut connection = two_pieces();
        let (_, queue) = connection.buffers();
        assert!(queue.chunk().len() < queue.remaining());
        // A `Vec` takes everything that one call offers.
        let mut stream = Vec::new();
        let written = write_to_socket(Pin::new(&mut stream), &mut Context::from_waker(Waker::noop()), queue);
        assert!(matches!(written, Poll::Ready(Ok(n)) if n == queue.remaining()), "{written:?}");
    }

    #[test]
    fn no_more_is_gathered_than_is_to_be_offered() {
        let mut connection = two_pieces();
        let (_, queue) = connection.buffers();
        let len = queue.chunk().len() + 1000;
        let mut gathered = Vec::new();
        gather(queue, len, &mut gathered);
        assert_eq!(gathered.len(), len);
    }
}
