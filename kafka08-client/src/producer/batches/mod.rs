//! Batches between an accumulator and the brokers: queued, in flight, waiting for another attempt.
//!
//! This layer decides where a batch goes, what a request contains, and how records end. It sees the cluster as
//! [`Net`](super::net::Net), so it can be tested without one.
//!
//! | file | what it owns |
//! |---|---|
//! | `flight`, `node` | a batch and its pieces; what is queued for a broker, and what was sent to it |
//! | `sending` | what goes into a request, and when it is sent |
//! | `answers`, `ends` | what answers say; what follows after an attempt, and how records end |
//! | `trouble` | brokers that take no batches at the moment, and partitions that are stuck |
//! | `unanswered` | requests without answers (acks 0) |

mod answers;
mod ends;
mod flight;
mod node;
mod sending;
mod trouble;
mod unanswered;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    connection::Cancelled,
    ids::{Acks, Millis, NodeId, TopicPartition},
    message::{Codec, Deflater, EntryWriter, MissingFeature},
};

pub(super) use self::sending::Progress;
use self::{
    flight::{Flight, Place, Told},
    node::{Node, Sent, Trouble},
};
use super::{ProduceCause, ProducerEvent, net::Net};
use crate::{
    accumulator::{Batch, BatchId, Content, PartIndex, Stuck},
    backoff::Backoff,
    cluster::OWNERS_TOKENS,
    config::{ProducerConfig, RetryPolicy},
    links::Token,
    seed::Seed,
    timers::Timers,
};

/// What was decided when the producer was made.
#[derive(Debug)]
pub(super) struct Terms {
    acks: Acks,
    replica_wait: Millis,
    compression: Option<Codec>,
    /// The codec was chosen, and is not compiled in.
    missing: Option<MissingFeature>,
    retry: RetryPolicy,
    backoff: Backoff,
    delivery_timeout: Duration,
    max_requests: usize,
    max_request_size: usize,
    /// The bytes that are compressed in one go.
    batch_size: usize,
}

/// What becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The delivery timeout of a batch.
    Expiry(BatchId),
    /// The end of a batch's pause.
    Retry(BatchId),
    /// A broker may owe an answer for too long.
    Slow(NodeId),
}

/// A partition that has batches here.
#[derive(Debug)]
struct Part {
    batches: BTreeSet<BatchId>,
    stuck: Stuck,
}

/// What the accumulator has to be told.
#[derive(Debug, Default)]
pub(super) struct Returns {
    pub(super) released: Vec<(PartIndex, usize)>,
    pub(super) ended: Vec<BatchId>,
    pub(super) stuck: Vec<(PartIndex, Stuck)>,
}

impl Returns {
    /// Whether somebody may wait for what is in here. A partition that has become stuck can be told later.
    pub(super) fn are_urgent(&self) -> bool {
        let is_free = |(_, stuck): &(PartIndex, Stuck)| *stuck == Stuck::No;
        !self.released.is_empty() || !self.ended.is_empty() || self.stuck.iter().any(is_free)
    }
}

/// What batches have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) retries: u64,
    pub(super) splits: u64,
    pub(super) delivered: u64,
    pub(super) written: u64,
    pub(super) failed: u64,
    pub(super) unconfirmed: u64,
}

/// All batches that were taken and are not over.
#[derive(Debug)]
pub(super) struct Batches<C> {
    terms: Terms,
    flights: BTreeMap<BatchId, Flight<C>>,
    parts: BTreeMap<PartIndex, Part>,
    by_name: BTreeMap<TopicPartition, PartIndex>,
    nodes: BTreeMap<NodeId, Node>,
    requests: BTreeMap<Token, Sent>,
    timers: Timers<Timer>,
    /// Brokers to which something may be sent.
    to_fill: BTreeSet<NodeId>,
    next_token: u64,
    /// What was sent before this token is to be confirmed when it is written.
    to_confirm: Token,
    seed: Seed,
    deflater: Deflater,
    writer: EntryWriter,
    pub(super) events: VecDeque<ProducerEvent<C>>,
    pub(super) returns: Returns,
    pub(super) counts: Counts,
}

