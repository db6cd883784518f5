//! The rule by which an answer changes the view.
//!
//! The order of the steps matters. Brokers come first, because leaders are looked up among them. Leaders that were
//! missing are looked up again after the topics, so that a partition which the answer moves is not reported twice.
//! Brokers are dropped last, when it is known who leads.

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    mem,
    ops::Bound,
    time::{Duration, Instant},
};

use kafka08_proto::{
    HostPort,
    api::{MetadataResponse, TopicMetadata, Topics, check_topic_name},
    ids::{NodeId, PartitionId, Text, TopicPartition},
};

use super::{Changes, Moment, Name, TopicView, View, endpoint::Brokers};

/// How many maximum ages something is believed that is no longer listed. Chosen here.
const PATIENCE: u32 = 3;

/// The most topics that are known without having been asked for by their names. ZooKeeper serves no cluster with so many.
const MOST_TOPICS: usize = 100_000;

/// The most partitions of a topic that was asked for by its name, and of all topics together for others.
const MOST_PARTITIONS: usize = 1_000_000;

impl View {
    /// Merges an answer.
    ///
    /// `max_age` is the maximum age of metadata. What the answer should have listed and does not list is dropped when
    /// it was not confirmed for more than three times `max_age`. `asked` is what was asked for. An answer for named
    /// topics says nothing of other topics, even if it lists them. `filter` may refuse or change endpoints. It is asked
    /// once for each address that a broker advertises, and not again while the address stays the same.
    pub(crate) fn merge(
        &mut self,
        now: Instant,
        max_age: Duration,
        asked: &Topics,
        answer: &MetadataResponse,
        filter: &dyn Fn(NodeId, HostPort) -> Option<HostPort>,
    ) -> Changes {
        self.round += 1;
        let at = Moment { now, patience: max_age.saturating_mul(PATIENCE), round: self.round };
        let mut changes =
            Changes { endpoints: self.brokers.merge(&at, answer.brokers(), filter), ..Changes::default() };
        match asked {
            Topics::All => {
                self.covered_all = Some(now);
                answer.topics().iter().for_each(|topic| self.merge_unasked(&at, topic, &mut changes));
                self.drop_unlisted(&at, &mut changes);
            }
            Topics::Named(names) => {
                for name in names {
                    match answer.topic(name) {
                        Some(topic) => self.merge_topic(&at, topic, MOST_PARTITIONS, &mut changes),
                        None => self.miss_topic(&at, name, &mut changes),
                    }
                }
            }
        }
        self.follow_brokers(&mut changes);
        // An answer without brokers says nothing of them: 0.8.0 and 0.8.1 list only those of the partitions that they
        // return, and 0.8.2 knows none until the cluster has had a topic. A broker that leads is kept. The client needs
        // no other, and an answer lists it again when it leads.
        if !answer.brokers().is_empty() {
            let led = &self.led;
            let dropped = self.brokers.drop_unlisted(&at, |node| led_by(led, node).next().is_some());
            changes.endpoints.extend(dropped);
        }
        changes
    }

