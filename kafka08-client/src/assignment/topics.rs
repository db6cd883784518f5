//! Topics of which all partitions are read, and partitions that are read no longer.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_proto::{
    api::{NameProblem, check_topic_name},
    ids::{PartitionId, Text, TopicPartition},
};

use super::{Assignment, Wake};
use crate::config::{EndAt, Reset, StartAt};

/// The topics that are assigned as such.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_name: BTreeMap<Text, Topic>,
    /// Topics that the machine has to look at.
    changed: BTreeSet<Text>,
}

/// A topic, from its assignment on until the next.
#[derive(Debug)]
struct Topic {
    start: StartAt,
    end: EndAt,
    /// Metadata has listed its partitions.
    is_known: bool,
    /// The partitions that are read because the topic is.
    found: BTreeSet<PartitionId>,
    /// Partitions of which something was said by name. It counts also if it was that they are not to be read.
    named: BTreeSet<PartitionId>,
}

impl Topics {
    /// Something is said of a partition by name.
    pub(super) fn note_named(&mut self, of: &TopicPartition) {
        if let Some(topic) = self.by_name.get_mut(&of.topic) {
            topic.found.remove(&of.partition);
            topic.named.insert(of.partition);
        }
    }

    /// Whether the partitions of each topic are known.
    pub(super) fn are_known(&self) -> bool {
        self.by_name.values().all(|topic| topic.is_known)
    }
}

impl Assignment {
    /// Reads all partitions of a topic, from `start` to `end`. If it is assigned already, the partitions that were found through it
    /// begin anew.
    ///
    /// The partitions are found by metadata, and told as [`ConsumerEvent::Assigned`]. A partition that appears later is read too,
    /// from its first offset, or from what the group of its start has committed there: so nothing of it is missed. It
    /// is found within [`ClusterConfig::with_metadata_max_age`]. A partition that metadata lists no longer stays assigned.
    ///
    /// What is said of a partition by name counts: one that was assigned keeps its start and its end, and one that was unassigned
    /// is not read. Looking a topic up creates none. One that does not exist is looked up again and again, and told once as
    /// [`ConsumerEvent::Unlisted`].
    ///
    /// # Errors
    /// No broker accepts the name of the topic. Use another name.
    ///
    /// [`ConsumerEvent::Assigned`]: crate::consumer::ConsumerEvent::Assigned
    /// [`ConsumerEvent::Unlisted`]: crate::consumer::ConsumerEvent::Unlisted
    /// [`ClusterConfig::with_metadata_max_age`]: crate::config::ClusterConfig::with_metadata_max_age
    pub fn assign_topic(&mut self, topic: impl Into<Text>, start: StartAt, end: EndAt) -> Result<Wake, NameProblem> {
        let topic = topic.into();
        check_topic_name(&topic)?;
        let _ = self.unassign_topic(&topic);
        // What is left was assigned by name.
        let named = self.by_name.keys().filter(|of| of.topic == topic).map(|of| of.partition).collect();
        let new = Topic { start, end, is_known: false, found: BTreeSet::new(), named };
        self.topics.by_name.insert(topic.clone(), new);
        self.topics.changed.insert(topic);
        Ok(Wake::Yes)
    }

    /// Reads a topic no longer, nor the partitions that were found through it. Those that were assigned by name stay. What has come
    /// and was not taken is dropped, and what has passed is not committed any more: commit before.
    pub fn unassign_topic(&mut self, topic: &str) -> Wake {
        let Some((topic, before)) = self.topics.by_name.remove_entry(&Text::from(topic)) else { return Wake::No };
        for partition in before.found {
            let _ = self.remove(&TopicPartition::new(topic.clone(), partition));
        }
        self.forget_removed();
        self.topics.changed.insert(topic);
        Wake::Yes
    }

    /// Reads a partition no longer. What has come and was not taken is dropped, and what has passed is not committed any more: commit
    /// before. Says [`Wake::Yes`] if it was read.
    pub fn unassign(&mut self, of: &TopicPartition) -> Wake {
        self.topics.note_named(of);
        let wake = self.remove(of);
        self.forget_removed();
        wake
    }

    /// The topics that are assigned as such, also those whose partitions are not known yet.
    pub fn topics(&self) -> impl Iterator<Item = &Text> {
        self.topics.by_name.keys()
    }

    /// Forgets the turns of partitions that are read no longer. Once for all of a topic, because it looks at each turn.
    fn forget_removed(&mut self) {
        let Self { ready, parts, .. } = self;
        ready.retain(|at| parts.get(at.0).is_some_and(Option::is_some));
    }

    /// [`Assignment::forget_removed`] follows.
    fn remove(&mut self, of: &TopicPartition) -> Wake {
        let Some(at) = self.by_name.remove(of) else { return Wake::No };
        self.drop_waiting(at);
        if let Some(place) = self.parts.get_mut(at.0) {
            *place = None;
        }
        self.unfinished.remove(&at);
        self.changed.insert(at);
        self.unused.push(at);
        Wake::Yes
    }

    /// The next topic that was assigned or unassigned.
    pub(crate) fn poll_changed_topic(&mut self) -> Option<Text> {
        self.topics.changed.pop_first()
    }

    /// Whether a topic is assigned as such.
    pub(crate) fn is_topic_assigned(&self, topic: &Text) -> bool {
        self.topics.by_name.contains_key(topic)
    }

    /// Metadata lists these partitions of a topic. Returns those that are assigned because of that.
    pub(crate) fn handle_listed(
        &mut self,
        topic: &Text,
        listed: impl IntoIterator<Item = PartitionId>,
    ) -> Vec<PartitionId> {
        let Some(known) = self.topics.by_name.get_mut(topic) else { return Vec::new() };
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::ListsTwice.is_planted() {
            known.found.clear();
        }
        let is_unseen = |id: &PartitionId| !known.named.contains(id) && !known.found.contains(id);
        let new: Vec<_> = listed.into_iter().filter(is_unseen).collect();
        let start = if known.is_known { later(&known.start) } else { known.start.clone() };
        let end = known.end;
        // Before the partitions begin, which counts as nothing that was said of them by name.
        known.found.extend(&new);
        known.is_known = true;
        for id in &new {
            self.begin(TopicPartition::new(topic.clone(), *id), start.clone(), end);
        }
        new
    }
}

/// Where a partition starts that was not there when its topic was first listed.
fn later(start: &StartAt) -> StartAt {
    match start {
        // An answer may have left the partition out, so the group may have read it before.
        StartAt::Committed { group, store, .. } => {
            StartAt::Committed { group: group.clone(), store: *store, otherwise: Reset::Earliest }
        }
        StartAt::LargerCommitted { group, .. } => {
            StartAt::LargerCommitted { group: group.clone(), otherwise: Reset::Earliest }
        }
        StartAt::Earliest | StartAt::Latest | StartAt::Offset(_) | StartAt::Time(_) => StartAt::Earliest,
    }
}
