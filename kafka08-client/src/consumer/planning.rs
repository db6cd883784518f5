//! What is asked of a broker next: which partitions, how many bytes of each, and how long the broker may wait.
//!
//! The room of a broker has two halves. One is divided among its partitions, so that each may always have its own share waiting,
//! whoever takes nothing. The other one is for those that are read fast or have large messages: a partition may use it as long as
//! less of it waits than is free.
//!
//! What is larger than both is fetched alone. Then the others are asked in the next fetch, without a wait.

use std::collections::BTreeSet;

use kafka08_proto::ids::{NodeId, Offset, Text};

use super::{Consumer, Terms, fetching::Wanted};
use crate::assignment::{Epoch, PartitionIndex, Undelivered};

/// The least that is asked for of a partition. With less, most answers would have no whole message.
pub(super) const LEAST: usize = 4096;
/// The bytes of a request around its topics: its header without the client id, and the fields in front of the topics.
const AROUND_REQUEST: usize = 10 + 16;
/// The bytes of a response around its topics.
const AROUND_RESPONSE: usize = 8;
/// The bytes of a topic in both, without its name.
const OF_TOPIC: usize = 6;
/// The bytes of a partition in a request, and of one in a response, without its messages.
const OF_PARTITION: (usize, usize) = (16, 18);

/// A fetch that can be sent.
#[derive(Debug)]
pub(super) struct Plan {
    /// Empty if nothing is wanted, or nothing may be asked for.
    pub(super) wanted: Vec<Wanted>,
    pub(super) patience: Patience,
    /// The partition with which the next fetch begins, because it had to be left for later.
    pub(super) next: Option<PartitionIndex>,
    /// One partition was to be fetched without the others, because of a message that is larger than what is free.
    pub(super) is_alone: bool,
}

/// How long the broker may wait for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Patience {
    /// Not at all: another partition is known to have messages.
    None,
    /// Not long: some partition waits for its turn, or has what nobody has taken.
    Short,
    /// As long as the settings say.
    Long,
}

/// A partition that could be asked for.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: PartitionIndex,
    epoch: Epoch,
    offset: Offset,
    waiting: usize,
    need: usize,
}

/// What there is to share in one fetch.
#[derive(Debug)]
struct Shares {
    /// What each partition may have waiting, whatever the others have.
    own: usize,
    /// What is free of the half that nobody owns.
    pool: usize,
    /// What the response can have.
    most: usize,
    /// A response may exceed the room.
    may_exceed: bool,
}

impl Terms {
    /// The room of one of so many brokers. Each partition has at least twice the least share.
    pub(super) fn room_of(&self, brokers: usize, partitions: usize) -> usize {
        (self.room / brokers.max(1)).max(2 * LEAST * partitions)
    }
}

impl Consumer {
    /// What to ask a broker for. Nothing if nothing is wanted, or nobody takes what has come.
    pub(super) fn plan(&mut self, node: NodeId) -> Plan {
        let mut plan = Plan { wanted: Vec::new(), patience: Patience::Long, next: None, is_alone: false };
        let brokers = self.nodes.len();
        let Some(state) = self.nodes.get(&node).filter(|state| state.in_flight.is_none()) else { return plan };
        let (candidates, around) = self.candidates(&state.parts, state.next, &mut plan);
        if candidates.is_empty() {
            return plan;
        }
        let Undelivered { bytes: held, sets } = state.undelivered;
        let (room, count) = (self.terms.room_of(brokers, state.parts.len()), candidates.len());
        let most = self.terms.max_fetch.min(self.terms.max_frame.saturating_sub(around));
        let most = most.min(state.most.unwrap_or(usize::MAX));
        let own = (room / 2 / state.parts.len().max(1)).min((most / count).max(LEAST));
        let shares = Shares {
            own: own.min(self.terms.partition_bytes),
            pool: (room / 2).saturating_sub(held),
            most,
            // Of a broker of which nothing can be taken, one response may always be fetched.
            may_exceed: sets == 0 || held < room,
        };
        self.share_out(&candidates, &shares, &mut plan);
        if plan.wanted.is_empty() {
            // Whoever takes something next wakes the machine.
            self.tells_starved |= self.starved.insert(node);
        }
        plan
    }

