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

use crate::waker::keep_waker;

/// Whether the response of a request is kept for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A caller will take the response, so the request needs a place among the claims.
    Claimed,
    /// Nobody will take the response.
    Forgotten,
}

/// Identifies a waiting request, which has no correlation id yet. Numbers are in the order of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Requests that wait for room. Each of them belongs to a future, which removes it when the future is dropped. So there
/// are never more requests than waiting callers.
///
/// The requests of each kind are in the order of the calls. A request without a claim does not wait for requests that
/// need one.
#[derive(Default)]
pub(crate) struct Line {
    next: u64,
    claimed: BTreeMap<Number, Waiting>,
    forgotten: BTreeMap<Number, Waiting>,
    /// The deadlines of all waiting requests.
    deadlines: BTreeSet<(Instant, Number)>,
    /// The outcomes of requests whose futures have not been polled since.
    decided: BTreeMap<Number, Result<CorrelationId, SendError>>,
}

struct Waiting {
    request: Prepared,
    called_at: Instant,
    /// `None` if the clock cannot represent the time.
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// What remains of a request whose future was dropped.
pub(crate) enum Left {
    /// The request was still waiting. It is dropped with this value.
    Waiting {
        _request: Prepared,
        _waker: Option<Waker>,
    },
    /// The request was sent, and has this id.
    Sent(CorrelationId),
    Nothing,
}

impl Line {
    /// Whether a new request of this kind may be sent at once without overtaking a waiting request that could be sent
    /// as well.
    pub(crate) fn lets_pass(&self, kind: Kind, may_claim: bool) -> bool {
        match kind {
            // A new request must not overtake a waiting request that could be sent.
            Kind::Claimed => may_claim && self.claimed.is_empty() && self.forgotten.is_empty(),
            Kind::Forgotten => self.forgotten.is_empty() && (self.claimed.is_empty() || !may_claim),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.claimed.is_empty() && self.forgotten.is_empty()
    }

    /// Adds a request, which waits until `deadline`. Its time counts from `called_at`.
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

    /// The next request that may be sent, if there is one.
    pub(crate) fn first(&self, may_claim: bool) -> Option<(Kind, Number, &Prepared)> {
        let claimed = self.claimed.first_key_value().filter(|_| may_claim);
        let forgotten = self.forgotten.first_key_value();
        let (kind, (number, waiting)) = match (claimed, forgotten) {
            // Numbers are in the order of the calls, which is also the order of sending.
            (Some(claimed), Some(forgotten)) if forgotten.0 < claimed.0 => (Kind::Forgotten, forgotten),
            (Some(claimed), _) => (Kind::Claimed, claimed),
            (None, forgotten) => (Kind::Forgotten, forgotten?),
        };
        Some((kind, *number, &waiting.request))
    }

    /// Removes a request, and stores the outcome for its future. Returns the waker of the future.
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

    /// Ends the requests whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, wakes: &mut Vec<Waker>) {
        while let Some(&(deadline, number)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, number));
            let waiting = self.claimed.get(&number).or_else(|| self.forgotten.get(&number));
            let after = waiting.map(|waiting| now.saturating_duration_since(waiting.called_at)).unwrap_or_default();
            wakes.extend(self.decide(number, Err(SendError::TimedOut { after })));
        }
    }

    /// Ends all requests, because the connection has ended.
    pub(crate) fn refuse(&mut self, closed: &Closed, wakes: &mut Vec<Waker>) {
        while let Some((&number, _)) = self.claimed.first_key_value().or_else(|| self.forgotten.first_key_value()) {
            wakes.extend(self.decide(number, Err(SendError::Closed(Box::new(closed.clone())))));
        }
    }

    /// Returns how a request has ended. If it has not, `cx` is woken when it does. Drop the returned waker, which is
    /// the replaced one, only after the lock is released.
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

    /// Removes a request whose future is dropped.
    pub(crate) fn abandon(&mut self, number: Number) -> Left {
        if let Some(Waiting { request, waker, .. }) = self.remove(number) {
            return Left::Waiting { _request: request, _waker: waker };
        }
        // The request was decided in a turn of the task, and its future was dropped before it was polled again.
        match self.decided.remove(&number) {
            Some(Ok(id)) => Left::Sent(id),
            _ => Left::Nothing,
        }
    }
}
