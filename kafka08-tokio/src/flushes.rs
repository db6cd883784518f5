//! Flushes that wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_proto::{ClientConnection, connection::StagedTo};

use crate::line::keep_waker;

/// Names a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Flushes that wait, each for a future of its own, which takes it out when it is dropped.
#[derive(Default)]
pub(crate) struct Flushes {
    next: u64,
    /// In the order of calling, which is also that of their points and of their deadlines.
    waiting: BTreeMap<Number, Waiting>,
    /// Those whose time was over and whose futures have not seen it yet.
    timed_out: BTreeSet<Number>,
}

struct Waiting {
    point: StagedTo,
    /// `None`: so far away that the clock cannot say it.
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything in front of it has left, or never will.
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

    /// Ends those of which everything has left, when the stream keeps nothing to itself.
    pub(crate) fn finish(&mut self, connection: &ClientConnection, wakes: &mut Vec<Waker>) {
        // Points ascend with the numbers, so the first that waits ends the search.
        while self.is_first_taken(connection)
            && let Some((_, waiting)) = self.waiting.pop_first()
        {
            wakes.extend(waiting.waker);
        }
    }

    /// Ends all: the connection has ended.
    pub(crate) fn finish_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(std::mem::take(&mut self.waiting).into_values().filter_map(|waiting| waiting.waker));
    }

    /// Ends those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, wakes: &mut Vec<Waker>) {
        while self.next_deadline().is_some_and(|deadline| deadline <= now)
            && let Some((number, waiting)) = self.waiting.pop_first()
        {
            self.timed_out.insert(number);
            wakes.extend(waiting.waker);
        }
    }

    /// How a flush ended, or that `cx` is to be woken when it does. The waker that it replaces is to be dropped when nothing
    /// is locked.
    pub(crate) fn poll(&mut self, number: Number, cx: &Context<'_>) -> (Poll<Flushed>, Option<Waker>) {
        if let Some(waiting) = self.waiting.get_mut(&number) {
            return (Poll::Pending, keep_waker(&mut waiting.waker, cx));
        }
        // A flush that is not in the map has ended. Only a timeout has to be remembered; success is the rule.
        let flushed = if self.timed_out.remove(&number) { Flushed::TimedOut } else { Flushed::Done };
        (Poll::Ready(flushed), None)
    }

    /// The future of this flush is dropped. What comes back is to be dropped when nothing is locked.
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
