//! What a connection should do, in the fewest words: requests leave in the order of sending, and a broker answers in that
//! order.

use std::time::Instant;

use kafka08_proto::{Fate, connection::Cancelled, ids::CorrelationId};

/// Whether a request's end was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// It has ended, or was given up, before its deadline.
    Ended,
    /// Its deadline has passed.
    TimedOut,
}

/// What the model knows of a request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: CorrelationId,
    /// Its key; the only legal answer with another id belongs to key 10.
    pub(super) key: i16,
    pub(super) expects_answer: bool,
    pub(super) changes_state: bool,
    pub(super) deadline: Instant,
    /// Bytes of its frame, and how many the transport took.
    pub(super) len: usize,
    pub(super) taken: usize,
    /// It will never be written.
    pub(super) is_withdrawn: bool,
    /// The peer has answered it.
    pub(super) is_answered: bool,
    pub(super) state: State,
    /// Its end was told, or it was taken back or given up.
    pub(super) has_ended: bool,
}

impl Request {
    pub(super) fn is_written(&self) -> bool {
        self.taken == self.len
    }

    /// Whether it counts as in flight, once everything that has come was looked at.
    fn holds_place(&self) -> bool {
        !self.is_withdrawn && if self.expects_answer { !self.is_answered } else { !self.is_written() }
    }

    /// A broker acts on whole frames only.
    pub(super) fn fate(&self) -> Fate {
        if self.is_written() && self.changes_state { Fate::MaybeApplied } else { Fate::NotApplied }
    }
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) requests: Vec<Request>,
    /// Answers that were received, and that the connection was not asked about yet.
    pub(super) unpolled: usize,
    pub(super) is_disconnected: bool,
    pub(super) is_closed: bool,
    /// Bytes came that are no answer: where frames begin is not known here any more.
    pub(super) is_lost: bool,
}

impl Model {
    /// Whether the model can tell what the connection does.
    pub(super) fn is_sure(&self) -> bool {
        !self.is_lost && !self.is_disconnected && !self.is_closed
    }

    pub(super) fn take(&mut self, mut n: usize) {
        for request in self.requests.iter_mut().filter(|request| !request.is_withdrawn) {
            let step = n.min(request.len - request.taken);
            request.taken += step;
            n -= step;
        }
    }

    pub(super) fn end(&mut self, id: CorrelationId) -> &mut Request {
        assert!(!self.is_closed, "{id:?} ends after the end");
        // An id may return after 2^27 others: the last one is meant.
        let request = self.requests.iter_mut().rfind(|request| request.id == id).expect("it was sent");
        assert!(!request.has_ended, "{id:?} ends twice");
        request.has_ended = true;
        if request.state == State::Live {
            request.state = State::Ended;
        }
        request
    }

    pub(super) fn in_flight(&self) -> usize {
        self.requests.iter().filter(|request| request.holds_place()).count()
    }

    /// The request that the peer is to answer next.
    pub(super) fn next_due(&mut self) -> Option<&mut Request> {
        let first = self.requests.iter_mut().find(|request| request.expects_answer && request.holds_place());
        first.filter(|request| request.is_written())
    }

    /// Whether the request first in line has timed out, so that nothing can be sent.
    pub(super) fn is_stalled(&mut self) -> bool {
        self.next_due().is_some_and(|request| request.state == State::TimedOut)
    }

    /// Whether it has, and nobody waits behind it.
    pub(super) fn is_hopeless(&mut self) -> bool {
        self.is_stalled() && self.requests.iter().all(|request| request.has_ended)
    }

    /// Time has come to `now`. Gives the request that is torn.
    pub(super) fn expire(&mut self, now: Instant) -> Option<CorrelationId> {
        let mut torn = None;
        let due = |request: &&mut Request| {
            request.holds_place() && request.state != State::TimedOut && request.deadline <= now
        };
        for request in self.requests.iter_mut().filter(due) {
            request.state = State::TimedOut;
            request.is_withdrawn = request.taken == 0;
            if request.taken > 0 && !request.is_written() {
                torn = Some(request.id);
            }
        }
        torn
    }

    /// What a cancel should say; with an answer to give up, or nothing sent, it ends the request.
    pub(super) fn cancel(&mut self, index: usize) -> Option<(CorrelationId, Cancelled)> {
        let is_closed = self.is_closed;
        let request = self.requests.get_mut(index)?;
        if request.has_ended || is_closed {
            return Some((request.id, Cancelled::NotOutstanding));
        }
        request.is_withdrawn = request.taken == 0;
        request.has_ended = true;
        if request.state == State::Live {
            request.state = State::Ended;
        }
        Some((request.id, if request.is_withdrawn { Cancelled::Withdrawn } else { Cancelled::Abandoned }))
    }

    /// Requests without an answer that were written, and behind which nothing was answered.
    pub(super) fn unconfirmed(&self) -> Vec<CorrelationId> {
        let answered = self.requests.iter().rposition(|request| request.is_answered);
        let behind = self.requests.iter().skip(answered.map_or(0, |last| last + 1));
        behind.filter(|request| !request.expects_answer && request.is_written()).map(|request| request.id).collect()
    }
}
