//! Waiting until a time.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
    time::Instant,
};

use crate::{Runtime, Timer};

/// A timer that is reset only for an earlier deadline. For a later deadline, it fires once too early, which costs less
/// than a reset for each request.
pub(crate) struct Alarm<T> {
    /// Created when it is first needed, because that is inside the runtime.
    timer: Option<T>,
    until: Option<Instant>,
}

impl<T: Timer> Alarm<T> {
    pub(crate) fn new() -> Self {
        Self { timer: None, until: None }
    }

    /// Ready if the timer has fired, which may be before `deadline`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| T::at(deadline));
        if self.until.is_none_or(|until| deadline < until) {
            timer.reset(deadline);
            self.until = Some(deadline);
        }
        let fired = timer.poll_fired(cx);
        if fired.is_ready() {
            // The next deadline sets the timer again, even if it is later.
            self.until = None;
        }
        fired
    }

    /// Ready if the timer has fired that was set to `deadline` or to a later time.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let was_early = self.until.is_some_and(|until| until < deadline);
            if self.poll(cx, Some(deadline)).is_pending() {
                return Poll::Pending;
            }
            if !was_early {
                return Poll::Ready(());
            }
        }
    }
}

/// Waits for a future until a time. Returns `None` if the time comes first. Without a time, waits as long as it takes.
pub(crate) async fn timeout_at<Rt: Runtime, F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        // The future comes first, so that what is here already is not too late.
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        timer.get_or_insert_with(|| Rt::Timer::at(deadline)).poll_fired(cx).map(|()| None)
    })
    .await
}
