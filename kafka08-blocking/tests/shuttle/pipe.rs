//! A pipe in memory that holds a few bytes, so that writes are partial.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_async::futures_io::{AsyncRead, AsyncWrite};
use kafka08_blocking::proto::{Connection as _, Disconnect, ServerConnection};
use shuttle::sync::Mutex;

/// One direction of a pipe.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    room: usize,
    is_closed: bool,
    waker: Option<Waker>,
}

/// One end of a pipe.
pub(crate) struct End {
    reads: Arc<Mutex<Way>>,
    writes: Arc<Mutex<Way>>,
}

/// A pipe that holds so many bytes in each direction.
pub(crate) fn pipe(room: usize) -> (End, End) {
    let way = || Arc::new(Mutex::new(Way { room, ..Way::default() }));
    let (there, back) = (way(), way());
    (End { reads: Arc::clone(&back), writes: Arc::clone(&there) }, End { reads: there, writes: back })
}

/// Does something with a direction, and wakes the other end if it moved.
fn attempt(way: &Mutex<Way>, cx: &Context<'_>, attempt: impl FnOnce(&mut Way) -> Option<usize>) -> Poll<usize> {
    let mut way = way.lock().expect("no panic");
    match attempt(&mut way) {
        Some(n) => {
            let waker = way.waker.take();
            drop(way);
            waker.map(Waker::wake);
            Poll::Ready(n)
        }
        None => {
            // A pipe that is neither full nor empty blocks nobody, so one waker is enough for both ends.
            way.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        attempt(&self.reads, cx, |way| {
            let n = space.len().min(way.bytes.len());
            for (to, from) in space.iter_mut().zip(way.bytes.drain(..n)) {
                *to = from;
            }
            (n > 0 || way.is_closed).then_some(n)
        })
        .map(Ok)
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = attempt(&self.writes, cx, |way| {
            let n = if way.is_closed { 0 } else { bytes.len().min(way.room - way.bytes.len()) };
            way.bytes.extend(bytes.iter().take(n));
            (n > 0 || way.is_closed).then_some(n)
        });
        written.map(|n| if n == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(n) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl End {
    /// Moves bytes of a broker once: what it has to write comes first, then it reads. `now` is asked after reading.
    pub(crate) async fn carry(&mut self, server: &mut ServerConnection, now: impl FnOnce() -> Instant) {
        let (space, queue) = server.buffers();
        if queue.has_remaining() {
            match poll_fn(|cx| Pin::new(&mut *self).poll_write(cx, queue.chunk())).await {
                Ok(n) => queue.advance(n),
                Err(error) => server.handle_disconnect(Disconnect::Error(error.kind())),
            }
            return;
        }
        match poll_fn(|cx| Pin::new(&mut *self).poll_read(cx, space)).await.expect("reading does not fail") {
            0 => server.handle_disconnect(Disconnect::Eof),
            n => server.handle_read(now(), n),
        }
    }

    fn close(&self) {
        for way in [&self.reads, &self.writes] {
            let mut way = way.lock().expect("no panic");
            way.is_closed = true;
            let waker = way.waker.take();
            drop(way);
            waker.map(Waker::wake);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}