    /// The partitions that could be asked for, in turn, as many as there are bytes for around them, and these bytes.
    fn candidates(
        &self,
        parts: &BTreeSet<PartitionIndex>,
        first: Option<PartitionIndex>,
        plan: &mut Plan,
    ) -> (Vec<Candidate>, usize) {
        let first = first.unwrap_or_default();
        let (mut all, mut topic): (_, Option<&Text>) = (Vec::new(), None);
        let (mut request, mut response) = (AROUND_REQUEST + self.terms.client_id, AROUND_RESPONSE);
        for at in parts.range(first..).chain(parts.range(..first)) {
            let Some(track) = self.tracks.get(at).filter(|track| track.is_wanted()) else { continue };
            let Some(offset) = track.position() else { continue };
            // A topic whose partitions do not follow each other is counted more than once.
            let is_new = topic.replace(&track.of.topic) != Some(&track.of.topic);
            let name = if is_new { OF_TOPIC + track.of.topic.len() } else { 0 };
            (request, response) = (request + OF_PARTITION.0 + name, response + OF_PARTITION.1 + name);
            // Half of a frame is left for messages. Small limits and long names make several fetches of one.
            if (request > self.terms.max_request || response > self.terms.max_frame / 2) && !all.is_empty() {
                (plan.next, plan.patience) = (Some(*at), Patience::Short);
                response -= OF_PARTITION.1 + name;
                break;
            }
            all.push(Candidate { at: *at, epoch: track.epoch, offset, waiting: track.waiting, need: track.need });
        }
        (all, response)
    }

    /// Divides what there is among the partitions.
    fn share_out(&self, candidates: &[Candidate], shares: &Shares, plan: &mut Plan) {
        let (mut pool, mut rest, mut skipped) = (shares.pool, shares.most, None);
        let most_of_one = self.terms.partition_bytes.min((shares.most / candidates.len().max(1)).max(shares.own));
        let mut patience = plan.patience;
        for candidate in candidates {
            let Candidate { at, epoch, offset, waiting, need } = *candidate;
            let own = if waiting == 0 { shares.own } else { 0 };
            // So that all together leave some of the pool, whoever comes next.
            let spare = (shares.pool.saturating_sub(waiting) / (candidates.len() + 1)).min(most_of_one);
            let bytes = if need > own.max(spare) { need } else { own.max(spare).min(own + pool) };
            // Small asks of one that has much already would cost a response each time a little was taken.
            let is_worth = own > 0 || bytes >= LEAST.max(shares.own / 2) && waiting <= shares.pool;
            let wanted = Wanted { at, epoch, offset, bytes };
            if is_worth && (need..=rest.min(own + pool)).contains(&bytes) {
                // Its own share is free whatever the pool is, or else a partition that is slow would stop the others.
                pool -= bytes.saturating_sub(own);
                rest -= bytes;
                plan.wanted.push(wanted);
            } else if own == 0 || bytes > own + pool && !shares.may_exceed {
                // Its user has not taken what has come, or those of others have not.
                patience = patience.min(Patience::Short);
            } else if plan.wanted.is_empty() {
                // Alone: the others have the next fetch.
                plan.wanted.push(wanted);
                let mut others = candidates.iter().map(|other| other.at).filter(|other| *other != at);
                let next = others.clone().find(|other| *other > at).or_else(|| others.next());
                skipped = skipped.or(next);
                if skipped.is_some() {
                    (patience, plan.is_alone) = (Patience::None, true);
                }
                break;
            } else {
                // The first that was skipped begins the next fetch, so each has its turn, however many are large.
                skipped = skipped.or(Some(at));
                // It has had messages a moment ago. If it has no more, it needs nothing, and the next fetch waits again.
                patience = patience.min(if need > 0 { Patience::None } else { Patience::Short });
            }
        }
        plan.patience = patience;
        plan.next = skipped.or(plan.next);
    }
}
