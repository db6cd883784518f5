//! Taking sets and events.

use std::{future::poll_fn, sync::Arc};

use kafka08_client::consumer::ConsumerEvent;

use super::{ConsumeError, Consumer, Messages, shared::Shared};

impl<Rt> Consumer<Rt> {
    /// Waits for the next set of messages: of the partition whose turn it is, the oldest one. `None` if nothing will come: each
    /// partition that is assigned has reached its end, has failed or has halted, or the consumer was closed. Before anything is
    /// assigned, this is `None` at once: assign before workers start.
    ///
    /// Any number of tasks may wait. Each set goes to one of them.
    ///
    /// # Errors
    /// A partition is read no further, which is told once, to one caller, after what has come of it was taken. The others go on:
    /// call again. Or the consumer's task is gone.
    ///
    /// # Cancel safety
    /// Dropping this future loses nothing: a set is taken in the poll that returns it. One that was woken and is kept without being
    /// polled keeps its turn from others who wait.
    pub async fn next(&self) -> Result<Option<Messages>, ConsumeError> {
        let shared = self.shared();
        let mut taking = Taking { shared, number: None };
        let next = poll_fn(|cx| taking.shared.command(|desk, news| desk.poll_next(&mut taking.number, cx, news))).await;
        // Opened while nothing is locked.
        Ok(next?.map(|(fetched, inflater)| Messages::new(fetched.open(), inflater, shared)))
    }

    /// Waits for what else there is to tell: starts, resets, ends, stalls, errors at which callers have stopped. `None` after the
    /// end of the consumer. A partition that has failed is told by [`Consumer::next`] only.
    ///
    /// Each event goes to one caller. Of events that nobody takes, the latest 1,024 are kept: see [`Consumer::lost_events`].
    ///
    /// # Cancel safety
    /// Dropping this future loses nothing.
    pub async fn next_event(&self) -> Option<ConsumerEvent> {
        let mut listening = Listening { shared: self.shared(), number: None };
        poll_fn(|cx| listening.shared.command(|desk, news| desk.poll_event(&mut listening.number, cx, news))).await
    }

    /// The next event, without waiting.
    #[must_use]
    pub fn try_next_event(&self) -> Option<ConsumerEvent> {
        self.shared().command(|desk, _| desk.try_event())
    }

    /// How many events have gone because nobody has taken them.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.shared().command(|desk, _| desk.lost_events)
    }
}

/// A wait for a set. Dropping it lets the next caller try.
struct Taking<'a> {
    shared: &'a Arc<Shared>,
    number: Option<u64>,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.shared.command(|desk, news| desk.forget_taker(&mut self.number, news));
        }
    }
}

/// A wait for an event. Dropping it lets the next caller try.
struct Listening<'a> {
    shared: &'a Arc<Shared>,
    number: Option<u64>,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.shared.command(|desk, news| desk.forget_listener(&mut self.number, news));
        }
    }
}
