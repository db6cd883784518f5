//! Partitions: their places, the open batch of each, the closed ones behind it, and when somebody has to look at them.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use kafka08_proto::ids::PartitionId;

use super::batch::{BatchId, Closed, Open};
use crate::config::ProducerConfig;

/// Ten years. Longer waits are cut to this, so that every batch has a time at which it expires.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Names a partition in an accumulator. A name is never used for another partition. A partition of a topic that was
/// forgotten meanwhile has another name than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartIndex {
    slot: u32,
    /// How many partitions have had this slot before.
    turn: u32,
}

impl PartIndex {
    /// The first partition of a slot.
    pub(crate) const fn first(slot: u32) -> Self {
        Self { slot, turn: 0 }
    }

    fn slot(self) -> usize {
        usize::try_from(self.slot).expect("a slot is a position in memory")
    }
}

/// The partitions of all topics. Slots of those that were removed are used again.
#[derive(Debug)]
pub(super) struct Parts<C> {
    pub(super) slots: Vec<Part<C>>,
    /// Free slots, each with the name of the next partition there.
    free: Vec<PartIndex>,
}

impl<C> Parts<C> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// The number of partitions.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    // Names are not compared, as that would cost something for each record: a partition that has batches, or is listed by
    // its topic, is not removed.
    #[inline]
    pub(super) fn get(&self, at: PartIndex) -> Option<&Part<C>> {
        self.slots.get(at.slot())
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: PartIndex) -> Option<&mut Part<C>> {
        self.slots.get_mut(at.slot())
    }

    pub(super) fn add(&mut self, topic: usize, id: PartitionId) -> PartIndex {
        let part = Part::new(topic, id);
        if let Some(at) = self.free.pop() {
            *self.get_mut(at).expect("a free slot exists") = part;
            return at;
        }
        let slot = u32::try_from(self.slots.len()).expect("memory has no room for 2^32 partitions");
        self.slots.push(part);
        PartIndex::first(slot)
    }

    /// Gives back the slot of a partition that is idle.
    pub(super) fn remove(&mut self, at: PartIndex) {
        if let Some(part) = self.get_mut(at) {
            *part = Part::new(0, part.id);
            self.free.push(PartIndex { turn: at.turn.wrapping_add(1), ..at });
        }
    }
}

/// One partition.
//
//   append ──▶ open ──(full, or a set comes)──▶ closed ──▶ taken ──▶ over
//                └──(linger over, flush, no room)────────────▲
#[derive(Debug)]
pub(super) struct Part<C> {
    /// The position of its topic.
    pub(super) topic: usize,
    pub(super) id: PartitionId,
    pub(super) open: Option<Open<C>>,
    /// Batches that take no more records and were not taken, in order.
    pub(super) closed: VecDeque<Closed<C>>,
    /// The number of batches that were taken and are not over.
    pub(super) taken: usize,
    /// The bytes of all its batches, taken ones included.
    pub(super) bytes: usize,
    /// The size of its last batch, for the first allocation of the next.
    pub(super) last_size: usize,
    /// It cannot be sent to at the moment.
    pub(super) stuck: bool,
    /// It stands in the ready list.
    ready: bool,
    /// Its entries in the two sets of the schedule.
    linger: Option<Instant>,
    expiry: Option<Instant>,
}

impl<C> Part<C> {
    pub(super) fn new(topic: usize, id: PartitionId) -> Self {
        Self {
            topic,
            id,
            open: None,
            closed: VecDeque::new(),
            taken: 0,
            bytes: 0,
            last_size: 0,
            stuck: false,
            ready: false,
            linger: None,
            expiry: None,
        }
    }

    /// Whether nothing of it is buffered, and nothing else knows its place.
    pub(super) fn is_idle(&self) -> bool {
        let is_listed = self.ready || self.linger.is_some() || self.expiry.is_some();
        self.bytes == 0 && self.taken == 0 && !self.stuck && !is_listed
    }

    /// Closes the open batch, if there is one.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.last_size = open.bytes.len();
            self.closed.push_back(open.into());
        }
    }

    /// When its oldest batch was opened.
    fn oldest(&self) -> Option<Instant> {
        let open = || self.open.as_ref().map(|open| open.opened);
        self.closed.front().map(|closed| closed.opened).or_else(open)
    }
}

