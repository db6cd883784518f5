//! The timer of `async-io`, on which both runtimes are built. async-std has no timer of its own that can be set again.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

/// A timer of `async-io`.
#[derive(Debug)]
pub struct Timer(async_io::Timer);

impl kafka08_async::Timer for Timer {
    fn at(deadline: Instant) -> Self {
        Self(async_io::Timer::at(deadline))
    }

    fn reset(&mut self, deadline: Instant) {
        self.0.set_at(deadline);
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // It also keeps the waker, and wakes it at the deadline of the last `set_at`.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
