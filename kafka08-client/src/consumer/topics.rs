//! Topics of which all partitions are read.

use std::time::Instant;

use kafka08_proto::{
    api::LeaderProblem,
    ids::{Text, TopicPartition},
};

use super::{Consumer, event::ConsumerEvent, state::Due};
use crate::{assignment::Assignment, error::Cause, view::Changes};

/// A topic of which all partitions are read.
#[derive(Debug)]
pub(super) struct Wanted {
    since: Instant,
    /// Metadata has listed its partitions since.
    is_known: bool,
}

impl Consumer {
    /// Looks at a topic again that was assigned or unassigned.
    pub(super) fn renew_topic(&mut self, with: &Assignment, now: Instant, topic: Text) {
        if !with.is_topic_assigned(&topic) {
            if self.wanted.remove(&topic).is_some() {
                self.to_list.remove(&topic);
                self.unwatch(&topic);
                self.timers.set(Due::Unlisted(topic), None);
            }
            return;
        }
        let before = self.wanted.insert(topic.clone(), Wanted { since: now, is_known: false });
        if before.is_none() {
            self.watch(now, &topic);
        }
        self.timers.set(Due::Unlisted(topic.clone()), now.checked_add(self.terms.stall_after));
        // It may be known already, because of its partitions.
        self.to_list.insert(topic);
    }

    /// Notes the topics whose partitions may be others now.
    pub(super) fn note_listed(&mut self, changes: &Changes) {
        // A partition may appear while another one goes, so that their number stays.
        let is_unread = |of: &&TopicPartition| {
            #[cfg(kafka08_canary)]
            if kafka08_proto::canary::ListsTwice.is_planted() {
                return true;
            }
            !self.by_name.contains_key(of)
        };
        let unread = changes.leaders.iter().filter(is_unread).map(|of| &of.topic);
        let topics = changes.topics.iter().chain(unread).filter(|topic| self.wanted.contains_key(*topic));
        self.to_list.extend(topics.cloned());
    }

    /// Assigns the partitions that metadata lists of these topics.
    pub(super) fn list_topics(&mut self, with: &mut Assignment) {
        for topic in std::mem::take(&mut self.to_list) {
            let Some(wanted) = self.wanted.get_mut(&topic) else { continue };
            let Some(view) = self.cluster.view().topic(&topic).filter(|view| view.partitions().len() > 0) else {
                continue;
            };
            // What an answer leaves out stays in the view for long, and in the assignment for good.
            let partitions = with.handle_listed(&topic, view.partitions().map(|(id, _)| id));
            let was_known = std::mem::replace(&mut wanted.is_known, true);
            if !was_known {
                self.timers.set(Due::Unlisted(topic.clone()), None);
            }
            if !was_known || !partitions.is_empty() {
                self.events.push_back(ConsumerEvent::Assigned { topic, partitions });
            }
        }
    }

    /// The partitions of a topic were not known for a time.
    pub(super) fn tell_unlisted(&mut self, now: Instant, topic: Text) {
        let Some(wanted) = self.wanted.get(&topic).filter(|wanted| !wanted.is_known) else { return };
        let since = now.saturating_duration_since(wanted.since);
        let cause = self.why_unlisted(&topic);
        self.events.push_back(ConsumerEvent::Unlisted { topic, cause, since });
    }

    /// Why the partitions of a topic are not known, if they are not.
    #[must_use]
    pub fn why_unlisted(&self, topic: &Text) -> Cause {
        let since = self.wanted.get(topic).map(|wanted| wanted.since);
        match (self.cluster.view().topic(topic), self.cluster.unreachable()) {
            (_, Some(unreachable)) => Cause::Unreachable(unreachable),
            (Some(view), None) if !view.error().is_ok() => Cause::NoLeader(LeaderProblem::TopicRefused(view.error())),
            // What was said before it was asked for says nothing of a topic that was created for it.
            (_, None) if since.is_some_and(|since| self.cluster.has_answered_since(since)) => {
                Cause::NoLeader(LeaderProblem::TopicMissing)
            }
            (_, None) => Cause::NoMetadata { asked: None },
        }
    }
}
