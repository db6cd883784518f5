//! Requests for coordinators of groups: how these are looked up, and followed when they change.

use std::time::Instant;

use kafka08_proto::{
    api::{Body as _, Broker, ConsumerMetadataRequest, ConsumerMetadataResponse, Request as _},
    connection::ResponseFrame,
    ids::{Api, NodeId, Text},
};

use super::{
    CallId, Cluster,
    coordinators::Coordinator,
    routing::{Placed, Unfit},
    state::{Job, Timer},
    trouble::WHILE_IN_TROUBLE,
};
use crate::{
    error::Cause,
    links::{Lane, Peer, Token},
    view::endpoint_of,
};

impl Cluster {
    pub(super) fn place_at_coordinator(&mut self, now: Instant, id: CallId, group: &Text, api: Api) -> Placed {
        match self.coordinators.find(now, group, id) {
            Coordinator::Is(node) => {
                let placed = self.place_at_node(now, id, node, None, api);
                let is_lost = |cause: &Cause| {
                    matches!(cause, Cause::Release { .. } | Cause::NoLeader(_) | Cause::Endpoint { .. })
                };
                if matches!(&placed, Placed::Later(cause) if is_lost(cause)) {
                    // It cannot be reached, or has left the cluster, so the group may have another coordinator by now.
                    self.coordinators.note_stale(group, node);
                    // The call waits for the next look-up. That one pauses, because the answer may name the same broker again.
                    self.coordinators.find(now, group, id);
                    self.coordinator_lost(now, group);
                }
                placed
            }
            Coordinator::Wait => Placed::Later(Cause::DeadlinePassed),
            Coordinator::LookUp => match self.find_any(now, ConsumerMetadataRequest::API) {
                Ok(peer) => {
                    self.look_up_coordinator(now, group, peer);
                    Placed::Later(Cause::DeadlinePassed)
                }
                Err(unfit) => self.place_nowhere(now, id, unfit),
            },
        }
    }

    /// Asks a broker for the coordinator of a group.
    fn look_up_coordinator(&mut self, now: Instant, group: &Text, peer: Peer) {
        // Before the sending: if it is refused at once, that has to be noted behind this.
        self.coordinators.note_asking(group);
        let token = self.new_token();
        self.jobs.insert(token, Job::Coordinator { group: group.clone(), peer });
        self.queues.entry((peer, Lane::Prompt)).or_default().push_back(token);
        self.pump(now, peer, Lane::Prompt);
    }

    /// Takes the answer to a look-up of a coordinator.
    pub(super) fn coordinator_answered(&mut self, now: Instant, group: &Text, frame: &ResponseFrame) {
        let found = ConsumerMetadataResponse::decode(&frame.body).ok();
        let Some(broker) = found.as_ref().and_then(|answer| answer.coordinator().ok()) else {
            self.coordinator_lost(now, group);
            return;
        };
        self.coordinator_found(now, group, broker);
    }

    pub(super) fn coordinator_found(&mut self, now: Instant, group: &Text, broker: &Broker) {
        let node = broker.node;
        // A broker that metadata has not listed yet is known from this answer only.
        if self.view.endpoint(node).is_none() {
            let config = &self.config;
            let address = endpoint_of(broker, &|node, at| config.filter(node, at));
            self.links.set_address(now, node, address.ok());
        }
        // The pause after an earlier answer is over.
        self.timers.set(Timer::Coordinator(group.clone()), None);
        let waiting = self.coordinators.note_found(group, node);
        if self.silent.contains(&Peer::Node(node)) {
            // Its calls wait for another one. Without this they would ask again at once.
            self.pause_look_ups(now, group);
        }
        for id in waiting {
            self.follow_coordinator(now, id);
            self.dispatch(now, id);
        }
        self.drop_left(now);
    }

    /// Gives back the addresses of brokers that were known as coordinators only, and are none any more.
    pub(super) fn drop_left(&mut self, now: Instant) {
        for node in self.coordinators.left().collect::<Vec<_>>() {
            let peer = Peer::Node(node);
            // What metadata lists goes with metadata.
            let is_listed = self.view.endpoint(node).is_some();
            if !is_listed && self.links.is_used(now, peer) {
                continue;
            }
            self.coordinators.let_go(node);
            if !is_listed {
                self.forget_peer(now, node);
            }
        }
    }

    /// Forgets what was known of a broker that has no address any more.
    pub(super) fn forget_peer(&mut self, now: Instant, node: NodeId) {
        // What was wrong with it explains nothing any more.
        self.seeking.note_answered(Peer::Node(node));
        self.releases.forget(Peer::Node(node));
        self.links.set_address(now, node, None);
    }

    /// A look-up of a coordinator has come to nothing. It is made again after a pause.
    pub(super) fn coordinator_lost(&mut self, now: Instant, group: &Text) {
        let failures = self.coordinators.note_not_found(group);
        let until = now.checked_add(self.config.retry_backoff.wait_half(failures, &mut self.seed));
        self.coordinators.pause(group, until);
        // Also if nobody waits any more: the end of the pause forgets the group.
        self.timers.set(Timer::Coordinator(group.clone()), until);
    }

    /// Asks another broker whether the group of a call has another coordinator than the one that does not answer.
    pub(super) fn seek_coordinator(&mut self, now: Instant, id: CallId, group: &Text) {
        if self.coordinators.doubt(now, group, id) != Coordinator::LookUp {
            return;
        }
        match self.find_any(now, ConsumerMetadataRequest::API) {
            Ok(peer) => self.look_up_coordinator(now, group, peer),
            // The call is watched again when another broker is connected.
            Err(Unfit::NotYet) => {
                self.waits_for_any.insert(id);
                self.seek(now);
            }
            Err(Unfit::Never(_) | Unfit::Unclear(_)) => self.pause_look_ups(now, group),
        }
    }

    /// Lets the calls of a group wait before they look up its coordinator again, which does not answer.
    fn pause_look_ups(&mut self, now: Instant, group: &Text) {
        // Each group asks for itself, so the more calls there are, the longer each of them waits.
        let rounds = u32::try_from(self.calls.len() / 100).unwrap_or(u32::MAX).saturating_add(1);
        let until = now.checked_add(WHILE_IN_TROUBLE.saturating_mul(rounds));
        self.coordinators.pause(group, until);
        self.timers.set(Timer::Coordinator(group.clone()), until);
    }

    /// Takes the requests of a call away from a broker that does not answer and is not its coordinator any more.
    fn follow_coordinator(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let is_left = |token: &Token| {
            self.jobs.get(token).is_some_and(|job| self.is_at_silent_peer(job)) && self.has_moved(*token)
        };
        let left = call.parts.iter().copied().filter(is_left).collect();
        self.leave_peers(now, left);
    }
}

#[cfg(test)]
mod tests;
