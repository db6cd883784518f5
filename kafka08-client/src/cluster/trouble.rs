//! Brokers in trouble: those that are connected and do not answer (*silent*), and those that cannot be connected to. What
//! becomes of the requests that they have, or that wait for them.
//!
//! ```text
//!   any broker can answer it --> stuck: it moves as soon as another broker can be asked      move_stuck
//!   it is for a leader --------> its topic is looked up again and again                      watch
//!                                and it moves as soon as another leader is named             follow_leaders
//!   it is for a coordinator ---> its group is looked up again and again                      watch
//!                                and it moves as soon as another coordinator is named        follow_coordinator
//!   it may have been applied --> it stays until it is answered or its time is over
//! ```
//!
//! A broker that answers again keeps what it has.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    api::{ConsumerMetadataRequest, Request as _},
    connection::Cancelled,
    fate::Fate,
    ids::{NodeId, Text},
};

use super::{
    CallId, Cluster,
    answering::unknown_address,
    call::Aim,
    state::{Job, Part, PartState},
};
use crate::{
    error::{Cause, Unreachable},
    links::{Peer, Token},
    view::Changes,
};

/// The time between two look-ups for a call whose broker is in trouble.
pub(super) const WHILE_IN_TROUBLE: Duration = Duration::from_millis(500);

impl Cluster {
    /// What happened at each address, if every broker was tried and none could be connected to. `None` if one is connected,
    /// or if not all were tried.
    ///
    /// As long as no broker has ever answered, a peer that has said what no broker says counts as one that cannot be connected
    /// to. One that is silent, or has closed the connection, does not count.
    #[must_use]
    pub fn unreachable(&self) -> Option<Arc<Unreachable>> {
        if let Some(down) = self.seeking.down() {
            return Some(Arc::clone(down));
        }
        if self.seeking.is_met() || !self.seeking.has_trouble() {
            return None;
        }
        let mut listed = (0..self.config.bootstrap.len()).map(Peer::Bootstrap);
        let have_all_failed = listed.all(|peer| self.seeking.has_failed(peer) && !self.silent.contains(&peer));
        have_all_failed.then(|| Arc::new(self.seeking.unreachable()))
    }

    /// What happened at each address that has failed and has not answered since.
    #[must_use]
    pub fn trouble(&self) -> Unreachable {
        self.seeking.unreachable()
    }

    /// Whether any broker has answered so far.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Whether a broker has said since then which topics there are.
    pub(crate) fn has_answered_since(&self, since: Instant) -> bool {
        self.last_answer.is_some_and(|at| at >= since)
    }

    /// The brokers in trouble.
    pub(super) fn troubled(&self) -> impl Iterator<Item = NodeId> {
        let down = self.releases.down().filter(|peer| !self.silent.contains(peer));
        self.silent.iter().copied().chain(down).filter_map(|peer| match peer {
            Peer::Node(node) => Some(node),
            Peer::Bootstrap(_) => None,
        })
    }

    /// Says that the topics that a broker leads may have other leaders by now.
    pub(super) fn note_led_stale(&mut self, now: Instant, peer: Peer) {
        let Peer::Node(node) = peer else { return };
        for topic in self.view.led_by(node) {
            self.refresh.note_stale(now, topic);
        }
    }

    /// A broker owes an answer for longer than it should. Others are asked whether they know other leaders.
    pub(super) fn note_silent(&mut self, now: Instant, peer: Peer) {
        if !self.silent.insert(peer) {
            return;
        }
        let address = self.links.address(peer).cloned();
        let named = address.as_ref().map(ToString::to_string).unwrap_or_default();
        let reason: Arc<str> = Arc::from(format!("{named} accepts connections, but does not answer"));
        let backoff = self.config.reconnect_backoff;
        self.seeking.note_failed(now, peer, address.as_ref(), &reason, backoff, &mut self.seed);
        // Calls first: their topics may be known to nobody else.
        self.look_up_for_all_at(now, peer);
        self.note_led_stale(now, peer);
        // Another broker is asked instead. The late answer still counts.
        if let Some(Job::Metadata { peer: asked, .. }) = self.asking.and_then(|token| self.jobs.get(&token))
            && *asked == peer
        {
            self.asking = None;
        }
        self.note_stuck(peer);
        self.move_stuck(now);
    }

