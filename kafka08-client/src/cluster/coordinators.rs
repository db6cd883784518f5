//! The coordinators of consumer groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kafka08_proto::ids::{NodeId, Text};

use super::CallId;

/// The most coordinators that are remembered: as many as calls may be open. What is forgotten is looked up again.
const MOST_KNOWN: usize = 10_000;

/// What is known of one group's coordinator.
#[derive(Debug, Default)]
struct Group {
    node: Option<NodeId>,
    /// Its place in the order of finding, if the coordinator is known.
    found: u64,
    /// A look-up is on its way, or waits for a link.
    is_asking: bool,
    /// When to ask again after an answer without a coordinator.
    pause_until: Option<Instant>,
    /// Answers without a coordinator in a row.
    failures: u32,
    waiting: BTreeSet<CallId>,
}

/// The coordinators of the groups that calls have asked for. Look-ups of one group are shared.
#[derive(Debug, Default)]
pub(super) struct Coordinators {
    groups: BTreeMap<Text, Group>,
    /// The groups whose coordinators are known, in the order of finding.
    known: BTreeMap<u64, Text>,
    last_found: u64,
    /// How many groups each broker coordinates.
    named: BTreeMap<NodeId, usize>,
    /// The brokers that were named, and coordinate no group any more.
    left: BTreeSet<NodeId>,
}

/// Where a group's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinator {
    /// To this broker.
    Is(NodeId),
    /// It has to be looked up now.
    LookUp,
    /// A look-up is on its way, or pauses.
    Wait,
}

impl Coordinators {
    /// The coordinator of a group, for a call that waits until it is known.
    pub(super) fn find(&mut self, now: Instant, group: &Text, call: CallId) -> Coordinator {
        let entry = self.groups.entry(group.clone()).or_default();
        if let Some(node) = entry.node {
            return Coordinator::Is(node);
        }
        // Also the call that makes the look-up, for the answer places all that wait.
        self.doubt(now, group, call)
    }

    pub(super) fn note_asking(&mut self, group: &Text) {
        if let Some(entry) = self.groups.get_mut(group) {
            entry.is_asking = true;
        }
    }

    /// Notes the answer, and returns the calls that wait for it.
    pub(super) fn note_found(&mut self, group: &Text, node: NodeId) -> BTreeSet<CallId> {
        let Some(entry) = self.groups.get_mut(group) else {
            if !self.named.contains_key(&node) {
                self.left.insert(node);
            }
            return BTreeSet::new();
        };
        let before = entry.node.replace(node);
        if before.is_some() {
            self.known.remove(&entry.found);
        }
        self.last_found += 1;
        self.known.insert(self.last_found, group.clone());
        entry.found = self.last_found;
        entry.is_asking = false;
        entry.failures = 0;
        entry.pause_until = None;
        let waiting = std::mem::take(&mut entry.waiting);
        *self.named.entry(node).or_default() += 1;
        self.left.remove(&node);
        // Behind the count of the new one, which may be the same.
        if let Some(before) = before {
            self.uncount(before);
        }
        // Behind the insertion: the new one is never the one that is forgotten.
        if self.known.len() > MOST_KNOWN
            && let Some((_, oldest)) = self.known.pop_first()
        {
            self.forget(&oldest);
        }
        waiting
    }

    /// The coordinator of a group is not known any more.
    fn forget(&mut self, group: &Text) {
        if let Some(entry) = self.groups.get_mut(group)
            && let Some(node) = entry.node.take()
        {
            self.known.remove(&entry.found);
            self.uncount(node);
        }
        self.tidy(group);
    }

    /// A broker coordinates one group less.
    fn uncount(&mut self, node: NodeId) {
        if let Some(groups) = self.named.get_mut(&node) {
            *groups -= 1;
            if *groups == 0 {
                self.named.remove(&node);
                self.left.insert(node);
            }
        }
    }

    /// The brokers that were named, and coordinate no group any more.
    pub(super) fn left(&self) -> impl Iterator<Item = NodeId> {
        self.left.iter().copied()
    }

