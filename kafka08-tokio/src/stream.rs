//! Streams with tokio's traits as streams with those of `futures-io`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use kafka08_async::futures_io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream with tokio's traits, as one with those of `futures-io`. [`Client::new`](crate::Client::new) puts it around the
/// stream that it is given.
#[derive(Debug)]
pub struct Stream<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> futures_io::AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        // The space is initialised already, so it is not cleared before each read.
        let mut space = ReadBuf::new(space);
        Pin::new(&mut self.0).poll_read(cx, &mut space).map_ok(|()| space.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> futures_io::AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The same under another name.
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