    /// Notes the requests of a silent broker that any other one can answer.
    fn note_stuck(&mut self, peer: Peer) {
        let is_there = |job: &Job| match job {
            Job::Coordinator { peer: asked, .. } => *asked == peer,
            Job::Part(part) => part.peer == peer,
            Job::Metadata { .. } => false,
        };
        let there = self.jobs.iter().filter(|(_, job)| is_there(job)).map(|(token, _)| *token);
        let stuck: Vec<_> = there.filter(|token| self.may_move(*token)).collect();
        self.stuck.extend(stuck);
    }

    /// Whether any broker can answer a request, and another one can safely be asked.
    fn may_move(&self, token: Token) -> bool {
        match self.jobs.get(&token) {
            Some(Job::Coordinator { .. }) => true,
            Some(Job::Part(part)) => {
                // What waits behind a full link was not sent, so nothing is applied twice.
                let is_queued = part.state == PartState::Queued;
                let call = self.calls.get(&part.call);
                call.is_some_and(|call| call.aim == Aim::Any && (is_queued || !call.changes_state))
            }
            Some(Job::Metadata { .. }) | None => false,
        }
    }

    /// Sends requests that silent brokers have to another broker, if one is connected.
    pub(super) fn move_stuck(&mut self, now: Instant) {
        // Taken out first: what is moved may become stuck again at the next broker.
        for token in std::mem::take(&mut self.stuck) {
            let api = match self.jobs.get(&token) {
                Some(Job::Part(part)) => self.calls.get(&part.call).map(|call| call.work.api()),
                Some(Job::Coordinator { .. }) => Some(ConsumerMetadataRequest::API),
                _ => None,
            };
            let Some(api) = api else { continue };
            // It may have been sent since it was noted.
            if !self.may_move(token) {
                continue;
            }
            // Looked for before it is cancelled: there is no way back.
            if self.find_any(now, api).is_err() {
                self.stuck.insert(token);
                continue;
            }
            self.links.cancel(token);
            match self.take_job(token) {
                Some(Job::Part(part)) => self.take_back(now, token, &part),
                Some(Job::Coordinator { group, .. }) => {
                    self.coordinators.note_not_found(&group);
                    for id in self.coordinators.resume(&group) {
                        self.dispatch(now, id);
                    }
                }
                _ => {}
            }
        }
        if !self.stuck.is_empty() {
            self.seek(now);
        }
    }

    /// A broker has answered, so what it has is not stuck.
    pub(super) fn note_unstuck(&mut self, peer: Peer) {
        let jobs = &self.jobs;
        self.stuck.retain(|token| match jobs.get(token) {
            Some(Job::Part(part)) => part.peer != peer,
            Some(Job::Coordinator { peer: asked, .. }) => *asked != peer,
            _ => false,
        });
    }

    /// Looks up the topics and the groups of all requests that a broker has.
    fn look_up_for_all_at(&mut self, now: Instant, peer: Peer) {
        let mut topics = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for job in self.jobs.values() {
            let Job::Part(part) = job else { continue };
            let Some(call) = self.calls.get(&part.call).filter(|_| part.peer == peer) else { continue };
            topics.extend(call.topics_of(&part.units).into_iter().map(|topic| (part.call, topic)));
            if let Aim::Coordinator(group) = &call.aim {
                groups.insert((part.call, group.clone()));
            }
        }
        for (id, topic) in topics {
            self.wait_for_topic(now, id, &topic);
        }
        for (id, group) in groups {
            self.seek_coordinator(now, id, &group);
        }
    }

    /// Has the topics or the group of a call looked up again while what it has sent is at brokers in trouble. To be called
    /// whenever the call was placed, because placing it ends what it has waited for.
    pub(super) fn watch(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Aim::Coordinator(group) = &call.aim {
            // What cannot leave the broker although another one was named needs no more look-ups.
            let is_held = |token: &Token| {
                self.jobs.get(token).is_some_and(|job| self.is_at_silent_peer(job)) && !self.has_moved(*token)
            };
            if call.parts.iter().any(is_held) {
                let group = group.clone();
                self.seek_coordinator(now, id, &group);
            }
            return;
        }
        let mut waits: BTreeSet<(Text, Duration)> = BTreeSet::new();
        for token in &call.parts {
            let Some(Job::Part(part)) = self.jobs.get(token) else { continue };
            let is_queued = part.state == PartState::Queued;
            let after = if self.silent.contains(&part.peer) || (is_queued && self.links.has_failed(part.peer)) {
                WHILE_IN_TROUBLE
            } else if is_queued {
                // An address that drops packets fails only after the time for connecting, which is long.
                self.config.silence
            } else {
                continue;
            };
            waits.extend(call.topics_of(&part.units).into_iter().map(|topic| (topic, after)));
        }
        for (topic, after) in waits {
            self.wait_for_topic_until(now, now.checked_add(after).unwrap_or(now), id, &topic);
        }
    }

