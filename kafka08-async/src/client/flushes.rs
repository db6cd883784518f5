//! Flushes that have not ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_proto::{ClientConnection, connection::StagedTo};

use crate::waker::keep_waker;

/// Identifies a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Flushes that have not ended. Each of them belongs to a future, which removes it when the future is dropped.
#[derive(Default)]
pub(crate) struct Flushes {
    next: u64,
    /// In the order of the calls, which is also the order of their points and of their deadlines.
    waiting: BTreeMap<Number, Waiting>,
    /// Flushes that have timed out, and whose futures have not been polled since.
    timed_out: BTreeSet<Number>,
}

struct Waiting {
    point: StagedTo,
    /// `None` if the clock cannot represent the time.
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything in front of the flush was written, or will never be written.
    Done,
    TimedOut,
}

impl Flushes {
    /// Adds a flush of everything in front of `point`.
    pub(crate) fn push(&mut self, point: StagedTo, deadline: Option<Instant>) -> Number {
        let number = Number(self.next);
        self.next += 1;
        self.waiting.insert(number, Waiting { point, deadline, waker: None });
        number
    }

    /// Whether the transport has taken everything that the first flush waits for.
    pub(crate) fn is_first_taken(&self, connection: &ClientConnection) -> bool {
        self.waiting.first_key_value().is_some_and(|(_, waiting)| connection.has_left(waiting.point))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().and_then(|(_, waiting)| waiting.deadline)
    }

    /// Ends the flushes whose bytes were all taken. Call it only when the stream's own buffer is empty.
    pub(crate) fn finish(&mut self, connection: &ClientConnection, wakes: &mut Vec<Waker>) {
        // Points ascend with the numbers, so no later flush can end if the first one cannot.
        while self.is_first_taken(connection)
            && let Some((_, waiting)) = self.waiting.pop_first()
        {
            wakes.extend(waiting.waker);
        }
    }

    /// Ends all flushes, because the connection has ended.
    pub(crate) fn finish_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(std::mem::take(&mut self.waiting).into_values().filter_map(|waiting| waiting.waker));
    }

    /// Ends the flushes whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, wakes: &mut Vec<Waker>) {
        while self.next_deadline().is_some_and(|deadline| deadline <= now)
            && let Some((number, waiting)) = self.waiting.pop_first()
        {
            self.timed_out.insert(number);
            wakes.extend(waiting.waker);
        }
    }

    /// Returns how a flush has ended. If it has not, `cx` is woken when it does. Drop the returned waker, which is the
    /// replaced one, only after the lock is released.
    pub(crate) fn poll(&mut self, number: Number, cx: &Context<'_>) -> (Poll<Flushed>, Option<Waker>) {
        if let Some(waiting) = self.waiting.get_mut(&number) {
            return (Poll::Pending, keep_waker(&mut waiting.waker, cx));
        }
        // A flush that is not in the map has ended. Only timeouts are stored, because most flushes succeed.
        let flushed = if self.timed_out.remove(&number) { Flushed::TimedOut } else { Flushed::Done };
        (Poll::Ready(flushed), None)
    }

    /// Removes a flush whose future is dropped. Drop the returned waker only after the lock is released.
    pub(crate) fn abandon(&mut self, number: Number) -> Option<Waker> {
        self.timed_out.remove(&number);
        self.waiting.remove(&number).and_then(|waiting| waiting.waker)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafka08_proto::{ClientConfig, ids::ConnectionId};

    use super::*;

    #[test]
    fn a_flush_whose_future_is_dropped_leaves_nothing_behind() {
        let point = ClientConnection::new(ClientConfig::default(), ConnectionId(0)).staged_to();
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut flushes = Flushes::default();
        let waiting = flushes.push(point, Some(deadline));
        flushes.abandon(waiting);
        assert_eq!(flushes.next_deadline(), None);
        let expired = flushes.push(point, Some(deadline));
        flushes.expire(deadline, &mut Vec::new());
        flushes.abandon(expired);
        assert!(flushes.waiting.is_empty() && flushes.timed_out.is_empty());
    }
}