    /// Forgets a topic that nobody asks for any more.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.remove(topic.as_bytes());
    }

    /// Takes over what an answer lists of a topic that it was not asked for by its name, as far as there is room. Without
    /// the bounds, a broker that lists other topics each time would fill the memory before they are dropped.
    fn merge_unasked(&mut self, at: &Moment, listed: &TopicMetadata, changes: &mut Changes) {
        let key: &[u8] = listed.name.as_ref();
        let room = MOST_PARTITIONS.saturating_sub(self.partitions);
        match self.topics.get(key).map(|topic| topic.partitions().len()) {
            Some(known) => self.merge_topic(at, listed, known + room, changes),
            None if room > 0 && self.topics.len() < MOST_TOPICS => self.merge_topic(at, listed, room, changes),
            None => {}
        }
    }

    /// Takes over what an answer lists of a topic, up to `most` partitions. If a topic is listed twice, the first counts.
    fn merge_topic(&mut self, at: &Moment, listed: &TopicMetadata, most: usize, changes: &mut Changes) {
        let key: &[u8] = listed.name.as_ref();
        let is_new = !self.topics.contains_key(key);
        if is_new {
            // A broker refuses all names of a request if one is not allowed, so such a name must never be asked for.
            if check_topic_name(&listed.name).is_err() {
                return;
            }
            let name = Name(listed.name.detached());
            self.topics.insert(name.clone(), TopicView::new(name, listed.error, at));
        }
        let topic = self.topics.get_mut(key).expect("the topic was inserted if it was not there");
        if mem::replace(&mut topic.round, at.round) == at.round {
            return;
        }
        topic.confirmed = at.now;
        cover(&mut self.covered, topic, at.now);
        let error_before = mem::replace(&mut topic.error, listed.error);
        let count_before = topic.partitions().len();
        let news = topic.merge(at, &listed.partitions, most, &self.brokers);
        self.partitions = self.partitions + topic.partitions().len() - count_before;
        let has_changed = is_new || error_before != topic.error || count_before != topic.partitions().len();
        if has_changed {
            changes.topics.push(topic.name.0.clone());
        }
        for node in news.brokers {
            if topic.is_led_by(node) {
                self.led.insert((node, topic.name.clone()));
            } else {
                self.led.remove(&(node, topic.name.clone()));
            }
        }
        // An unchanged leader may have another endpoint: `follow_brokers` sees to that.
        if has_changed || !news.leaders.is_empty() {
            settle(&mut self.unsettled, topic, &self.brokers);
        }
        add_leaders(changes, &topic.name, news.leaders);
    }

    /// Notes that an answer does not list a topic that was asked for by its name.
    fn miss_topic(&mut self, at: &Moment, name: &Text, changes: &mut Changes) {
        let key: &[u8] = name.as_ref();
        let Some(topic) = self.topics.get_mut(key) else { return };
        cover(&mut self.covered, topic, at.now);
        if at.is_over(topic.confirmed) {
            self.drop_topic(key, changes);
        }
    }

    /// Drops the topics that an answer for all topics has not listed, if they were not listed for too long.
    fn drop_unlisted(&mut self, at: &Moment, changes: &mut Changes) {
        // What the answer has listed is covered now, so only what it has not listed can be that old.
        while let Some((_, name)) = self.covered.first().filter(|(covered, _)| at.is_over(*covered)) {
            let name = name.clone();
            self.drop_topic(name.borrow(), changes);
        }
    }

    fn drop_topic(&mut self, name: &[u8], changes: &mut Changes) {
        let Some(topic) = self.remove(name) else { return };
        let led = topic.partitions().filter(|(_, partition)| partition.leader.is_ok());
        add_leaders(changes, &topic.name, led.map(|(id, _)| id));
        changes.topics.push(topic.name.0);
    }

    fn remove(&mut self, name: &[u8]) -> Option<TopicView> {
        let topic = self.topics.remove(name)?;
        self.partitions -= topic.partitions().len();
        self.covered.remove(&(topic.covered, topic.name.clone()));
        self.unsettled.remove(name);
        for node in topic.leaders() {
            self.led.remove(&(node, topic.name.clone()));
        }
        Some(topic)
    }

    /// Looks again at the topics that are led by brokers whose endpoints have changed.
    fn follow_brokers(&mut self, changes: &mut Changes) {
        let led = &self.led;
        // Collected first, so that a topic with many leaders is looked at once.
        let topics: BTreeSet<Name> = changes.endpoints.iter().flat_map(|node| led_by(led, *node)).cloned().collect();
        for name in topics {
            let topic = self.topics.get_mut(&name).expect("what is led is known");
            let found = topic.find_missing(&self.brokers);
            settle(&mut self.unsettled, topic, &self.brokers);
            add_leaders(changes, &name, found);
        }
    }
}

/// Notes that an answer has come which should list the topic.
fn cover(covered: &mut BTreeSet<(Instant, Name)>, topic: &mut TopicView, now: Instant) {
    let before = mem::replace(&mut topic.covered, now);
    if before != now {
        covered.remove(&(before, topic.name.clone()));
    }
    covered.insert((now, topic.name.clone()));
}

/// Notes whether a topic is to be asked for again.
fn settle(unsettled: &mut BTreeSet<Name>, topic: &TopicView, brokers: &Brokers) {
    if topic.is_unsettled(brokers) {
        unsettled.insert(topic.name.clone());
    } else {
        unsettled.remove(&topic.name);
    }
}

fn add_leaders(changes: &mut Changes, topic: &Name, partitions: impl IntoIterator<Item = PartitionId>) {
    changes.leaders.extend(partitions.into_iter().map(|id| TopicPartition::new(&topic.0, id)));
}

/// The topics of which a broker leads partitions.
pub(super) fn led_by(led: &BTreeSet<(NodeId, Name)>, node: NodeId) -> impl Iterator<Item = &Name> {
    let first = (node, Name::default());
    let from = led.range((Bound::Included(first), Bound::Unbounded));
    from.take_while(move |(leader, _)| *leader == node).map(|(_, name)| name)
}
