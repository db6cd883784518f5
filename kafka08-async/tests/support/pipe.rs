//! A pipe in memory, whose ends have the traits of `futures-io`.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use kafka08_async::futures_io::{AsyncRead, AsyncWrite};

/// One direction of a pipe.
#[derive(Default)]
struct Half {
    bytes: VecDeque<u8>,
    /// How many bytes it holds at most.
    capacity: usize,
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// An end of a pipe. Dropping it closes both directions.
pub(crate) struct Pipe {
    reads: Arc<Mutex<Half>>,
    writes: Arc<Mutex<Half>>,
}

/// A pipe that holds so many bytes in each direction.
pub(crate) fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let half = || Arc::new(Mutex::new(Half { capacity, ..Half::default() }));
    let (one, other) = (half(), half());
    (Pipe { reads: Arc::clone(&one), writes: Arc::clone(&other) }, Pipe { reads: other, writes: one })
}

impl Pipe {
    /// Waits until the other end has written so many bytes that were not read.
    pub(crate) async fn holds(&self, bytes: usize) {
        while with(&self.reads, |half| half.bytes.len()) < bytes {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    }
}

fn with<T>(half: &Mutex<Half>, f: impl FnOnce(&mut Half) -> T) -> T {
    let mut half = half.lock().expect("no test panics with it");
    let result = f(&mut half);
    drop(half);
    result
}

/// Wakes outside of the lock.
fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(Waker::wake);
}

fn close(half: &Mutex<Half>) {
    let (reader, writer) = with(half, |half| {
        half.is_closed = true;
        (half.reader.take(), half.writer.take())
    });
    wake(reader);
    wake(writer);
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = with(&self.reads, |half| {
            if half.bytes.is_empty() && !half.is_closed {
                half.reader = Some(cx.waker().clone());
                return None;
            }
            let len = half.bytes.len().min(space.len());
            space.iter_mut().zip(half.bytes.drain(..len)).for_each(|(to, byte)| *to = byte);
            Some((len, half.writer.take()))
        });
        let Some((len, writer)) = read else { return Poll::Pending };
        wake(writer);
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = with(&self.writes, |half| {
            if half.is_closed {
                return Some(Err(ErrorKind::BrokenPipe.into()));
            }
            let len = bytes.len().min(half.capacity - half.bytes.len());
            if len == 0 {
                half.writer = Some(cx.waker().clone());
                return None;
            }
            half.bytes.extend(bytes.iter().take(len));
            Some(Ok((len, half.reader.take())))
        });
        let Some(written) = written else { return Poll::Pending };
        Poll::Ready(written.map(|(len, reader)| {
            wake(reader);
            len
        }))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(&self.writes);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        close(&self.reads);
        close(&self.writes);
    }
}
