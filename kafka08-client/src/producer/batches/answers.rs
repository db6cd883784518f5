//! What answers say of batches, and what is known of requests that have none.

use std::time::Instant;

use bytes::Bytes;
use kafka08_proto::{
    api::{Body as _, ProduceResponse, ProducedPartition},
    connection::{Progress, RequestError},
    error_code::NextStep,
    fate::Fate,
    ids::{Acks, NodeId, Offset},
    profile::Profile,
};

use super::{
    Batches,
    ends::Failure,
    flight::{Place, Told},
    node::Sent,
};
use crate::{
    accumulator::{BatchId, Content},
    error::Cause,
    links::{Loss, Token},
    producer::{Outcome, ProduceCause, net::Net},
};

impl<C: Clone> Batches<C> {
    /// Takes the body of the answer to a request.
    pub(in crate::producer) fn handle_answered(
        &mut self,
        net: &mut impl Net,
        now: Instant,
        token: Token,
        body: &Bytes,
    ) {
        let is_on_link = self.is_on_link(token);
        let Some(sent) = self.end_request(now, token) else { return self.confirmed(token) };
        if is_on_link {
            // It has answered, so it is not silent. A late answer on an older link says nothing of the next one.
            self.set_trouble(sent.node, None);
        }
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
        loss: &Loss,
        fate: Fate,
    ) {
        let Some(sent) = self.end_request(now, token) else { return self.not_confirmed(token) };
        // One of which no byte was sent was withdrawn, and the link goes on.
        if matches!(loss.error, RequestError::TimedOut { .. }) && loss.progress != Progress::NotSent {
            self.forsake_link(now, sent.node, sent.link);
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
            if kafka08_proto::canary::DeliversOnSend.is_planted() && loss.progress != Progress::NotSent {
                self.delivered(net, now, id, Offset(-1), Says::Unknown);
                continue;
            }
            let cause = loss.cause(peer.clone());
            let unsent = loss.progress == Progress::NotSent;
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
