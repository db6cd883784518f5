//! How attempts and records end.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use kafka08_proto::{
    api::{Body as _, ProduceResponse, ProducedPartition},
    connection::{Progress, RequestError},
    error_code::{NextStep, Retry},
    fate::Fate,
    ids::{Acks, NodeId, Offset},
    profile::Profile,
};

use super::{
    Batches, Timer, Withdrawn,
    flight::{Flight, Piece, Place, Told, asks_for_less},
    node::{Sent, Trouble},
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
struct Failure {
    cause: ProduceCause,
    fate: Fate,
    retry: Retry,
    /// The leader may be another one.
    stale: bool,
    /// No byte was written, so that it was no attempt.
    unsent: bool,
}

impl Failure {
    fn new(cause: Cause, fate: Fate) -> Self {
        Self { cause: ProduceCause::Attempt(cause), fate, retry: Retry::Yes, stale: true, unsent: false }
    }
}

impl<C: Clone> Batches<C> {
    /// Takes the body of the answer to a request.
    pub(in crate::producer) fn handle_answered(
        &mut self,
        net: &mut impl Net,
        now: Instant,
        token: Token,
        body: &Bytes,
    ) {
        let Some(sent) = self.end_request(now, token) else { return self.confirmed(token) };
        // It has answered, so it is not silent.
        self.set_trouble(sent.node, None);
        let answer = ProduceResponse::decode(body);
        let says = self.says(net, &sent);
        for id in sent.batches {
            let Some(flight) = self.flights.get(&id).filter(|flight| flight.place == Place::Sent(token)) else {
                continue;
            };
            let found = match &answer {
                Ok(answer) => {
                    answer.topics.find(&flight.to.topic, flight.to.partition).copied().ok_or(Cause::Incomplete)
                }
                Err(error) => Err(Cause::Malformed { peer: net.address(sent.node), error: *error }),
            };
            match found {
                Ok(produced) => self.answered(net, now, id, sent.node, produced, says),
                // The broker has acted, and does not say how.
                Err(cause) => self.attempt_failed(net, now, id, sent.node, Failure::new(cause, Fate::MaybeApplied)),
            }
        }
    }

    /// Which offset the answer to a request says (T11).
    fn says(&self, net: &impl Net, sent: &Sent) -> Says {
        let profile = net.profile(sent.node);
        if self.terms.acks == Acks::LEADER || profile.is_some_and(|profile| profile >= Profile::V0_8_2) {
            return Says::First;
        }
        if profile.is_none() {
            return Says::Unknown;
        }
        // Earlier releases answer at once, and say the first offset, if no partition of the request has a second replica.
        let replicas = sent.batches.iter().map(|id| net.replicas(&self.flights.get(id)?.to));
        let all: Option<Vec<_>> = replicas.collect();
        match all {
            Some(all) if all.iter().all(|replicas| *replicas == 1) => Says::First,
            Some(_) => Says::Behind,
            None => Says::Unknown,
        }
    }

    fn answered(
        &mut self,
        net: &mut impl Net,
        now: Instant,
        id: BatchId,
        node: NodeId,
        found: ProducedPartition,
        says: Says,
    ) {
        let Some(fate) = found.error.produce_fate(self.terms.acks) else {
            return self.delivered(net, now, id, found.offset, says);
        };
        let code = found.error;
        let failure = Failure {
            cause: ProduceCause::Refused { node, code },
            fate,
            retry: code.retry(),
            stale: code.next_step() == NextStep::RefreshMetadata,
            unsent: false,
        };
        self.attempt_failed(net, now, id, node, failure);
    }

    /// Takes the end of a request that was not answered.
    pub(in crate::producer) fn handle_failed(
        &mut self,
        net: &mut impl Net,
        now: Instant,
        token: Token,
        error: &RequestError,
        progress: Progress,
        fate: Fate,
    ) {
        let Some(sent) = self.end_request(now, token) else { return self.not_confirmed(token) };
        if matches!(error, RequestError::TimedOut { .. })
            && let Some(state) = self.nodes.get_mut(&sent.node)
        {
            // The link takes no more requests. What is left on it does not count for the next one.
            state.in_flight.clear();
            #[cfg(kafka08_canary)]
            if kafka08_proto::canary::LeaksAtTimeout.is_planted() {
                self.requests.insert(token, Sent { batches: Vec::new(), ..sent });
            }
        }
        let peer = net.address(sent.node);
        for id in sent.batches {
            if self.flights.get(&id).is_none_or(|flight| flight.place != Place::Sent(token)) {
                continue;
            }
            #[cfg(kafka08_canary)]
            if kafka08_proto::canary::DeliversOnSend.is_planted() && progress != Progress::NotSent {
                self.delivered(net, now, id, Offset(-1), Says::Unknown);
                continue;
            }
            let cause = Cause::Request { peer: peer.clone(), error: error.clone(), progress };
            let unsent = progress == Progress::NotSent;
            self.attempt_failed(net, now, id, sent.node, Failure { unsent, ..Failure::new(cause, fate) });
        }
    }

    /// Takes the news that a request without an answer was written.
    pub(in crate::producer) fn handle_written(&mut self, net: &mut impl Net, now: Instant, token: Token) {
        let Some(sent) = self.end_request(now, token) else { return };
        let mut records = 0u64;
        for id in &sent.batches {
            let Some(flight) = self.flights.get_mut(id).filter(|flight| flight.place == Place::Sent(token)) else {
                continue;
            };
            if flight.told == Told::Yes {
                self.release(*id);
                continue;
            }
            let to = flight.to.clone();
            records += u64::from(flight.piece().records);
            self.end_front(net, now, *id, Outcome::Written { to });
        }
        self.note_written(token, &sent, records);
    }

    /// Forgets a request, and lets its broker have another.
    fn end_request(&mut self, now: Instant, token: Token) -> Option<Sent> {
        let sent = self.requests.remove(&token)?;
        if let Some(state) = self.nodes.get_mut(&sent.node) {
            state.in_flight.remove(&token);
        }
        self.to_fill.insert(sent.node);
        self.watch(now, sent.node);
        Some(sent)
    }

    fn delivered(&mut self, net: &mut impl Net, now: Instant, id: BatchId, offset: Offset, says: Says) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if flight.told == Told::Yes {
            return self.release(id);
        }
        let (to, content) = (flight.to.clone(), flight.content);
        let piece = flight.piece();
        let base = base(offset, piece.records, content, says);
        let maybe_applied = piece.maybe_applied;
        self.end_front(net, now, id, Outcome::Delivered { to, base, maybe_applied });
    }

    /// Decides what follows after an attempt.
    fn attempt_failed(&mut self, net: &mut impl Net, now: Instant, id: BatchId, node: NodeId, failure: Failure) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if failure.stale {
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
        net.drain(now, node);
        if self.withdraw(net, now, token) == Withdrawn::Yes {
            return;
        }
        // The old leader may still store it. Whether it may be sent again is for the policy to say; if not, the answer
        // may still come.
        if self.terms.retry == RetryPolicy::AtLeastOnce {
            let peer = net.address(node);
            self.attempt_failed(net, now, id, node, Failure::new(Cause::Silent { peer }, Fate::MaybeApplied));
        }
        if let Some(state) = self.nodes.get_mut(&node) {
            // New requests to this broker go over another link.
            state.in_flight.clear();
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
    fn end_front(&mut self, net: &mut impl Net, now: Instant, id: BatchId, outcome: Outcome) {
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

/// Which offset a broker says in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// That of the first record.
    First,
    /// The offset behind the last record.
    Behind,
    /// One of both.
    Unknown,
}

/// The offset of the first record.
fn base(offset: Offset, records: u32, content: Content, says: Says) -> Option<Offset> {
    // A broker that has stored nothing, or does not know the offset, says -1.
    let offset = Some(offset).filter(|offset| offset.0 >= 0)?;
    match says {
        Says::First => Some(offset),
        // A set that was appended compressed has records that were not counted.
        Says::Behind if content != Content::CompressedSet => {
            offset.0.checked_sub(i64::from(records)).filter(|first| *first >= 0).map(Offset)
        }
        Says::Behind | Says::Unknown => None,
    }
}
