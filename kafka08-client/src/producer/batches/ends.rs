//! How attempts and records end.

use std::{sync::Arc, time::Instant};

use kafka08_proto::{error_code::Retry, fate::Fate, ids::NodeId};

use super::{
    Batches, Timer, Withdrawn,
    flight::{Flight, Piece, Place, Told, asks_for_less},
    node::Trouble,
};
use crate::{
    accumulator::{Batch, BatchId, Content},
    config::RetryPolicy,
    error::{Cause, EndpointProblem, Unreachable},
    links::Token,
    producer::{Outcome, ProduceCause, ProduceError, ProducerEvent, net::Net},
};

/// How often a batch is sent, if its failures do not show whether another attempt helps.
const LIMITED_ATTEMPTS: u32 = 3;

/// An attempt that has failed.
pub(super) struct Failure {
    pub(super) cause: ProduceCause,
    pub(super) fate: Fate,
    pub(super) retry: Retry,
    /// The leader may be another one.
    pub(super) stale: bool,
    /// No byte was written, so that it was no attempt.
    pub(super) unsent: bool,
}

impl Failure {
    pub(super) fn new(cause: Cause, fate: Fate) -> Self {
        Self { cause: ProduceCause::Attempt(cause), fate, retry: Retry::Yes, stale: true, unsent: false }
    }
}