    /// Takes requests away from brokers that do not lead their partitions any more: those that wait for a link, and those
    /// that a silent broker has and that can be sent again.
    pub(super) fn follow_leaders(&mut self, now: Instant, changes: &Changes) {
        let mut left: BTreeSet<Token> = BTreeSet::new();
        if !changes.leaders.is_empty() {
            // Queues exist only for links that are not ready, so this looks at few requests.
            left.extend(self.queues.values().flatten().filter(|token| self.has_moved(**token)));
        }
        if !self.silent.is_empty() {
            let of_silent = self.jobs.iter().filter(|(_, job)| self.is_at_silent_peer(job)).map(|(token, _)| *token);
            left.extend(of_silent.filter(|token| self.has_moved(*token)));
        }
        self.leave_peers(now, left);
    }

    pub(super) fn is_at_silent_peer(&self, job: &Job) -> bool {
        matches!(job, Job::Part(part) if self.silent.contains(&part.peer))
    }

    /// Places requests again that have moved, as far as they can safely be sent again.
    pub(super) fn leave_peers(&mut self, now: Instant, left: BTreeSet<Token>) {
        for token in left {
            // Placing one call may have ended or moved another one's request.
            let Some(Job::Part(Part { call, state, .. })) = self.jobs.get(&token) else { continue };
            if *state == PartState::Queued {
                self.put_back(now, token);
                continue;
            }
            // A request that may have been applied waits for its own deadline.
            let changes_state = self.calls.get(call).is_some_and(|call| call.changes_state);
            if changes_state && !self.links.is_untouched(token) {
                continue;
            }
            if self.links.cancel(token) != Cancelled::NotOutstanding
                && let Some(Job::Part(part)) = self.take_job(token)
            {
                self.take_back(now, token, &part);
            }
        }
    }

    /// Whether another broker leads a partition of this request, or is its coordinator.
    pub(super) fn has_moved(&self, token: Token) -> bool {
        let Some(Job::Part(part)) = self.jobs.get(&token) else { return false };
        let Some(call) = self.calls.get(&part.call) else { return false };
        if let Aim::Coordinator(group) = &call.aim {
            return self.coordinators.node(group).is_some_and(|node| Peer::Node(node) != part.peer);
        }
        part.units.iter().any(|n| {
            let of = match &call.aim {
                Aim::Leader(of) => Some(of),
                Aim::Leaders => call.units.get(*n).and_then(|unit| unit.of.as_ref()),
                Aim::Any | Aim::Node(_) | Aim::Coordinator(_) => None,
            };
            let Some(of) = of else { return false };
            self.view.leader(&of.topic, of.partition).is_ok_and(|node| Peer::Node(node) != part.peer)
        })
    }

    /// Places units again that waited for a link. It was no attempt, so nothing is noted of it.
    fn put_back(&mut self, now: Instant, token: Token) {
        let Some(Job::Part(part)) = self.take_job(token) else { return };
        if let Some(call) = self.calls.get_mut(&part.call) {
            call.parts.remove(&token);
            for n in &part.units {
                call.reopen(*n);
            }
        }
        self.dispatch(now, part.call);
    }

    /// Places units again that a silent broker had. They can safely be sent again.
    fn take_back(&mut self, now: Instant, token: Token, part: &Part) {
        let address = self.links.address(part.peer).cloned().unwrap_or_else(unknown_address);
        if let Some(call) = self.calls.get_mut(&part.call) {
            call.parts.remove(&token);
            for n in &part.units {
                call.lose(*n, Cause::Silent { peer: address.clone() }, Fate::NotApplied);
            }
        }
        self.dispatch(now, part.call);
    }
}
