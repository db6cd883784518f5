//! Brokers that take no batches at the moment, and the partitions that are stuck because of them.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use kafka08_proto::ids::NodeId;

use super::{
    Batches, Timer,
    flight::Place,
    node::{Node, SLOW, Trouble},
};
use crate::{
    accumulator::{PartIndex, Stuck},
    links::Token,
    machine::LinkId,
    producer::net::Net,
};

impl<C: Clone> Batches<C> {
    /// Finds out whether a partition is stuck, and has the accumulator told if that has changed.
    pub(super) fn judge(&mut self, at: PartIndex) {
        let Some(part) = self.parts.get(&at) else { return };
        let trouble = |node: &NodeId| {
            let state = self.nodes.get(node);
            state.is_some_and(|node| node.trouble.is_some() || node.is_slow)
        };
        // One batch is enough: those behind it cannot overtake it.
        let is_stuck = part.batches.iter().any(|id| match self.flights.get(id).map(|flight| flight.place) {
            Some(Place::NoLeader | Place::Pause { .. }) => true,
            Some(Place::Queued(node)) => trouble(&node),
            // On a link that takes no more requests, it waits for an answer that is late already.
            Some(Place::Sent(token)) => {
                let sent = self.requests.get(&token);
                sent.is_some_and(|sent| !self.is_on_link(token) || trouble(&sent.node))
            }
            None => false,
        });
        let stuck = if is_stuck { Stuck::Yes } else { Stuck::No };
        let is_over = part.batches.is_empty();
        if let Some(part) = self.parts.get_mut(&at)
            && part.stuck != stuck
        {
            part.stuck = stuck;
            self.returns.stuck.push((at, stuck));
        }
        if is_over {
            self.parts.remove(&at);
        }
    }

    /// Judges all partitions of a broker whose trouble has begun or ended.
    fn judge_all(&mut self, node: NodeId) {
        let Some(state) = self.nodes.get(&node) else { return };
        let mut parts: BTreeSet<PartIndex> = state.ready.iter().map(|(part, _)| *part).collect();
        parts.extend(self.parts_of(state.in_flight.iter()));
        for part in parts {
            self.judge(part);
        }
    }

    /// Finds out whether a broker owes an answer for too long, and when to find out again.
    pub(super) fn watch(&mut self, now: Instant, node: NodeId) {
        let Some(state) = self.nodes.get_mut(&node) else { return };
        let oldest = state.in_flight.first().and_then(|token| self.requests.get(token));
        let due = oldest.and_then(|sent| sent.at.checked_add(SLOW));
        let was_slow = state.is_slow;
        state.is_slow = due.is_some_and(|due| due <= now);
        // A slow broker is watched again when it has answered.
        self.timers.set(Timer::Slow(node), due.filter(|due| *due > now));
        if was_slow != self.nodes.get(&node).is_some_and(|state| state.is_slow) {
            self.judge_all(node);
        }
    }

    /// Whether a request is on the link that takes new ones, and not on one that was given up.
    pub(super) fn is_on_link(&self, token: Token) -> bool {
        let node = self.requests.get(&token).and_then(|sent| self.nodes.get(&sent.node));
        node.is_some_and(|node| node.in_flight.contains(&token))
    }

    /// A link to a broker takes no more requests. What is left on it does not count for the next one.
    pub(super) fn forsake_link(&mut self, now: Instant, node: NodeId, link: LinkId) {
        let Some(state) = self.nodes.get_mut(&node) else { return };
        // It may be an older link than the one that takes requests now.
        let is_on_it = |token: &Token| self.requests.get(token).is_some_and(|sent| sent.link == link);
        let left: Vec<Token> = state.in_flight.iter().copied().filter(is_on_it).collect();
        for token in &left {
            state.in_flight.remove(token);
        }
        // The next link owes nothing yet.
        self.watch(now, node);
        for part in self.parts_of(left.iter()) {
            self.judge(part);
        }
    }

    /// The partitions of requests.
    fn parts_of<'a>(&self, tokens: impl Iterator<Item = &'a Token>) -> BTreeSet<PartIndex> {
        let batches = tokens.filter_map(|token| self.requests.get(token)).flat_map(|sent| &sent.batches);
        batches.filter_map(|id| Some(self.flights.get(id)?.part)).collect()
    }

    pub(super) fn set_trouble(&mut self, node: NodeId, trouble: Option<Trouble>) {
        let Some(state) = self.nodes.get_mut(&node) else { return };
        let had = state.trouble.is_some();
        state.trouble = trouble;
        if had != state.trouble.is_some() {
            self.judge_all(node);
        }
    }

    /// A link can take requests.
    pub(in crate::producer) fn handle_ready(&mut self, now: Instant, node: NodeId) {
        self.set_trouble(node, None);
        self.watch(now, node);
        self.to_fill.insert(node);
    }

    /// A link could not be connected.
    pub(in crate::producer) fn handle_not_connected(&mut self, node: NodeId, reason: Arc<str>) {
        if let Some(state) = self.nodes.get_mut(&node) {
            // It may come back as another release.
            state.asked_release = None;
        }
        self.set_trouble(node, Some(Trouble::NotConnected(reason)));
        // The wish for a link was used up, so it is said again.
        self.to_fill.insert(node);
    }

    /// A broker does not answer.
    pub(in crate::producer) fn handle_silent(&mut self, net: &mut impl Net, now: Instant, node: NodeId) {
        self.set_trouble(node, Some(Trouble::Silent));
        let Some(state) = self.nodes.get(&node) else { return };
        let sent = state.in_flight.iter().filter_map(|token| self.requests.get(token));
        let batches: Vec<_> = sent.flat_map(|sent| sent.batches.iter().copied()).collect();
        for id in batches {
            self.follow_leader(net, now, id);
        }
    }

    /// The address of a broker has changed.
    pub(in crate::producer) fn handle_endpoint(&mut self, node: NodeId) {
        if self.nodes.get(&node).is_some_and(|state| state.trouble == Some(Trouble::NoAddress)) {
            self.set_trouble(node, None);
        }
        // Otherwise a broker that has left would be kept for ever.
        if self.nodes.get(&node).is_some_and(Node::is_unused) {
            self.nodes.remove(&node);
            self.timers.set(Timer::Slow(node), None);
        }
        self.to_fill.insert(node);
    }
}
