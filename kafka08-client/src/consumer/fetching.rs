//! Fetches: when one is sent, and to whom.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use kafka08_proto::{
    HostPort,
    api::{FetchRequest, LeaderProblem},
    connection::{PrepareError, Prepared, SendError},
    ids::{Millis, NodeId, Offset},
    profile::Profile,
};

use super::{
    Consumer, Terms,
    event::FetchCause,
    planning::{LEAST, Patience, Plan},
    track::Stage,
};
use crate::{
    assignment::{Epoch, PartitionIndex, Undelivered},
    error::{Cause, Unreachable},
    links::{Lane, Opening, Peer, Token},
};

/// After how many answers twice as much is asked for, if less is asked for than there is room for.
const MORE_AFTER: u32 = 32;
/// How long a broker before 0.8.2 may wait, which waits with errors too.
const OLD_WAIT: Millis = Millis(100);
/// How long a broker may wait at most while a partition of it is left out that may be asked for soon.
const SHORT_WAIT: Millis = Millis(50);

/// A broker that leads assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The partitions that it leads.
    pub(super) parts: BTreeSet<PartitionIndex>,
    /// The fetch that it owes an answer to. One at a time.
    pub(super) in_flight: Option<Token>,
    /// What has come from it and nobody has taken.
    pub(super) undelivered: Undelivered,
    /// The most that is asked for together, after an answer was too large or too slow.
    pub(super) most: Option<usize>,
    /// Answers since `most` was changed.
    answers: u32,
    /// The partition with which the next fetch begins, if not all were in the last one.
    pub(super) next: Option<PartitionIndex>,
    /// Fetches with a short wait since the last one of all partitions or of one alone.
    shorts: u32,
}

impl Node {
    /// An answer that should have had so many bytes was too large, or too slow.
    pub(super) fn ask_for_less(&mut self, than: usize) {
        (self.most, self.answers) = (Some((than / 2).max(LEAST)), 0);
    }

    /// An answer has come. After some, more is asked for again.
    pub(super) fn note_answered(&mut self, terms: &Terms) {
        self.answers = self.answers.saturating_add(1);
        if self.answers >= MORE_AFTER {
            let more = self.most.map(|most| most.saturating_mul(2));
            (self.most, self.answers) = (more.filter(|most| *most < terms.max_fetch), 0);
        }
    }
}

/// A fetch that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) node: NodeId,
    pub(super) parts: Vec<Wanted>,
}

/// What was asked of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) at: PartitionIndex,
    pub(super) epoch: Epoch,
    pub(super) offset: Offset,
    pub(super) bytes: usize,
}

/// Whether something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Some,
    None,
}

impl Consumer {
    /// Sends at most one fetch.
    pub(super) fn poll_fetch(&mut self, now: Instant) -> Progress {
        while let Some(&node) = self.to_ask.first() {
            let plan = self.plan(node);
            if plan.wanted.is_empty() {
                self.to_ask.remove(&node);
                continue;
            }
            match self.cluster.links().open(now, Peer::Node(node), Lane::Fetch) {
                Opening::Ready => {
                    self.to_ask.remove(&node);
                    if self.send(now, node, plan) == Progress::Some {
                        return Progress::Some;
                    }
                }
                // News will come: the link is ready, or could not be connected.
                Opening::Busy | Opening::Connecting => {
                    self.to_ask.remove(&node);
                }
                Opening::BackingOff { last, .. } => {
                    self.to_ask.remove(&node);
                    if let Some(reason) = last {
                        self.note_unreachable(now, node, &reason);
                    }
                }
                Opening::NoAddress => {
                    self.to_ask.remove(&node);
                    self.note_no_address(now, node);
                }
            }
        }
        Progress::None
    }

    /// Sends a fetch to a broker whose link is ready.
    fn send(&mut self, now: Instant, node: NodeId, plan: Plan) -> Progress {
        let request = self.request(node, &plan);
        let Plan { wanted, next, is_alone, patience } = plan;
        let prepared = match Prepared::new(&request) {
            Ok(prepared) => prepared,
            Err(error) => {
                let cause = Cause::NotSent(SendError::Prepare(PrepareError::Encode(error)));
                for wanted in wanted {
                    self.note_trouble(now, wanted.at, FetchCause::Attempt(cause.clone()));
                }
                return Progress::None;
            }
        };
        // A new token for each fetch, so that a late answer finds nothing.
        let token = Token(self.next_token);
        self.next_token += 1;
        match self.cluster.links().send(now, Peer::Node(node), Lane::Fetch, &prepared, token) {
            Ok(_) => {
                for wanted in &wanted {
                    if let Some(track) = self.tracks.get_mut(&wanted.at) {
                        track.asked = Some(token);
                    }
                }
                let state = self.nodes.entry(node).or_default();
                state.in_flight = Some(token);
                state.next = next;
                state.shorts = match patience {
                    Patience::Long => 0,
                    _ if is_alone => 0,
                    Patience::Short => state.shorts.saturating_add(1),
                    Patience::None => state.shorts,
                };
                self.sent.insert(token, Sent { node, parts: wanted });
                self.counts.fetches += 1;
                // Only the wait depends on it, so no fetch waits for it.
                self.cluster.find_profile(now, node);
                Progress::Some
            }
            // News will come: there is room again, or the link has ended.
            Err(SendError::Busy | SendError::Closed(_) | SendError::TimedOut { .. }) => Progress::None,
            Err(error) => {
                let cause = Cause::NotSent(error);
                for wanted in wanted {
                    self.note_trouble(now, wanted.at, FetchCause::Attempt(cause.clone()));
                }
                Progress::None
            }
        }
    }

