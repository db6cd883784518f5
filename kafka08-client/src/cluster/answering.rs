//! What news of links mean for calls.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use kafka08_proto::{
    HostPort,
    api::LeaderProblem,
    connection::{CloseReason, Closed, ResponseFrame},
    fate::Fate,
    probe::Release,
};

use super::{
    CallId, Cluster, ForOwner, OWNERS_TOKENS, Stale, Verdict,
    call::{Aim, UnitState},
    state::{Job, Owner, Part},
    work::AnswerNo,
};
use crate::{
    error::{Cause, Unreachable},
    links::{Lane, LinkNews, Loss, Peer, Token},
};

impl Cluster {
    /// Takes all news of the links.
    pub(crate) fn take_news(&mut self, now: Instant) {
        while let Some(news) = self.links.poll_news() {
            // The cluster comes first: what the owner does with the news meets its new state.
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
                let was_silent = self.silent.remove(peer);
                self.seeking.note_answered(*peer);
                self.answered(now, *token, *peer, frame);
                // Behind the answer, which may be the one to a request that would otherwise be moved.
                if was_silent {
                    self.note_awake(now, *peer);
                }
            }
            // Requests without answers are the owner's only.
            LinkNews::Written { .. } => {}
            LinkNews::Failed { token, peer, loss, fate } => self.failed(now, *token, *peer, loss, *fate),
            LinkNews::Silent { peer, .. } => {
                self.note_silent(now, *peer);
                self.drive_refresh(now);
            }
            LinkNews::Awake { peer, .. } => {
                if self.silent.remove(peer) {
                    self.note_awake(now, *peer);
                }
            }
            LinkNews::Ended { peer, lane, closed, was_idle, .. } => self.ended(now, *peer, *lane, closed, *was_idle),
            LinkNews::Probed { peer, release } => self.probed(now, *peer, release),
        }
    }

    /// A link can take requests: it was connected, or has room again.
    fn link_ready(&mut self, now: Instant, peer: Peer, lane: Lane) {
        // Before anything is sent: an outage may have made the release unknown.
        self.releases.note_up(now, peer);
        self.seeking.note_ready(peer);
        self.pump(now, peer, lane);
        if lane == Lane::Prompt {
            self.wake_waiting(now);
        }
    }

    /// A broker that was silent has answered, so it can be asked again.
    fn note_awake(&mut self, now: Instant, peer: Peer) {
        self.seeking.note_answered(peer);
        self.note_unstuck(peer);
        self.wake_waiting(now);
    }

    /// Gives everything that waits for any broker another chance. To be called whenever one can be asked that could not be
    /// asked before.
    fn wake_waiting(&mut self, now: Instant) {
        self.drive_refresh(now);
        self.move_stuck(now);
        self.place_waiting(now);
    }

    /// Places the calls that wait for any broker, or for the release of one.
    fn place_waiting(&mut self, now: Instant) {
        // Taken out first: a call that cannot be placed puts itself back.
        for id in std::mem::take(&mut self.waits_for_any) {
            self.dispatch(now, id);
        }
        self.drive_seek(now);
    }

    /// A link could not be connected. What waits for it is placed anew.
    fn not_connected(&mut self, now: Instant, peer: Peer, lane: Lane, reason: &Arc<str>) {
        let address = self.links.address(peer).cloned();
        // A broker that has left is not down. It is forgotten.
        if address.is_some() {
            self.releases.note_down(now, peer);
        }
        let backoff = self.config.reconnect_backoff;
        self.seeking.note_failed(now, peer, address.as_ref(), reason, backoff, &mut self.seed);
        let cause = match address {
            Some(address) => {
                let attempts = vec![(address, Arc::clone(reason))];
                Cause::Unreachable(Arc::new(Unreachable { attempts }))
            }
            None => self.why_gone(peer),
        };
        self.return_queue(now, peer, lane, &cause);
        // Its partitions may have other leaders by now.
        self.note_led_stale(now, peer);
        self.drive_refresh(now);
        self.drive_seek(now);
    }

    /// Why nothing goes to a broker that has no address any more.
    pub(super) fn why_gone(&self, peer: Peer) -> Cause {
        // Entries of the bootstrap list keep their addresses until the client is closed.
        let Peer::Node(node) = peer else { return Cause::Closed };
        match self.view.endpoint(node) {
            Some(Err(problem)) => Cause::Endpoint { node, problem: problem.clone() },
            _ => Cause::NoLeader(LeaderProblem::BrokerMissing(node)),
        }
    }

    /// A connected link has ended. Its requests were told before.
    fn ended(&mut self, now: Instant, peer: Peer, lane: Lane, closed: &Arc<Closed>, was_idle: bool) {
        // An older link may end while the one that took its place is silent, which is told once only.
        let is_still_silent = Lane::ALL.iter().any(|lane| self.links.is_silent(peer, *lane));
        let was_silent = !is_still_silent && self.silent.remove(&peer);
        // A link that ends while it is idle is nobody's failure, but its broker may have left the cluster.
        let is_ours = closed.reason == CloseReason::Local;
        // A connection that was closed or reset may do better the next time.
        let is_foreign = matches!(closed.reason, CloseReason::Frame(_) | CloseReason::Match(_));
        if is_foreign && !self.seeking.is_met() {
            self.note_no_broker(now, peer);
        }
        if !is_ours {
            self.note_led_stale(now, peer);
        }
        if !was_idle || !is_ours {
            self.drive_refresh(now);
        }
        // What waits for the next link asks for it.
        self.pump(now, peer, lane);
        // Behind that: it may have been the last link of a broker that coordinates nothing any more.
        self.drop_left(now);
        if was_silent {
            // Its other links count again.
            self.wake_waiting(now);
        }
        self.drive_seek(now);
    }

    /// A peer has said what no broker says, and no broker has ever answered. Its failure is told beside those to connect.
    fn note_no_broker(&mut self, now: Instant, peer: Peer) {
        let Some(reason) = self.links.failure(peer) else { return };
        let (address, backoff) = (self.links.address(peer).cloned(), self.config.reconnect_backoff);
        self.seeking.note_failed(now, peer, address.as_ref(), &reason, backoff, &mut self.seed);
    }

    /// A probe has ended. Calls that wait for the release are placed.
    fn probed(&mut self, now: Instant, peer: Peer, release: &Release) {
        // Also a probe that has found nothing out is noted, so that calls do not start one after the other.
        self.releases.note_probed(now, peer, release.clone());
        if let (Release::Undetermined(why), Some(address)) = (release, self.links.address(peer).cloned()) {
            let reason: Arc<str> = Arc::from(why.to_string());
            let backoff = self.config.reconnect_backoff;
            self.seeking.note_failed(now, peer, Some(&address), &reason, backoff, &mut self.seed);
        }
        self.place_waiting(now);
    }

    fn answered(&mut self, now: Instant, token: Token, peer: Peer, frame: &ResponseFrame) {
        match self.take_job(token) {
            Some(Job::Part(part)) => self.part_answered(now, token, &part, frame),
            Some(Job::Metadata { topics, .. }) => self.metadata_answered(now, token, &topics, frame),
            Some(Job::Coordinator { group, .. }) => self.coordinator_answered(now, &group, frame),
            None => {}
        }
        // The answer has made room.
        for lane in Lane::ALL {
            if self.queues.contains_key(&(peer, lane)) {
                self.pump(now, peer, lane);
            }
        }
    }

    /// Takes the answer to units of a call, and decides what each of them does next.
    fn part_answered(&mut self, now: Instant, token: Token, part: &Part, frame: &ResponseFrame) {
        let peer = part.peer;
        let Some(call) = self.calls.get_mut(&part.call) else { return };
        call.parts.remove(&token);
        // Only what was asked for is heard, and only the first entry of each.
        let mut unheard: BTreeSet<usize> = part.units.iter().copied().collect();
        // Noted below, because the answer has no number before it is decoded to its end.
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
        // Only these wait for metadata. Others would be placed again by an answer that has nothing to do with them.
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

    /// A request has ended without an answer.
    fn failed(&mut self, now: Instant, token: Token, peer: Peer, loss: &Loss, fate: Fate) {
        match self.take_job(token) {
            Some(Job::Part(part)) => {
                let address = self.links.address(peer).cloned().unwrap_or_else(unknown_address);
                let cause = loss.cause(address);
                if let Some(call) = self.calls.get_mut(&part.call) {
                    call.parts.remove(&token);
                    for n in &part.units {
                        call.lose(*n, cause.clone(), fate);
                    }
                }
                self.place_lost(now, part.call, peer);
            }
            Some(Job::Metadata { topics, .. }) => self.metadata_failed(now, token, &topics),
            Some(Job::Coordinator { group, .. }) => self.coordinator_lost(now, &group),
            None => {}
        }
    }

    /// Places a call again whose request was lost.
    fn place_lost(&mut self, now: Instant, id: CallId, peer: Peer) {
        let is_for_any = self.calls.get(&id).is_some_and(|call| call.aim == Aim::Any && call.left > 0);
        if is_for_any && !self.seeking.is_met() {
            // Without a pause: a peer that has answered nothing is hardly a broker, and another one may be. The pauses between
            // attempts to connect go on.
            self.dispatch(now, id);
        } else {
            self.place_again(now, id, peer);
        }
    }
}

/// Stands for an address that is not known any more, because its broker has left the cluster meanwhile.
pub(super) fn unknown_address() -> HostPort {
    HostPort::new("a broker that has left", 0)
}
