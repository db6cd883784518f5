//! Requests that wait for room on the connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_proto::{
    connection::{Closed, Prepared, SendError},
    ids::CorrelationId,
};

/// Whether an answer is to be kept for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody will take the answer: it needs a place among the claims.
    Claimed,
    /// Nobody will.
    Forgotten,
}

/// Names a request that waits, from before it has a correlation id. Numbers are in the order of calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Requests that wait for room, each for a future of its own, which takes it out when it is dropped. So there are never more
/// than callers that wait.
///
/// Those of each kind are in the order of calling. A request that needs no claim does not wait for those that do.
#[derive(Default)]
pub(crate) struct Line {
    next: u64,
    claimed: BTreeMap<Number, Waiting>,
    forgotten: BTreeMap<Number, Waiting>,
    /// Of all that wait.
    deadlines: BTreeSet<(Instant, Number)>,
    /// How those ended whose futures have not seen it yet.
    decided: BTreeMap<Number, Result<CorrelationId, SendError>>,
}

struct Waiting {
    request: Prepared,
    called_at: Instant,
    /// `None`: so far away that the clock cannot say it.
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// What is left of a request whose future was dropped.
pub(crate) enum Left {
    /// It was still waiting; it is dropped with this.
    Waiting {
        _request: Prepared,
        _waker: Option<Waker>,
    },
    /// It was sent, and has this id.
    Sent(CorrelationId),
    Nothing,
}

impl Line {
    /// Whether a new request of this kind may be sent at once without overtaking one that could be sent as well.
    pub(crate) fn lets_pass(&self, kind: Kind, may_claim: bool) -> bool {
        match kind {
            // A request that comes later than one that waits, and could be sent, must not pass it.
            Kind::Claimed => may_claim && self.claimed.is_empty() && self.forgotten.is_empty(),
            Kind::Forgotten => self.forgotten.is_empty() && (self.claimed.is_empty() || !may_claim),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.claimed.is_empty() && self.forgotten.is_empty()
    }

    /// Adds a request. It was called for at `called_at` and waits until `deadline`.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        request: Prepared,
        called_at: Instant,
        deadline: Option<Instant>,
    ) -> Number {
        let number = Number(self.next);
        self.next += 1;
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, number));
        }
        self.of(kind).insert(number, Waiting { request, called_at, deadline, waker: None });
        number
    }

    fn of(&mut self, kind: Kind) -> &mut BTreeMap<Number, Waiting> {
        match kind {
            Kind::Claimed => &mut self.claimed,
            Kind::Forgotten => &mut self.forgotten,
        }
    }

    /// The request that may be sent next, if there is one.
    pub(crate) fn first(&self, may_claim: bool) -> Option<(Kind, Number, &Prepared)> {
        let claimed = self.claimed.first_key_value().filter(|_| may_claim);
        let forgotten = self.forgotten.first_key_value();
        let (kind, (number, waiting)) = match (claimed, forgotten) {
            // Numbers are in the order of the calls, and that is the order of sending.
            (Some(claimed), Some(forgotten)) if forgotten.0 < claimed.0 => (Kind::Forgotten, forgotten),
            (Some(claimed), _) => (Kind::Claimed, claimed),
            (None, forgotten) => (Kind::Forgotten, forgotten?),
        };
        Some((kind, *number, &waiting.request))
    }

    /// Takes a request out and tells its future how it ended. Returns whom to wake.
    pub(crate) fn decide(&mut self, number: Number, outcome: Result<CorrelationId, SendError>) -> Option<Waker> {
        let waiting = self.remove(number)?;
        self.decided.insert(number, outcome);
        waiting.waker
    }

    fn remove(&mut self, number: Number) -> Option<Waiting> {
        let waiting = self.claimed.remove(&number).or_else(|| self.forgotten.remove(&number))?;
        if let Some(deadline) = waiting.deadline {
            self.deadlines.remove(&(deadline, number));
        }
        Some(waiting)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, wakes: &mut Vec<Waker>) {
        while let Some(&(deadline, number)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, number));
            let waiting = self.claimed.get(&number).or_else(|| self.forgotten.get(&number));
            let after = waiting.map(|waiting| now.saturating_duration_since(waiting.called_at)).unwrap_or_default();
            wakes.extend(self.decide(number, Err(SendError::TimedOut { after })));
        }
    }

    /// Ends all: the connection has ended.
    pub(crate) fn refuse(&mut self, closed: &Closed, wakes: &mut Vec<Waker>) {
        while let Some((&number, _)) = self.claimed.first_key_value().or_else(|| self.forgotten.first_key_value()) {
            wakes.extend(self.decide(number, Err(SendError::Closed(Box::new(closed.clone())))));
        }
    }

    /// How a request ended, or that `cx` is to be woken when it does. The waker that it replaces is to be dropped when
    /// nothing is locked.
    pub(crate) fn poll(
        &mut self,
        number: Number,
        cx: &Context<'_>,
    ) -> (Poll<Result<CorrelationId, SendError>>, Option<Waker>) {
        if let Some(outcome) = self.decided.remove(&number) {
            return (Poll::Ready(outcome), None);
        }
        let waiting = self.claimed.get_mut(&number).or_else(|| self.forgotten.get_mut(&number));
        (Poll::Pending, waiting.and_then(|waiting| keep_waker(&mut waiting.waker, cx)))
    }

    /// The future of this request is dropped.
    pub(crate) fn abandon(&mut self, number: Number) -> Left {
        if let Some(Waiting { request, waker, .. }) = self.remove(number) {
            return Left::Waiting { _request: request, _waker: waker };
        }
        // It was decided in a turn of the task, and its future was dropped before it heard of it.
        match self.decided.remove(&number) {
            Some(Ok(id)) => Left::Sent(id),
            _ => Left::Nothing,
        }
    }
}

/// Keeps the waker of `cx`. Returns the one that it replaces: dropping it may run code of another executor, so it must be
/// dropped when nothing is locked.
pub(crate) fn keep_waker(kept: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match kept {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => kept.replace(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_is_kept_when_the_same_task_polls_again() {
        let mut kept = None;
        let cx = Context::from_waker(Waker::noop());
        assert!(keep_waker(&mut kept, &cx).is_none() && kept.is_some());
        assert!(keep_waker(&mut kept, &cx).is_none(), "it was replaced by one like it");
    }
}
