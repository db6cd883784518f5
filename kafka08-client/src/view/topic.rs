//! One topic: its partitions, their leaders, and the merging of what an answer lists of it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    mem,
    time::Instant,
};

use kafka08_proto::{
    api::{LeaderProblem, PartitionMetadata},
    error_code::ErrorCode,
    ids::{NodeId, PartitionId},
};

use super::{Moment, Name, PartitionView, endpoint::Brokers};

/// What is known of a topic.
#[derive(Clone, Debug)]
pub struct TopicView {
    pub(super) name: Name,
    pub(super) error: ErrorCode,
    pub(super) confirmed: Instant,
    /// When the last answer came that listed the topic, or that was asked for it by its name.
    pub(super) covered: Instant,
    /// The merge that has listed the topic last.
    pub(super) round: u64,
    /// Sorted by id, each id once, none negative.
    partitions: Vec<Numbered>,
    /// No partition was confirmed last before this time.
    oldest: Instant,
    /// How many partitions each broker leads, also brokers that are not known.
    leads: BTreeMap<NodeId, usize>,
}

#[derive(Clone, Debug)]
struct Numbered {
    id: PartitionId,
    /// The merge that has listed the partition last.
    round: u64,
    view: PartitionView,
}

/// What an answer has changed of a topic.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Partitions that have another leader than before, or have one now, or have lost it.
    pub(super) leaders: Vec<PartitionId>,
    /// Brokers that lead a partition of this topic now and led none before, or the reverse.
    pub(super) brokers: Vec<NodeId>,
}

impl TopicView {
    pub(super) fn new(name: Name, error: ErrorCode, at: &Moment) -> Self {
        Self {
            name,
            error,
            confirmed: at.now,
            covered: at.now,
            // A merge has the number 1 at least, so this one is still to list the topic.
            round: 0,
            partitions: Vec::new(),
            oldest: at.now,
            leads: BTreeMap::new(),
        }
    }

    /// The error that the last answer had for the whole topic.
    ///
    /// A topic can have an error and partitions: an answer with an error lists none, and those before it are kept.
    #[must_use]
    pub fn error(&self) -> ErrorCode {
        self.error
    }

