//! Topics that rest: nothing of them is buffered, and nobody asks for them. If too many topics are known, those are forgotten
//! that have rested for the longest.

use std::{collections::BTreeMap, mem};

use kafka08_proto::ids::Text;

use super::{
    Accumulator,
    topics::{Asked, Topic},
};

/// The most topics that are known, as long as others than the last one rest. Chosen here.
const MOST_TOPICS: usize = 10_000;

/// The same for the partitions of all topics.
const MOST_PARTITIONS: usize = 100_000;

/// The topics that rest, in the order in which they came to rest.
#[derive(Debug, Default)]
pub(super) struct Resting {
    order: BTreeMap<u64, usize>,
    last: u64,
}

impl Resting {
    /// Looks whether a topic rests, after its batches or the wish for it have changed.
    pub(super) fn renew(&mut self, at: usize, topic: &mut Topic) {
        let rests = topic.busy == 0 && topic.asked == Asked::No;
        match topic.rests {
            None if rests => {
                self.last += 1;
                self.order.insert(self.last, at);
                topic.rests = Some(self.last);
            }
            Some(place) if !rests => {
                self.order.remove(&place);
                topic.rests = None;
            }
            Some(_) | None => {}
        }
    }

    /// The number of topics that rest.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

impl<C> Accumulator<C> {
    pub(super) fn add_topic(&mut self, name: &str) -> usize {
        let turn = usize::try_from(self.seed.below(1 << 16)).expect("it is below 2^16");
        let topic = Topic::new(Text::from(name), turn);
        let at = match self.free_topics.pop() {
            Some(at) => {
                *self.topics.get_mut(at).expect("what is free was a topic") = topic;
                at
            }
            None => {
                self.topics.push(topic);
                self.topics.len() - 1
            }
        };
        self.by_name.insert(name.into(), at);
        at
    }

    /// Forgets the topic that has rested for the longest, if too many are known. Returns its name.
    pub(crate) fn poll_forgotten(&mut self) -> Option<Text> {
        let too_many = self.by_name.len() > MOST_TOPICS || self.parts.len() > MOST_PARTITIONS;
        // The last one stays: if it alone has too many partitions, it would be asked for again for each batch.
        if !too_many || self.resting.len() < 2 {
            return None;
        }
        let (_, at) = self.resting.order.pop_first()?;
        let topic = self.topics.get_mut(at).expect("what rests is a topic");
        topic.rests = None;
        if topic.ever().any(|part| self.parts.get(part).is_some_and(|part| !part.is_idle())) {
            // A batch that has expired still has its place among what is ready, until that is taken.
            self.resting.renew(at, topic);
            return None;
        }
        let topic = mem::replace(topic, Topic::new(Text::default(), 0));
        topic.ever().for_each(|part| self.parts.remove(part));
        self.by_name.remove(&*topic.name);
        self.free_topics.push(at);
        Some(topic.name)
    }
}