impl<C: Clone> Batches<C> {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let mut deflater = Deflater::new();
        let acks = config.acks;
        #[cfg(kafka08_canary)]
        let acks = kafka08_proto::canary::AsksOnlyTheLeader.pick(if acks.0 < 0 { Acks::LEADER } else { acks }, acks);
        let terms = Terms {
            missing: config.compression.and_then(|codec| deflater.deflate(codec, &[]).err()),
            acks,
            replica_wait: config.replica_wait_millis(),
            compression: config.compression,
            retry: config.retry,
            backoff: config.cluster.retry_backoff,
            delivery_timeout: config.delivery_timeout,
            max_requests: config.max_requests_per_link,
            max_request_size: config.max_request_size,
            batch_size: config.batch_size,
        };
        Self {
            terms,
            flights: BTreeMap::new(),
            parts: BTreeMap::new(),
            by_name: BTreeMap::new(),
            nodes: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: Timers::new(),
            to_fill: BTreeSet::new(),
            next_token: OWNERS_TOKENS,
            to_confirm: Token(OWNERS_TOKENS),
            // The cluster draws from the same seed, and must not draw the same numbers.
            seed: Seed::new(!config.cluster.seed_or_zero()),
            deflater,
            writer: EntryWriter::new(),
            events: VecDeque::new(),
            returns: Returns::default(),
            counts: Counts::default(),
        }
    }

    /// Takes a batch over.
    pub(super) fn add(&mut self, net: &mut impl Net, now: Instant, batch: Batch<C>) {
        let (id, part) = (batch.id, batch.part);
        if let Some(missing) = self.terms.missing.filter(|_| batch.content == Content::Records) {
            self.returns.released.push((part, batch.bytes.len()));
            return self.end_unsent(batch, ProduceCause::Codec(missing));
        }
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::ExpiresAtJumps.is_planted()
            && now.checked_duration_since(batch.opened).is_none_or(|waited| waited >= self.terms.delivery_timeout)
        {
            self.returns.released.push((part, batch.bytes.len()));
            return self.expired_unsent(batch);
        }
        // A timeout beyond the end of time never passes.
        self.timers.set(Timer::Expiry(id), batch.opened.checked_add(self.terms.delivery_timeout));
        self.by_name.insert(batch.to.clone(), part);
        let entry = self.parts.entry(part).or_insert_with(|| Part { batches: BTreeSet::new(), stuck: Stuck::No });
        entry.batches.insert(id);
        self.flights.insert(id, Flight::new(batch));
        self.place(net, now, id);
    }

    /// The number of batches here.
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// The number of unanswered requests.
    pub(super) fn in_flight(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first()
    }

    pub(super) fn handle_timeout(&mut self, net: &mut impl Net, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Retry(id) => self.place(net, now, id),
                Timer::Expiry(id) => self.expire(net, now, id),
                Timer::Slow(node) => self.watch(now, node),
            }
        }
    }

    /// Puts a batch into the queue of its leader.
    fn place(&mut self, net: &mut impl Net, now: Instant, id: BatchId) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let part = flight.part;
        match net.leader(&flight.to) {
            Ok(node) => {
                flight.place = Place::Queued(node);
                self.nodes.entry(node).or_default().ready.insert((part, id));
                self.to_fill.insert(node);
            }
            #[cfg(kafka08_canary)]
            Err(_) if kafka08_proto::canary::WipesOnEmptyMetadata.is_planted() => return self.release(id),
            Err(problem) => {
                flight.place = Place::NoLeader;
                let cause = ProduceCause::Attempt(crate::error::Cause::NoLeader(problem));
                flight.piece().last = Some(Arc::new(cause));
                net.note_stale(now, &flight.to.topic);
            }
        }
        self.judge(part);
    }

    /// Takes a batch out of where it waits.
    fn unplace(&mut self, id: BatchId) {
        let Some(flight) = self.flights.get(&id) else { return };
        if let Place::Queued(node) = flight.place
            && let Some(node) = self.nodes.get_mut(&node)
        {
            node.ready.remove(&(flight.part, id));
        }
        self.timers.set(Timer::Retry(id), None);
    }

    /// The leader of a partition has changed.
    pub(super) fn handle_leader(&mut self, net: &mut impl Net, now: Instant, of: &TopicPartition) {
        let part = self.by_name.get(of).and_then(|part| self.parts.get(part));
        let Some(part) = part else { return };
        for id in part.batches.clone() {
            self.follow_leader(net, now, id);
        }
    }

    /// Sends a batch to its new leader, if it waits, or if the old one does not answer.
    fn follow_leader(&mut self, net: &mut impl Net, now: Instant, id: BatchId) {
        let Some(flight) = self.flights.get(&id).filter(|flight| flight.told == Told::No) else { return };
        let leader = net.leader(&flight.to).ok();
        match flight.place {
            Place::NoLeader => self.place(net, now, id),
            Place::Queued(node) if leader != Some(node) => {
                self.unplace(id);
                self.place(net, now, id);
            }
            // Another leader did not refuse it, so there is no reason to wait.
            Place::Pause { failed_at } if leader.is_some_and(|leader| leader != failed_at) => {
                self.unplace(id);
                self.place(net, now, id);
            }
            Place::Sent(token) => {
                let Some(node) = self.requests.get(&token).map(|sent| sent.node) else { return };
                let is_silent = self.nodes.get(&node).is_some_and(|state| state.trouble == Some(Trouble::Silent));
                if leader.is_some_and(|leader| leader != node) && (is_silent || !self.is_on_link(token)) {
                    self.leave(net, now, node, token, id);
                }
            }
            Place::Queued(_) | Place::Pause { .. } => {}
        }
    }

    /// Withdraws a request of which no byte was taken, and puts its batches back. Returns whether that was possible.
    fn withdraw(&mut self, net: &mut impl Net, now: Instant, token: Token) -> Withdrawn {
        if !net.is_untouched(token) {
            return Withdrawn::No;
        }
        let how = net.cancel(token);
        if how == Cancelled::NotOutstanding {
            // Its end is about to be told.
            return Withdrawn::No;
        }
        let Some(sent) = self.requests.remove(&token) else { return Withdrawn::No };
        // The request has left room for another one.
        self.to_fill.insert(sent.node);
        if let Some(node) = self.nodes.get_mut(&sent.node) {
            node.in_flight.remove(&token);
        }
        self.watch(now, sent.node);
        for id in sent.batches {
            let Some(flight) = self.flights.get_mut(&id).filter(|flight| flight.place == Place::Sent(token)) else {
                continue;
            };
            if flight.told == Told::Yes {
                self.release(id);
            } else if how == Cancelled::Withdrawn {
                flight.piece().attempts -= 1;
                self.place(net, now, id);
            } else {
                // The connection will write it after all, and nothing more is told of it.
                self.forsaken(net, now, id, sent.node);
            }
        }
        Withdrawn::Yes
    }
}

/// Whether a request was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withdrawn {
    Yes,
    No,
}

#[cfg(test)]
mod tests;
