//! The coordinators of consumer groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kafka08_proto::ids::{NodeId, Text};

use super::CallId;

/// What is known of one group's coordinator.
#[derive(Debug, Default)]
struct Group {
    node: Option<NodeId>,
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
pub(super) struct Coordinators(BTreeMap<Text, Group>);

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
        let entry = self.0.entry(group.clone()).or_default();
        if let Some(node) = entry.node {
            return Coordinator::Is(node);
        }
        // Also the call that makes the look-up, for the answer places all that wait.
        entry.waiting.insert(call);
        if entry.is_asking || entry.pause_until.is_some_and(|until| until > now) {
            return Coordinator::Wait;
        }
        Coordinator::LookUp
    }

    pub(super) fn note_asking(&mut self, group: &Text) {
        if let Some(entry) = self.0.get_mut(group) {
            entry.is_asking = true;
        }
    }

    /// Notes the answer, and returns the calls that wait for it.
    pub(super) fn note_found(&mut self, group: &Text, node: NodeId) -> BTreeSet<CallId> {
        let Some(entry) = self.0.get_mut(group) else { return BTreeSet::new() };
        entry.node = Some(node);
        entry.is_asking = false;
        entry.failures = 0;
        entry.pause_until = None;
        std::mem::take(&mut entry.waiting)
    }

    /// Notes that there is no coordinator yet, or that the look-up was lost. Returns the failures in a row.
    pub(super) fn note_not_found(&mut self, group: &Text) -> u32 {
        let Some(entry) = self.0.get_mut(group) else { return 0 };
        entry.is_asking = false;
        entry.failures = entry.failures.saturating_add(1);
        entry.failures
    }

    /// Sets when the group is asked for again.
    pub(super) fn pause(&mut self, group: &Text, until: Option<Instant>) {
        if let Some(entry) = self.0.get_mut(group) {
            entry.pause_until = until;
        }
    }

    /// Ends a pause, and returns the calls that wait for it.
    pub(super) fn resume(&mut self, group: &Text) -> BTreeSet<CallId> {
        let Some(entry) = self.0.get_mut(group) else { return BTreeSet::new() };
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
        if let Some(entry) = self.0.get_mut(group)
            && entry.node == Some(node)
        {
            entry.node = None;
        }
        self.tidy(group);
    }

    /// A call waits no more. Groups that nothing waits for and that have no coordinator are forgotten.
    pub(super) fn leave(&mut self, group: &Text, call: CallId) {
        if let Some(entry) = self.0.get_mut(group) {
            entry.waiting.remove(&call);
        }
        self.tidy(group);
    }

    /// Forgets a group that nothing waits for and of which nothing is known. A look-up on its way still tells its coordinator.
    fn tidy(&mut self, group: &Text) {
        if let Some(entry) = self.0.get(group)
            && entry.waiting.is_empty()
            && entry.node.is_none()
            && !entry.is_asking
        {
            self.0.remove(group);
        }
    }
}