    /// The request for these partitions. How long the broker may wait depends on its release, and on who is left out.
    fn request(&self, node: NodeId, plan: &Plan) -> FetchRequest {
        // An unknown release counts as an old one: waiting for less costs little.
        let is_old = self.cluster.profile(node).is_none_or(|profile| profile < Profile::V0_8_2);
        let wait = if is_old { self.terms.max_wait.min(OLD_WAIT) } else { self.terms.max_wait };
        let shorts = self.nodes.get(&node).map_or(0, |state| state.shorts);
        let wait = match plan.patience {
            Patience::Long => wait,
            // Who takes at once waits for a moment, and who takes nothing for long does not cost many fetches.
            Patience::Short => wait.min(SHORT_WAIT).min(Millis(1 << shorts.min(16))),
            Patience::None => Millis(0),
        };
        let mut sorted: Vec<_> =
            plan.wanted.iter().filter_map(|wanted| Some((&self.tracks.get(&wanted.at)?.of, wanted))).collect();
        // Partitions of one topic form one group of the request.
        sorted.sort_unstable_by_key(|(of, _)| *of);
        sorted.into_iter().fold(FetchRequest::new(wait, 1), |request, (of, wanted)| {
            let bytes = i32::try_from(wanted.bytes).unwrap_or(i32::MAX);
            request.with(of.topic.clone(), of.partition, wanted.offset, bytes)
        })
    }

    /// Finds the leader of a partition, and asks it.
    pub(super) fn place(&mut self, now: Instant, at: PartitionIndex) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        if !matches!(track.stage, Stage::Reading { .. }) {
            return;
        }
        let leader = self.cluster.view().leader(&track.of.topic, track.of.partition);
        let new = leader.ok();
        if track.leader != new {
            let old = track.leader.take();
            // Its answer comes from a broker that leads no more.
            track.asked = None;
            track.leader = new;
            self.leave(old, at);
        }
        match leader {
            Ok(node) => {
                self.nodes.entry(node).or_default().parts.insert(at);
                self.to_ask.insert(node);
            }
            // The next metadata that names a leader places it again.
            Err(problem) => {
                let topic = self.tracks.get(&at).map(|track| track.of.topic.clone());
                self.set_trouble(now, now, at, FetchCause::Attempt(Cause::NoLeader(problem)));
                if let Some(topic) = topic {
                    self.cluster.note_stale(now, &topic);
                }
            }
        }
    }

    /// A broker is not asked for a partition any more.
    pub(super) fn leave(&mut self, node: Option<NodeId>, at: PartitionIndex) {
        let Some(node) = node else { return };
        let Some(state) = self.nodes.get_mut(&node) else { return };
        state.parts.remove(&at);
        self.tidy_node(node);
    }

    /// Forgets a broker that nothing is wanted of.
    pub(super) fn tidy_node(&mut self, node: NodeId) {
        let is_unused = |state: &Node| state.parts.is_empty() && state.in_flight.is_none();
        // What it still owes keeps it, because it answers one request after the other.
        if self.nodes.get(&node).is_some_and(is_unused) {
            self.nodes.remove(&node);
            self.starved.remove(&node);
            self.to_ask.remove(&node);
        }
    }

    /// A broker cannot be connected to.
    fn note_unreachable(&mut self, now: Instant, node: NodeId, reason: &Arc<str>) {
        let peer = self.address(node);
        let attempts = vec![(peer, reason.clone())];
        let cause = Cause::Unreachable(Arc::new(Unreachable { attempts }));
        self.note_node_trouble(now, node, &cause);
    }

    /// An attempt to connect to a broker has failed.
    pub(super) fn note_not_connected(&mut self, now: Instant, node: NodeId, reason: &Arc<str>) {
        self.note_unreachable(now, node, reason);
        // Another leader may have been elected.
        let topics: BTreeSet<_> =
            self.parts_of(node).filter_map(|at| Some(self.tracks.get(&at)?.of.topic.clone())).collect();
        for topic in topics {
            self.cluster.note_stale(now, &topic);
        }
        // The wish for a link was forgotten with its failure.
        self.to_ask.insert(node);
    }

    /// A broker's address is not known, or cannot be used.
    fn note_no_address(&mut self, now: Instant, node: NodeId) {
        let problem = match self.cluster.view().endpoint(node) {
            Some(Err(problem)) => Cause::Endpoint { node, problem: problem.clone() },
            _ => Cause::NoLeader(LeaderProblem::BrokerMissing(node)),
        };
        self.note_node_trouble(now, node, &problem);
    }

    /// Something keeps all partitions of a broker from being read.
    fn note_node_trouble(&mut self, now: Instant, node: NodeId, cause: &Cause) {
        let parts: Vec<_> = self.parts_of(node).collect();
        for at in parts {
            self.set_trouble(now, now, at, FetchCause::Attempt(cause.clone()));
        }
    }

    /// The partitions that are fetched from a broker.
    pub(super) fn parts_of(&self, node: NodeId) -> impl Iterator<Item = PartitionIndex> + '_ {
        self.nodes.get(&node).into_iter().flat_map(|state| state.parts.iter().copied())
    }

    /// The address of a broker, for error texts.
    pub(super) fn address(&mut self, node: NodeId) -> HostPort {
        // Only a broker that was never listed has no address, and nothing is sent to it.
        let unknown = || HostPort::new("unknown", 0);
        self.cluster.links().address(Peer::Node(node)).cloned().unwrap_or_else(unknown)
    }
}