/// What has to be looked at, and when. Only what is due costs anything.
#[derive(Debug)]
pub(super) struct Schedule {
    linger: Duration,
    delivery_timeout: Duration,
    /// How many batches of a partition may be taken.
    pub(super) max_taken: usize,
    /// The size in bytes at which a batch is full.
    pub(super) batch_size: usize,
    /// Every batch up to this one is ready, whatever its linger.
    pub(super) forced: Option<BatchId>,
    /// Partitions that may have a batch to take.
    ready: VecDeque<PartIndex>,
    /// When open batches become ready, of partitions from which a batch may be taken.
    lingers: BTreeSet<(Instant, PartIndex)>,
    /// When the oldest batch of each partition expires.
    expiries: BTreeSet<(Instant, PartIndex)>,
}

impl Schedule {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let max_taken = config.max_in_flight_per_partition;
        #[cfg(kafka08_canary)]
        let max_taken = kafka08_proto::canary::ReordersOnRetry.pick(5, max_taken);
        Self {
            linger: config.linger.min(LONGEST_WAIT),
            delivery_timeout: config.delivery_timeout.min(LONGEST_WAIT),
            max_taken,
            batch_size: config.batch_size,
            forced: None,
            ready: VecDeque::new(),
            lingers: BTreeSet::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// Whether a batch can be taken now.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next time at which a linger or a batch is over.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(Instant, PartIndex)>| set.first().map(|(at, _)| *at);
        [first(&self.lingers), first(&self.expiries)].into_iter().flatten().min()
    }

    /// Looks at a partition again, after its batches or its number of taken ones have changed.
    pub(super) fn renew<C>(&mut self, at: PartIndex, part: &mut Part<C>) {
        let may_take = part.taken < self.max_taken;
        // While closed batches wait in front of it, the open one has no time of its own.
        let waiting = part.open.as_ref().filter(|_| may_take && part.closed.is_empty());
        let (mut linger, mut ready) = (None, may_take && !part.closed.is_empty());
        if let Some(open) = waiting {
            ready = self.linger.is_zero() || Some(open.id) <= self.forced || open.bytes.len() >= self.batch_size;
            if !ready && !part.ready {
                linger = Some(open.opened + self.linger);
            }
        }
        if ready && !part.ready {
            part.ready = true;
            self.ready.push_back(at);
        }
        // A partition with a batch in flight has no linger: nothing can be done about it when it is over.
        replace(&mut self.lingers, at, &mut part.linger, linger);
        let expiry = part.oldest().map(|opened| opened + self.delivery_timeout);
        replace(&mut self.expiries, at, &mut part.expiry, expiry);
    }

    /// Takes a partition out of the ready list.
    pub(super) fn next_ready<C>(&mut self, parts: &mut Parts<C>) -> Option<PartIndex> {
        let at = self.ready.pop_front()?;
        parts.get_mut(at)?.ready = false;
        Some(at)
    }

    /// Makes every open batch ready whose linger ends until `now`; or every one, if `now` is `None`.
    pub(super) fn end_lingers<C>(&mut self, parts: &mut Parts<C>, now: Option<Instant>) {
        while let Some(&(end, at)) = self.lingers.first() {
            if now.is_some_and(|now| end > now) {
                return;
            }
            self.lingers.pop_first();
            let Some(part) = parts.get_mut(at) else { continue };
            part.linger = None;
            if !part.ready {
                part.ready = true;
                self.ready.push_back(at);
            }
        }
    }

    /// The next partition whose oldest batch has expired until `now`; or that has a batch, if `now` is `None`. Its entry
    /// is gone until [`Schedule::renew`].
    pub(super) fn next_expired<C>(&mut self, parts: &mut Parts<C>, now: Option<Instant>) -> Option<PartIndex> {
        let &(end, at) = self.expiries.first()?;
        if now.is_some_and(|now| end > now) {
            return None;
        }
        self.expiries.pop_first();
        parts.get_mut(at)?.expiry = None;
        Some(at)
    }
}

/// Replaces the entry of a partition in a set of times.
fn replace(
    set: &mut BTreeSet<(Instant, PartIndex)>,
    at: PartIndex,
    entry: &mut Option<Instant>,
    with: Option<Instant>,
) {
    if *entry == with {
        return;
    }
    if let Some(old) = entry.take() {
        set.remove(&(old, at));
    }
    if let Some(new) = with {
        set.insert((new, at));
    }
    *entry = with;
}
