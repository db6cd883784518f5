//! Requests: what goes into one, and when it is sent.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    api::{ByTopic, MetadataRequest, ProduceRequest},
    connection::{PrepareError, Prepared, SendError},
    ids::{Acks, NodeId, Offset},
    message::{MessageSet, Origin},
    wire::EncodeError,
};

use super::{
    Batches,
    flight::{Flight, Place},
    node::{Confirm, RELEASE_PAUSE, Sent, Trouble},
};
use crate::{
    accumulator::{BatchId, Content, PartIndex},
    error::Cause,
    links::{Opening, Token},
    producer::{ProduceCause, net::Net},
};

/// The bytes of a request for one more partition, without its set and the name of its topic.
const PARTITION_OVERHEAD: usize = 2 + 4 + 4 + 4;

/// Whether something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Progress {
    Some,
    None,
}

impl<C: Clone> Batches<C> {
    /// Sends at most one request. Compresses one full batch for it, or several smaller ones.
    pub(in crate::producer) fn poll_send(&mut self, net: &mut impl Net, now: Instant) -> Progress {
        while let Some(&node) = self.to_fill.first() {
            if !self.may_send(node) {
                self.to_fill.remove(&node);
                continue;
            }
            match net.open(now, node) {
                Opening::Ready => {
                    if self.send_to(net, now, node) == Progress::Some {
                        return Progress::Some;
                    }
                }
                // News will come: the link is ready, or could not be connected.
                Opening::Busy | Opening::Connecting => {
                    self.to_fill.remove(&node);
                }
                Opening::BackingOff { last, .. } => {
                    self.to_fill.remove(&node);
                    // Without a failure it only waits for its turn.
                    if let Some(reason) = last {
                        self.set_trouble(node, Some(Trouble::NotConnected(reason)));
                    }
                }
                Opening::NoAddress => {
                    self.to_fill.remove(&node);
                    self.set_trouble(node, Some(Trouble::NoAddress));
                }
            }
        }
        Progress::None
    }

    fn may_send(&self, node: NodeId) -> bool {
        let Some(state) = self.nodes.get(&node) else { return false };
        let batches = !state.ready.is_empty() && state.in_flight.len() < self.terms.max_requests;
        batches || (state.confirm == Confirm::Wanted && !state.written.is_empty())
    }

    /// Sends a request to a broker whose link is ready.
    fn send_to(&mut self, net: &mut impl Net, now: Instant, node: NodeId) -> Progress {
        if self.nodes.get(&node).is_some_and(|state| state.confirm == Confirm::Wanted) {
            return self.send_confirm(net, now, node);
        }
        let picked = self.pick(node);
        let Some((last, _)) = picked.last().copied() else { return Progress::None };
        let batches: Vec<BatchId> = picked.iter().map(|(_, id)| *id).collect();
        let request = match Prepared::new(&self.request(&batches)) {
            Ok(request) => request,
            Err(error) => {
                self.refuse(net, now, &batches, &encode_failure(error));
                return Progress::None;
            }
        };
        // A new token for each attempt, so that late news of the one before finds nothing.
        let token = self.token();
        match net.send(now, node, &request, token) {
            Ok(link) => {
                let topic = batches.first().and_then(|id| Some(self.flights.get(id)?.to.topic.clone()));
                for id in &batches {
                    let Some(flight) = self.flights.get_mut(id) else { continue };
                    flight.place = Place::Sent(token);
                    let piece = flight.piece();
                    self.counts.retries += u64::from(piece.attempts > 0);
                    piece.attempts = piece.attempts.saturating_add(1);
                }
                self.requests.insert(token, Sent { node, at: now, link, batches });
                self.counts.requests += 1;
                let state = self.nodes.entry(node).or_default();
                for pick in &picked {
                    state.ready.remove(pick);
                }
                // The next request begins behind it, so that no partition starves.
                state.cursor = Some(last);
                state.in_flight.insert(token);
                state.topic = topic;
                self.watch(now, node);
                self.ask_release(net, now, node);
                Progress::Some
            }
            // News will come: there is room again, or the link has ended.
            Err(SendError::Busy | SendError::Closed(_) | SendError::TimedOut { .. }) => {
                self.to_fill.remove(&node);
                Progress::None
            }
            Err(error) => {
                self.refuse(net, now, &batches, &ProduceCause::Attempt(Cause::NotSent(error)));
                Progress::None
            }
        }
    }

    /// Offsets in answers depend on the release, if acks is neither 0 nor 1.
    fn ask_release(&mut self, net: &mut impl Net, now: Instant, node: NodeId) {
        let depends = !matches!(self.terms.acks, Acks::NONE | Acks::LEADER);
        let Some(state) = self.nodes.get_mut(&node) else { return };
        // Again after a pause: a broker may have been too slow for the first probe.
        let is_due = state.asked_release.is_none_or(|at| now.saturating_duration_since(at) >= RELEASE_PAUSE);
        if depends && is_due {
            state.asked_release = Some(now);
            if net.profile(node).is_none() {
                net.find_profile(now, node);
            }
        }
    }