    /// Nothing is kept for a broker of [`Coordinators::left`].
    pub(super) fn let_go(&mut self, node: NodeId) {
        self.left.remove(&node);
    }

    /// Notes that there is no coordinator yet, or that the look-up was lost. Returns the failures in a row.
    pub(super) fn note_not_found(&mut self, group: &Text) -> u32 {
        let Some(entry) = self.groups.get_mut(group) else { return 0 };
        entry.is_asking = false;
        entry.failures = entry.failures.saturating_add(1);
        entry.failures
    }

    /// Sets when the group is asked for again.
    pub(super) fn pause(&mut self, group: &Text, until: Option<Instant>) {
        if let Some(entry) = self.groups.get_mut(group) {
            entry.pause_until = until;
        }
    }

    /// Ends a pause, and returns the calls that wait for it.
    pub(super) fn resume(&mut self, group: &Text) -> BTreeSet<CallId> {
        let Some(entry) = self.groups.get_mut(group) else { return BTreeSet::new() };
        entry.pause_until = None;
        let waiting = std::mem::take(&mut entry.waiting);
        // Those that wait look the group up again, and the count of failures must outlive that.
        if waiting.is_empty() {
            self.tidy(group);
        }
        waiting
    }

    /// A broker has said that it is not the coordinator of this group, or could not be reached.
    pub(super) fn note_stale(&mut self, group: &Text, node: NodeId) {
        if self.node(group) == Some(node) {
            self.forget(group);
        }
    }

    /// The coordinator of a group, if it is known.
    pub(super) fn node(&self, group: &Text) -> Option<NodeId> {
        self.groups.get(group).and_then(|entry| entry.node)
    }

    /// The coordinator of a group is silent, and a call would go to another one. Returns whether to look the group up now.
    /// Afterwards, [`Coordinators::note_found`] or [`Coordinators::resume`] names the call.
    pub(super) fn doubt(&mut self, now: Instant, group: &Text, call: CallId) -> Coordinator {
        let entry = self.groups.entry(group.clone()).or_default();
        entry.waiting.insert(call);
        if entry.is_asking || entry.pause_until.is_some_and(|until| until > now) {
            return Coordinator::Wait;
        }
        Coordinator::LookUp
    }

    /// A call waits no more. Groups that nothing waits for and that have no coordinator are forgotten.
    pub(super) fn leave(&mut self, group: &Text, call: CallId) {
        if let Some(entry) = self.groups.get_mut(group) {
            entry.waiting.remove(&call);
        }
        self.tidy(group);
    }

    /// Forgets a group that nothing waits for and of which nothing is known. A look-up on its way still tells its coordinator.
    fn tidy(&mut self, group: &Text) {
        if let Some(entry) = self.groups.get(group)
            && entry.waiting.is_empty()
            && entry.node.is_none()
            && !entry.is_asking
        {
            self.groups.remove(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
    fn the_coordinators_of_so_many_groups_are_kept_those_that_were_found_last() {
        let now = Instant::now();
        let mut coordinators = Coordinators::default();
        let name = |n: u64| Text::from(format!("group{n}"));
        for n in 0..20_000 {
            assert_eq!(coordinators.find(now, &name(n), CallId(n)), Coordinator::LookUp);
            coordinators.note_asking(&name(n));
            assert_eq!(coordinators.note_found(&name(n), NodeId(1)), BTreeSet::from([CallId(n)]));
            // Found again: that does not count twice.
            coordinators.note_found(&name(n), NodeId(2));
            coordinators.leave(&name(n), CallId(n));
        }
        assert_eq!(coordinators.groups.len(), 10_000);
        assert_eq!(coordinators.find(now, &name(19_999), CallId(0)), Coordinator::Is(NodeId(2)));
        assert_eq!(coordinators.find(now, &name(10_000), CallId(0)), Coordinator::Is(NodeId(2)));
        assert_eq!(coordinators.find(now, &name(0), CallId(0)), Coordinator::LookUp);
    }
}
