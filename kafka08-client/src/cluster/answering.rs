//! What news of links mean for calls.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use kafka08_proto::{
    HostPort,
    api::{Body as _, ConsumerMetadataResponse},
    connection::{Cancelled, CloseReason, Closed, Progress, RequestError, ResponseFrame},
    fate::Fate,
    ids::Text,
    probe::Release,
};

use super::{
    Cluster, ForOwner, OWNERS_TOKENS, Stale, Verdict,
    call::{Aim, UnitState},
    state::{Job, Owner, Part, PartState, Timer},
    work::AnswerNo,
};
use crate::{
    error::{Cause, Unreachable},
    links::{Lane, LinkNews, Peer, Token},
    view::endpoint_of,
};

impl Cluster {
    /// Takes all news of the links.
    pub(super) fn take_news(&mut self, now: Instant) {
        while let Some(news) = self.links.poll_news() {
            self.take(now, &news);
            let is_owners = match &news {
                LinkNews::Answered { token, .. } | LinkNews::Written { token, .. } | LinkNews::Failed { token, .. } => {
                    token.0 >= OWNERS_TOKENS
                }
                LinkNews::Probed { .. } => false,
                _ => true,
            };
            if is_owners && matches!(self.owner, Owner::Some(_)) {
                self.tell_owner(ForOwner::Link(news));
            }
        }
    }

    fn take(&mut self, now: Instant, news: &LinkNews) {
        match news {
            LinkNews::Ready { peer, lane } => self.link_ready(now, *peer, *lane),
            LinkNews::NotConnected { peer, lane, reason } => self.not_connected(now, *peer, *lane, reason),
            LinkNews::Answered { token, peer, frame } => {
                self.note_alive(*peer);
                self.answered(now, *token, *peer, frame);
            }
            // Requests without answers are the owner's only.
            LinkNews::Written { .. } => {}
            LinkNews::Failed { token, peer, error, progress, fate } => {
                self.failed(now, *token, *peer, error, *progress, *fate);
            }
            LinkNews::Silent { peer, .. } => {
                self.note_silent(now, *peer);
                self.drive_refresh(now);
            }
            LinkNews::Ended { peer, lane, closed, was_idle, .. } => self.ended(now, *peer, *lane, closed, *was_idle),
            LinkNews::Probed { peer, release } => self.probed(now, *peer, release),
        }
    }

    fn link_ready(&mut self, now: Instant, peer: Peer, lane: Lane) {
        self.releases.note_up(now, peer);
        self.seeking.note_ready(peer);
        self.pump(now, peer, lane);
        if lane == Lane::Prompt {
            self.drive_refresh(now);
            self.move_stuck(now);
            self.place_waiting(now);
        }
    }