    /// Ends batches that can never be sent.
    fn refuse(&mut self, net: &mut impl Net, now: Instant, batches: &[BatchId], cause: &ProduceCause) {
        for id in batches {
            self.unplace(*id);
            self.end_front_failed(net, now, *id, cause.clone());
        }
    }

    /// Chooses the batches of the next request: one for each partition, beginning behind the last request's.
    fn pick(&mut self, node: NodeId) -> Vec<(PartIndex, BatchId)> {
        let mut picked = Vec::new();
        let (mut size, mut to_compress) = (0usize, 0usize);
        let Some(state) = self.nodes.get(&node) else { return picked };
        let begin = state.cursor;
        let mut behind = begin;
        let mut wrapped = begin.is_none();
        loop {
            let Some(state) = self.nodes.get(&node) else { return picked };
            let found = state.behind(behind).filter(|(part, _)| !wrapped || begin.is_none_or(|begin| *part <= begin));
            let Some((part, id)) = found else {
                if wrapped {
                    return picked;
                }
                (wrapped, behind) = (true, None);
                continue;
            };
            behind = Some(part);
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            let compress = self.terms.compression.filter(|_| flight.content == Content::Records);
            let overhead = PARTITION_OVERHEAD + flight.to.topic.len();
            let piece = flight.piece();
            if piece.wire.is_none() && compress.is_some() {
                // Compressing takes long, so one call does not do more of it than a full batch takes.
                to_compress = to_compress.saturating_add(piece.plain.len());
                if to_compress > self.terms.batch_size && !picked.is_empty() {
                    return picked;
                }
            }
            let encoded = self.encode(id);
            size = size.saturating_add(encoded + overhead);
            if size > self.terms.max_request_size && !picked.is_empty() {
                return picked;
            }
            picked.push((part, id));
        }
    }

    /// Encodes the set that a batch sends next, and returns its size in bytes.
    fn encode(&mut self, id: BatchId) -> usize {
        let Some(flight) = self.flights.get_mut(&id) else { return 0 };
        let compress = self.terms.compression.filter(|_| flight.content == Content::Records);
        let piece = flight.piece();
        if piece.wire.is_none() {
            let smaller = compress.and_then(|codec| {
                // A codec that is not compiled in was noticed when the batch was added.
                let value = self.deflater.deflate(codec, &piece.plain).ok()?;
                let mut bytes = BytesMut::with_capacity(value.len().saturating_add(64));
                let last = Offset(i64::from(piece.records) - 1);
                self.writer.write_wrapper(&mut bytes, last, codec, &value).ok()?;
                (bytes.len() < piece.plain.len()).then(|| bytes.freeze())
            });
            piece.wire = Some(smaller.unwrap_or_else(|| piece.plain.clone()));
        }
        piece.wire.as_ref().map_or(0, Bytes::len)
    }

    fn request(&self, batches: &[BatchId]) -> ProduceRequest {
        let flights = batches.iter().filter_map(|id| self.flights.get(id));
        let mut sets: Vec<&Flight<C>> = flights.collect();
        // Partitions of one topic form one group of the request.
        sets.sort_unstable_by(|a, b| a.to.cmp(&b.to));
        let mut topics = ByTopic::default();
        for flight in &sets {
            let wire = flight.pieces.front().and_then(|piece| piece.wire.clone()).unwrap_or_default();
            #[cfg(kafka08_canary)]
            let wire = sets
                .last()
                .filter(|_| kafka08_proto::canary::MixesPartitions.is_planted())
                .and_then(|last| last.pieces.front()?.wire.clone())
                .unwrap_or(wire);
            let set = MessageSet::new(wire, Origin::Produced);
            topics.push(flight.to.topic.clone(), flight.to.partition, set);
        }
        ProduceRequest { acks: self.terms.acks, timeout: self.terms.replica_wait, topics }
    }

    /// Asks for a topic that exists, behind the last write of a link. Its answer proves that the broker has refused
    /// nothing of what was written before.
    fn send_confirm(&mut self, net: &mut impl Net, now: Instant, node: NodeId) -> Progress {
        let topic = self.nodes.get(&node).and_then(|state| state.topic.clone());
        let request = topic.and_then(|topic| Prepared::new(&MetadataRequest::of([topic])).ok());
        let token = self.token();
        let sent = request.map(|request| net.send(now, node, &request, token));
        let Some(state) = self.nodes.get_mut(&node) else { return Progress::None };
        match sent {
            Some(Ok(link)) => {
                state.confirm = Confirm::Sent { token, link };
                Progress::Some
            }
            _ => {
                self.to_fill.remove(&node);
                Progress::None
            }
        }
    }

    fn token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }
}

fn encode_failure(error: EncodeError) -> ProduceCause {
    ProduceCause::Attempt(Cause::NotSent(SendError::Prepare(PrepareError::Encode(error))))
}