impl<C: Clone> Batches<C> {
    /// Decides what follows after an attempt.
    pub(super) fn attempt_failed(
        &mut self,
        net: &mut impl Net,
        now: Instant,
        id: BatchId,
        node: NodeId,
        failure: Failure,
    ) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let is_stale = failure.stale;
        #[cfg(kafka08_canary)]
        let is_first = flight.pieces.front().is_some_and(|piece| piece.failures == 0);
        #[cfg(kafka08_canary)]
        let is_stale = kafka08_proto::canary::LooksUpOnce.pick(is_stale && is_first, is_stale);
        if is_stale {
            net.note_stale(now, &flight.to.topic);
        }
        if flight.told == Told::Yes {
            return self.release(id);
        }
        // As it is known now. It is another one than `node` if metadata has come since the request was sent.
        let leader = net.leader(&flight.to).ok();
        let content = flight.content;
        let piece = flight.piece();
        piece.note_fate(failure.fate);
        if failure.unsent {
            piece.attempts -= 1;
        }
        let policy = self.terms.retry;
        let safe = piece.fate() == Fate::NotApplied || policy == RetryPolicy::AtLeastOnce;
        if let ProduceCause::Refused { code, .. } = failure.cause
            && asks_for_less(code)
            && safe
            && content != Content::CompressedSet
            && let Some([left, right]) = piece.halves()
        {
            flight.pieces.pop_front();
            // In front of the pieces behind it, so that the order of the records stays.
            flight.pieces.push_front(right);
            flight.pieces.push_front(left);
            self.counts.splits += 1;
            return self.place(net, now, id);
        }
        // Counted apart from the failures: a lost connection says nothing of a code that may never pass.
        piece.limited += u32::from(failure.retry == Retry::Limited);
        let helps = match failure.retry {
            Retry::Yes => true,
            Retry::Limited => piece.limited < LIMITED_ATTEMPTS,
            Retry::No => false,
        };
        if !helps || !safe || (policy == RetryPolicy::Never && !failure.unsent) {
            return self.end_front_failed(net, now, id, failure.cause);
        }
        piece.last = Some(Arc::new(failure.cause));
        piece.failures = piece.failures.saturating_add(1);
        if leader.is_some_and(|leader| leader != node) {
            return self.place(net, now, id);
        }
        let wait = self.terms.backoff.wait(piece.failures, &mut self.seed);
        flight.place = Place::Pause { failed_at: node };
        let part = flight.part;
        self.timers.set(Timer::Retry(id), now.checked_add(wait));
        self.judge(part);
    }

    /// Leaves a silent broker that is not the leader of a batch any more.
    pub(super) fn leave(&mut self, net: &mut impl Net, now: Instant, node: NodeId, token: Token, id: BatchId) {
        // A request that stayed behind on an older link says nothing of the one that takes requests now.
        let link = self.requests.get(&token).map(|sent| sent.link).filter(|_| self.is_on_link(token));
        if link.is_some() {
            net.drain(now, node);
        }
        if self.withdraw(net, now, token) == Withdrawn::Yes {
            return;
        }
        // The old leader may still store it. Whether it may be sent again is for the policy to say; if not, the answer
        // may still come.
        if self.terms.retry == RetryPolicy::AtLeastOnce {
            let peer = net.address(node);
            self.attempt_failed(net, now, id, node, Failure::new(Cause::Silent { peer }, Fate::MaybeApplied));
        }
        if let Some(link) = link {
            self.forsake_link(now, node, link);
        }
    }

    /// A request was given up, and its broker may act on it.
    pub(super) fn forsaken(&mut self, net: &mut impl Net, now: Instant, id: BatchId, node: NodeId) {
        let peer = net.address(node);
        self.attempt_failed(net, now, id, node, Failure::new(Cause::Unanswered { peer }, Fate::MaybeApplied));
    }

    /// The delivery timeout of a batch has passed.
    pub(super) fn expire(&mut self, net: &mut impl Net, now: Instant, id: BatchId) {
        let Some(flight) = self.flights.get(&id) else { return };
        let last = flight.pieces.front().and_then(|piece| piece.last.clone()).or_else(|| self.obstacle(net, flight));
        let cause = ProduceCause::Expired { after: self.terms.delivery_timeout, last };
        self.give_up(net, now, id, &cause);
    }

    /// Why a batch waits that has never failed.
    fn obstacle(&self, net: &mut impl Net, flight: &Flight<C>) -> Option<Arc<ProduceCause>> {
        let Place::Queued(node) = flight.place else { return None };
        let cause = match self.nodes.get(&node)?.trouble.clone()? {
            Trouble::NotConnected(reason) => {
                Cause::Unreachable(Arc::new(Unreachable { attempts: vec![(net.address(node), reason)] }))
            }
            Trouble::Silent => Cause::Unanswered { peer: net.address(node) },
            Trouble::NoAddress => Cause::Endpoint { node, problem: EndpointProblem::Host },
        };
        Some(Arc::new(ProduceCause::Attempt(cause)))
    }

    /// Ends all that is left of a batch. If a broker may still read its bytes, only the outcome is told.
    pub(in crate::producer) fn give_up(&mut self, net: &mut impl Net, now: Instant, id: BatchId, cause: &ProduceCause) {
        let Some(flight) = self.flights.get(&id).filter(|flight| flight.told == Told::No) else { return };
        if let Place::Sent(token) = flight.place {
            self.withdraw(net, now, token);
        }
        self.unplace(id);
        self.timers.set(Timer::Expiry(id), None);
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let in_flight = matches!(flight.place, Place::Sent(_));
        if in_flight {
            flight.piece().note_fate(Fate::MaybeApplied);
        }
        while let Some(piece) = flight.pieces.pop_front() {
            let outcome = failed(flight, &piece, cause.clone());
            self.events.push_back(ended(flight, id, &piece, outcome));
            self.counts.failed += u64::from(piece.records);
        }
        // It keeps its place: nothing of this partition may overtake bytes that are on their way.
        flight.told = Told::Yes;
        self.returns.ended.push(id);
        if !in_flight {
            self.release(id);
        }
    }

    /// Ends all batches, and what the accumulator still had.
    pub(in crate::producer) fn abort(&mut self, net: &mut impl Net, now: Instant) {
        let all: Vec<_> = self.flights.keys().copied().collect();
        for id in all {
            self.give_up(net, now, id, &ProduceCause::Aborted);
        }
    }

    /// Ends a batch that was never sent, because the accumulator had no chance to give it away.
    pub(in crate::producer) fn end_unsent(&mut self, batch: Batch<C>, cause: ProduceCause) {
        let id = batch.id;
        let flight = Flight::new(batch);
        for piece in &flight.pieces {
            let outcome = failed(&flight, piece, cause.clone());
            self.events.push_back(ended(&flight, id, piece, outcome));
            self.counts.failed += u64::from(piece.records);
        }
        self.returns.ended.push(id);
    }

    pub(in crate::producer) fn expired_unsent(&mut self, batch: Batch<C>) {
        let cause = ProduceCause::Expired { after: self.terms.delivery_timeout, last: None };
        self.end_unsent(batch, cause);
    }

    pub(super) fn end_front_failed(&mut self, net: &mut impl Net, now: Instant, id: BatchId, cause: ProduceCause) {
        let Some(flight) = self.flights.get(&id) else { return };
        let Some(piece) = flight.pieces.front() else { return };
        let outcome = failed(flight, piece, cause);
        self.end_front(net, now, id, outcome);
    }

    /// Ends the piece that was sent, and goes on with the next.
    pub(super) fn end_front(&mut self, net: &mut impl Net, now: Instant, id: BatchId, outcome: Outcome) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let Some(piece) = flight.pieces.pop_front() else { return };
        let records = u64::from(piece.records);
        match outcome {
            Outcome::Delivered { .. } => self.counts.delivered += records,
            Outcome::Written { .. } => self.counts.written += records,
            Outcome::Failed { .. } => self.counts.failed += records,
        }
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::TellsTwice.is_planted() && piece.maybe_applied > 0 {
            self.events.push_back(ended(flight, id, &piece, outcome.clone()));
        }
        self.events.push_back(ended(flight, id, &piece, outcome));
        if flight.pieces.is_empty() {
            self.returns.ended.push(id);
            self.release(id);
        } else {
            self.place(net, now, id);
        }
    }

    /// Lets go of a batch whose records have ended and whose bytes nobody reads any more.
    pub(super) fn release(&mut self, id: BatchId) {
        let Some(flight) = self.flights.remove(&id) else { return };
        self.timers.set(Timer::Expiry(id), None);
        self.returns.released.push((flight.part, flight.charged));
        if let Some(part) = self.parts.get_mut(&flight.part) {
            part.batches.remove(&id);
            if part.batches.is_empty() {
                self.by_name.remove(&flight.to);
            }
        }
        self.judge(flight.part);
    }
}

fn failed<C>(flight: &Flight<C>, piece: &Piece, cause: ProduceCause) -> Outcome {
    let error = ProduceError { to: flight.to.clone(), cause, attempts: piece.attempts, fate: piece.fate() };
    Outcome::Failed { records: piece.set(), error }
}

fn ended<C: Clone>(flight: &Flight<C>, batch: BatchId, piece: &Piece, outcome: Outcome) -> ProducerEvent<C> {
    let records = piece.first..piece.first + piece.records;
    ProducerEvent::Ended { completion: flight.completion.clone(), batch, records, outcome }
}