    /// Places the calls that wait for any broker, or for the release of one.
    fn place_waiting(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.waits_for_any) {
            self.dispatch(now, id);
        }
        self.drive_seek(now);
    }

    fn not_connected(&mut self, now: Instant, peer: Peer, lane: Lane, reason: &Arc<str>) {
        self.releases.note_down(now, peer);
        let address = self.links.address(peer).cloned();
        let backoff = self.config.reconnect_backoff;
        self.seeking.note_failed(now, peer, address.as_ref(), reason, backoff, &mut self.seed);
        let attempts = address.map(|address| (address, Arc::clone(reason))).into_iter().collect();
        let cause = Cause::Unreachable(Arc::new(Unreachable { attempts }));
        self.return_queue(now, peer, lane, &cause);
        if let Peer::Node(_) = peer {
            // Its partitions may have other leaders by now.
            self.refresh.note_all_stale(now);
            self.drive_refresh(now);
        }
        self.drive_seek(now);
    }

    fn note_alive(&mut self, peer: Peer) {
        if self.silent.remove(&peer) {
            self.note_unstuck(peer);
        }
        self.seeking.note_answered(peer);
    }

    fn ended(&mut self, now: Instant, peer: Peer, lane: Lane, closed: &Arc<Closed>, was_idle: bool) {
        self.silent.remove(&peer);
        // A link that ends while it is idle is nobody's failure, but its broker may have left the cluster.
        let is_ours = closed.reason == CloseReason::Local;
        if !is_ours && let Peer::Node(_) = peer {
            self.refresh.note_all_stale(now);
        }
        if !was_idle || !is_ours {
            self.drive_refresh(now);
        }
        // What waits for the next link asks for it.
        self.pump(now, peer, lane);
        self.drive_seek(now);
    }

    fn probed(&mut self, now: Instant, peer: Peer, release: &Release) {
        self.releases.note_probed(now, peer, release.clone());
        if let (Release::Undetermined(why), Some(address)) = (release, self.links.address(peer).cloned()) {
            let reason: Arc<str> = Arc::from(why.to_string());
            let backoff = self.config.reconnect_backoff;
            self.seeking.note_failed(now, peer, Some(&address), &reason, backoff, &mut self.seed);
        }
        self.place_waiting(now);
    }

    fn answered(&mut self, now: Instant, token: Token, peer: Peer, frame: &ResponseFrame) {
        match self.jobs.remove(&token) {
            Some(Job::Part(part)) => self.part_answered(now, token, &part, frame),
            Some(Job::Metadata { topics, .. }) => self.metadata_answered(now, token, &topics, frame),
            Some(Job::Coordinator { group, .. }) => self.coordinator_answered(now, &group, frame),
            None => {}
        }
        // The answer has made room.
        for lane in [Lane::Prompt, Lane::Produce, Lane::Fetch] {
            if self.queues.contains_key(&(peer, lane)) {
                self.pump(now, peer, lane);
            }
        }
    }

    fn part_answered(&mut self, now: Instant, token: Token, part: &Part, frame: &ResponseFrame) {
        let peer = part.peer;
        let Some(call) = self.calls.get_mut(&part.call) else { return };
        call.parts.remove(&token);
        // Only what was asked for is heard, and only the first entry of each.
        let mut unheard: BTreeSet<usize> = part.units.iter().copied().collect();
        let mut verdicts = Vec::new();
        let taken = call.take_answer(&frame.body, &mut |n, verdict| {
            if unheard.remove(&n) {
                verdicts.push((n, verdict));
            }
        });
        let answer = match taken {
            Ok(answer) => answer,
            Err(error) => {
                let fate = if call.changes_state { Fate::MaybeApplied } else { Fate::NotApplied };
                let address = self.links.address(peer).cloned().unwrap_or_else(unknown_address);
                let cause = Cause::Malformed { peer: address, error };
                for n in &part.units {
                    call.lose(*n, cause.clone(), fate);
                    // The same request would get the same bytes again.
                    call.end_unit(*n);
                }
                self.end_if_over(part.call);
                return;
            }
        };
        let stale = self.apply(part, answer, &verdicts);
        if let Some(call) = self.calls.get_mut(&part.call) {
            for n in unheard {
                let fate = if call.changes_state { Fate::MaybeApplied } else { Fate::NotApplied };
                call.lose(n, Cause::Incomplete, fate);
            }
            call.drop_if_unused(answer);
        }
        self.look_up_stale(now, part, &stale);
    }

    /// Notes the verdicts of an answer. Returns the units that are asked for again.
    fn apply(&mut self, part: &Part, answer: AnswerNo, verdicts: &[(usize, Verdict)]) -> Vec<(usize, Stale)> {
        let mut again = Vec::new();
        let Some(call) = self.calls.get_mut(&part.call) else { return again };
        for (n, verdict) in verdicts {
            call.note_answer(*n, answer);
            match verdict {
                Verdict::Final => call.end_unit(*n),
                Verdict::Again { stale } => {
                    if let Some(unit) = call.units.get_mut(*n) {
                        unit.state = UnitState::Open;
                    }
                    again.push((*n, *stale));
                }
            }
        }
        again
    }

    /// Looks up what an answer has shown to be out of date, and sets when the call's open units are placed again.
    fn look_up_stale(&mut self, now: Instant, part: &Part, again: &[(usize, Stale)]) {
        let id = part.call;
        let Some(call) = self.calls.get(&id) else { return };
        let is_open = call.units.iter().any(|unit| unit.state == UnitState::Open);
        if let (Aim::Coordinator(group), Peer::Node(node)) = (&call.aim, part.peer)
            && again.iter().any(|(_, stale)| *stale == Stale::Coordinator)
        {
            let group = group.clone();
            self.coordinators.note_stale(&group, node);
        }
        let stale: Vec<_> = again.iter().filter(|(_, stale)| *stale == Stale::Leader).map(|(n, _)| *n).collect();
        let topics = self.calls.get(&id).map(|call| call.topics_of(&stale)).unwrap_or_default();
        for topic in topics {
            self.wait_for_topic(now, id, &topic);
        }
        if is_open {
            self.retry_later(now, id);
        }
        self.end_if_over(id);
    }

    fn failed(&mut self, now: Instant, token: Token, peer: Peer, error: &RequestError, progress: Progress, fate: Fate) {
        match self.jobs.remove(&token) {
            Some(Job::Part(part)) => {
                let address = self.links.address(peer).cloned().unwrap_or_else(unknown_address);
                let cause = Cause::Request { peer: address, error: error.clone(), progress };
                if let Some(call) = self.calls.get_mut(&part.call) {
                    call.parts.remove(&token);
                    for n in &part.units {
                        call.lose(*n, cause.clone(), fate);
                    }
                }
                self.place_again(now, part.call, peer);
            }
            Some(Job::Metadata { topics, .. }) => self.metadata_failed(now, token, &topics),
            Some(Job::Coordinator { group, .. }) => self.coordinator_lost(now, &group),
            None => {}
        }
    }

    fn coordinator_answered(&mut self, now: Instant, group: &Text, frame: &ResponseFrame) {
        let found = ConsumerMetadataResponse::decode(&frame.body).ok();
        let Some(broker) = found.as_ref().and_then(|answer| answer.coordinator().ok()) else {
            self.coordinator_lost(now, group);
            return;
        };
        let node = broker.node;
        // A broker that metadata has not listed yet is known from this answer only.
        if self.view.endpoint(node).is_none() {
            let config = &self.config;
            let address = endpoint_of(broker, &|node, at| config.filter(node, at));
            self.links.set_address(now, node, address.ok());
        }
        self.timers.set(Timer::Coordinator(group.clone()), None);
        for id in self.coordinators.note_found(group, node) {
            self.dispatch(now, id);
        }
    }

    /// Takes requests away from a broker that is silent, for units that have another leader now and can be sent again.
    pub(super) fn leave_silent(&mut self, now: Instant) {
        let mut left = Vec::new();
        for (token, job) in &self.jobs {
            let Job::Part(part) = job else { continue };
            let Some(call) = self.calls.get(&part.call) else { continue };
            let has_moved = part.units.iter().any(|n| {
                let of = match &call.aim {
                    Aim::Leader(of) => Some(of),
                    Aim::Leaders => call.units.get(*n).and_then(|unit| unit.of.as_ref()),
                    Aim::Any | Aim::Node(_) | Aim::Coordinator(_) => None,
                };
                let Some(of) = of else { return false };
                self.view.leader(&of.topic, of.partition).is_ok_and(|node| Peer::Node(node) != part.peer)
            });
            if self.silent.contains(&part.peer) && has_moved && part.state == PartState::Sent {
                left.push((*token, call.changes_state));
            }
        }
        for (token, changes_state) in left {
            // A request that may have been applied waits for its own deadline.
            if changes_state && !self.links.is_untouched(token) {
                continue;
            }
            if self.links.cancel(token) != Cancelled::NotOutstanding
                && let Some(Job::Part(part)) = self.jobs.remove(&token)
            {
                self.take_back(now, token, &part);
            }
        }
    }

    /// Places units again that a silent broker had. They can safely be sent again.
    pub(super) fn take_back(&mut self, now: Instant, token: Token, part: &Part) {
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

/// Stands for an address that is not known any more, because its broker has left the cluster meanwhile.
fn unknown_address() -> HostPort {
    HostPort::new("a broker that has left", 0)
}
