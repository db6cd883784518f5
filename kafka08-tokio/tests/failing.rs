//! Streams that fail in one place, once: the failure is told with what the system said.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use kafka08_tokio::{
    Client,
    proto::{ClientConfig, adapter::CallError, api::MetadataRequest},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};

/// Takes all that is written, answers nothing, and fails once where it is told to. After that it is silent for ever.
struct Failing {
    place: Place,
    has_failed: bool,
    has_written: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Read,
    Write,
    Flush,
}

impl Failing {
    fn fails(&mut self, place: Place) -> bool {
        let fails = self.place == place && !self.has_failed;
        self.has_failed |= fails;
        fails
    }
}

fn reset<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
}

impl AsyncRead for Failing {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Not before a request has left: it would be refused instead.
        if self.has_written && self.fails(Place::Read) {
            return reset();
        }
        // What failed in writing is told when reading has ended, too.
        if self.has_failed && self.place != Place::Read { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncWrite for Failing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.fails(Place::Write) {
            return reset();
        }
        self.has_written = true;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        cx.waker().wake_by_ref();
        if self.fails(Place::Flush) { reset() } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_a_write_or_a_flush_that_fails_is_told_with_what_the_system_said() {
    for place in [Place::Read, Place::Write, Place::Flush] {
        let stream = Failing { place, has_failed: false, has_written: false };
        let client = Client::new(stream, ClientConfig::default());
        let call = timeout(Duration::from_secs(1), client.call(&MetadataRequest::all())).await;
        let error =
            call.unwrap_or_else(|_| panic!("{place:?}: it is told at once")).expect_err("the stream has failed");
        assert!(
            matches!(&error, CallError::Failed { io: Some(io), .. } if io.kind() == ErrorKind::ConnectionReset),
            "{place:?}: {error:?}"
        );
    }
}
