//! Tests of the state that a dropped future leaves behind, which is not visible to users of the crate.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::{
    api::MetadataRequest,
    connection::{Prepared, SendError},
};

use super::{line::Kind, *};
use crate::{Runtime, Timer, Wrap};

/// A runtime that runs nothing, and whose streams are never ready.
enum Still {}

struct Never;

impl Runtime for Still {
    type Timer = Never;
    type TcpStream = Never;
    type TcpListener = Never;

    fn now() -> Instant {
        Instant::now()
    }

    fn spawn(_: impl Future<Output = ()> + Send + 'static) {}

    async fn look_up(_: &HostPort) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }

    async fn connect(_: SocketAddr) -> io::Result<Never> {
        Ok(Never)
    }

    async fn accept(_: &Never) -> io::Result<Never> {
        Ok(Never)
    }
}

impl Wrap<Never> for Still {
    type Stream = Never;

    fn wrap(stream: Never) -> Never {
        stream
    }
}

impl Timer for Never {
    fn at(_: Instant) -> Self {
        Self
    }

    fn reset(&mut self, _: Instant) {}

    fn poll_fired(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl AsyncRead for Never {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Never {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Polls a future once, which must not be ready.
fn poll(future: Pin<&mut impl Future>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_flush_that_is_dropped_waits_no_more() {
    let (client, _task) = Client::<Still>::with_task(Never, ClientConfig::default());
    let deadline = || client.shared().command(|state| state.flushes.next_deadline());
    {
        let flush = pin!(client.flush());
        poll(flush);
        assert!(deadline().is_some());
    }
    assert_eq!(deadline(), None);
}

#[test]
fn a_request_that_waits_for_room_leaves_nothing_behind_when_it_is_dropped() {
    let (client, _task) = Client::<Still>::with_task(Never, ClientConfig::default().with_max_in_flight(1));
    let is_empty = || client.shared().command(|state| state.line.is_empty());
    let request = MetadataRequest::all();
    let mut first = pin!(client.call(&request));
    poll(first.as_mut());
    {
        let second = pin!(client.send(&request));
        poll(second);
        assert!(!is_empty());
    }
    assert!(is_empty());
}

#[test]
fn a_request_that_looked_for_room_before_the_connection_ended_and_waits_after_that_is_refused() {
    let (client, task) = Client::<Still>::with_task(Never, ClientConfig::default());
    let prepared = Prepared::new(&MetadataRequest::all()).expect("it is short");
    client.shared().command(|state| state.phase = Phase::Closing);
    let room = client.shared().command(|state| state.start_prepared(Instant::now(), Kind::Claimed, &prepared));
    assert_eq!(room, Ok(None));
    // Another thread runs the task to its end between the two commands of `send`.
    drop(task);
    let cx = Context::from_waker(Waker::noop());
    let (outcome, _) = client.shared().command(|state| {
        let number = state.queue(Kind::Claimed, prepared.clone(), Instant::now());
        state.line.poll(number, &cx)
    });
    assert!(matches!(outcome, Poll::Ready(Err(SendError::Closed(_)))), "{outcome:?}");
}