    /// The partitions, in the order of their numbers.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = (PartitionId, &PartitionView)> {
        self.partitions.iter().map(|partition| (partition.id, &partition.view))
    }

    /// The partition with this number. `None` if it was never listed.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<&PartitionView> {
        let place = self.place(id, 0).ok()?;
        self.partitions.get(place).map(|partition| &partition.view)
    }

    /// When an answer listed the topic last.
    #[must_use]
    pub fn confirmed(&self) -> Instant {
        self.confirmed
    }

    /// Whether to ask for the topic again after a pause: its code may pass, it has no partitions, or a partition has no
    /// leader that can be connected to.
    pub(super) fn is_unsettled(&self, brokers: &Brokers) -> bool {
        let may_pass = matches!(
            self.error,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::LEADER_NOT_AVAILABLE | ErrorCode::UNKNOWN
        );
        // No topic of Kafka is without partitions, so they are still to come.
        let is_empty = self.error.is_ok() && self.partitions.is_empty();
        let usable = self.leads.iter().filter(|(node, _)| brokers.is_usable(**node));
        may_pass || is_empty || usable.map(|(_, partitions)| partitions).sum::<usize>() != self.partitions.len()
    }

    /// The brokers that lead partitions, known or not.
    pub(super) fn leaders(&self) -> impl Iterator<Item = NodeId> {
        self.leads.keys().copied()
    }

    /// Whether a broker leads a partition of this topic.
    pub(crate) fn is_led_by(&self, node: NodeId) -> bool {
        self.leads.contains_key(&node)
    }

    /// Takes over the partitions that an answer lists, up to `most`, and drops those that were not confirmed for too long.
    pub(super) fn merge(&mut self, at: &Moment, listed: &[PartitionMetadata], most: usize, brokers: &Brokers) -> News {
        let mut news = News::default();
        let mut fresh = Vec::new();
        let (mut confirmed, mut next) = (0, 0);
        for listed in listed.iter().filter(|listed| listed.partition.0 >= 0) {
            match self.place(listed.partition, next) {
                Ok(place) => {
                    next = place + 1;
                    confirmed += usize::from(self.renew(place, at, listed, brokers, &mut news));
                }
                Err(_) => fresh.push(listed),
            }
        }
        if confirmed < self.partitions.len() {
            self.drop_unlisted(at, &mut news);
        } else {
            self.oldest = at.now;
        }
        // Behind the dropping, which makes room.
        let room = most.saturating_sub(self.partitions.len());
        self.add(fresh, room, at, brokers, &mut news);
        news
    }

    /// Looks up leaders again that were not known. Returns the partitions that have a leader now.
    pub(super) fn find_missing(&mut self, brokers: &Brokers) -> Vec<PartitionId> {
        let mut found = Vec::new();
        for Numbered { id, view, .. } in &mut self.partitions {
            if let Err(LeaderProblem::BrokerMissing(node)) = view.leader
                && brokers.is_known(node)
            {
                view.leader = Ok(node);
                found.push(*id);
            }
        }
        found
    }

    /// The place of a partition, or the place where it would be. `guess` is tried first.
    fn place(&self, id: PartitionId, guess: usize) -> Result<usize, usize> {
        // Brokers number partitions from 0 without gaps, so the number nearly always is the place. Brokers that are not
        // 0.8 may have gaps, but list partitions in order, so the guess is right. Else this is a search.
        let number = usize::try_from(id.0).unwrap_or(usize::MAX);
        for place in [number, guess] {
            if self.partitions.get(place).is_some_and(|partition| partition.id == id) {
                return Ok(place);
            }
        }
        self.partitions.binary_search_by_key(&id, |partition| partition.id)
    }

    /// Takes over a partition that was there before. Returns whether it is the first time in this answer.
    fn renew(
        &mut self,
        place: usize,
        at: &Moment,
        listed: &PartitionMetadata,
        brokers: &Brokers,
        news: &mut News,
    ) -> bool {
        let partition = self.partitions.get_mut(place).expect("the place was found in the list");
        if partition.round == at.round {
            return false;
        }
        partition.round = at.round;
        partition.view.confirmed = at.now;
        partition.view.error = listed.error;
        partition.view.replicas = replicas(listed).or(partition.view.replicas);
        // A leader that was found stays found, so an unchanged partition costs no look-up of its broker.
        if partition.view.leader.ok() == listed.leader && listed.leader.is_some() {
            return true;
        }
        let before = mem::replace(&mut partition.view.leader, leader(listed, brokers));
        let after = partition.view.leader;
        if before.ok() != after.ok() {
            news.leaders.push(listed.partition);
        }
        self.count(named(before), named(after), news);
        true
    }

    /// Adds partitions that were not there before, those with the lowest numbers if there is no room for all. If one is
    /// listed twice, the first counts.
    fn add(
        &mut self,
        mut fresh: Vec<&PartitionMetadata>,
        room: usize,
        at: &Moment,
        brokers: &Brokers,
        news: &mut News,
    ) {
        // The sort is stable, so the first of several with the same number stays first.
        fresh.sort_by_key(|listed| listed.partition);
        fresh.dedup_by_key(|listed| listed.partition);
        fresh.truncate(room);
        self.partitions.reserve_exact(fresh.len());
        for listed in &fresh {
            let leader = leader(listed, brokers);
            if leader.is_ok() {
                news.leaders.push(listed.partition);
            }
            self.count(None, named(leader), news);
            let (error, replicas) = (listed.error, replicas(listed));
            let view = PartitionView { leader, error, replicas, confirmed: at.now };
            self.partitions.push(Numbered { id: listed.partition, round: at.round, view });
        }
        if !fresh.is_empty() {
            // Two sorted runs, which this sort merges in linear time.
            self.partitions.sort_by_key(|partition| partition.id);
        }
    }

    /// Drops the partitions that were not confirmed for too long.
    fn drop_unlisted(&mut self, at: &Moment, news: &mut News) {
        // Without this, an answer that lists one partition would cost as much as the topic has.
        if !at.is_over(self.oldest) {
            return;
        }
        let mut dropped = Vec::new();
        let mut oldest = at.now;
        self.partitions.retain(|Numbered { id, view, .. }| {
            if at.is_over(view.confirmed) {
                dropped.push((*id, view.leader));
                return false;
            }
            oldest = oldest.min(view.confirmed);
            true
        });
        self.oldest = oldest;
        for (id, leader) in dropped {
            if leader.is_ok() {
                news.leaders.push(id);
            }
            self.count(named(leader), None, news);
        }
    }

    /// Counts that a partition was led by one broker and is led by another.
    fn count(&mut self, before: Option<NodeId>, after: Option<NodeId>, news: &mut News) {
        if before == after {
            return;
        }
        if let Some(node) = before
            && let Entry::Occupied(mut leads) = self.leads.entry(node)
        {
            *leads.get_mut() -= 1;
            if *leads.get() == 0 {
                leads.remove();
                news.brokers.push(node);
            }
        }
        if let Some(node) = after {
            let leads = self.leads.entry(node).or_default();
            *leads += 1;
            if *leads == 1 {
                news.brokers.push(node);
            }
        }
    }
}

/// The number of replicas, if all of them are listed.
fn replicas(listed: &PartitionMetadata) -> Option<usize> {
    listed.error.is_ok().then_some(listed.replicas.len())
}

/// The leader that an answer names.
fn leader(listed: &PartitionMetadata, brokers: &Brokers) -> Result<NodeId, LeaderProblem> {
    // -1 is no leader on the wire. Other negative numbers come from no broker, and no broker has them.
    match listed.leader.filter(|node| node.0 >= 0) {
        None => Err(LeaderProblem::NoLeader(listed.error)),
        // Brokers that are not listed now count if they were listed before. A broker reads its list of brokers and its
        // leaders one after the other, so that a leader can be missing that has just come or gone. Its last address is
        // the best that is known: it costs one attempt to connect if it is wrong.
        Some(node) if brokers.is_known(node) => Ok(node),
        Some(node) => Err(LeaderProblem::BrokerMissing(node)),
    }
}

/// The broker that leads, known or not.
fn named(leader: Result<NodeId, LeaderProblem>) -> Option<NodeId> {
    match leader {
        Ok(node) | Err(LeaderProblem::BrokerMissing(node)) => Some(node),
        Err(_) => None,
    }
}
