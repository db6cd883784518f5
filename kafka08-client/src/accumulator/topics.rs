//! What an accumulator knows of topics: their partitions, and which of these have leaders.

use std::collections::BTreeMap;

use kafka08_proto::ids::{PartitionId, Text};

use super::parts::PartIndex;

/// How many partitions in a row are passed over because they are stuck. It bounds what a record costs if most are.
const MOST_PASSED: usize = 8;

/// How a topic came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody asks for it.
    No,
    /// It waits to be asked for.
    Soon,
    /// It is being asked for, and nobody has appended since the last answer.
    Before,
    /// It is being asked for, and somebody has appended since the last answer.
    Again,
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(super) name: Text,
    pub(super) asked: Asked,
    /// All partitions that metadata lists, ascending.
    ids: Vec<PartitionId>,
    /// Their places in the accumulator, in the same order.
    parts: Vec<PartIndex>,
    /// The positions in `ids` of the partitions that have a leader, ascending.
    leading: Vec<usize>,
    /// Every partition that was ever listed, so that one that comes back keeps its batches.
    known: BTreeMap<PartitionId, PartIndex>,
    /// The position in `leading` of the next partition in turn.
    turn: usize,
    /// The position in `ids` that records without keys go to.
    sticky: Option<usize>,
    /// The number of its partitions that have batches.
    pub(super) busy: usize,
    /// Its place in the order of those that rest, if it does.
    pub(super) rests: Option<u64>,
}

impl Topic {
    pub(super) fn new(name: Text, turn: usize) -> Self {
        Self {
            name,
            asked: Asked::No,
            ids: Vec::new(),
            parts: Vec::new(),
            leading: Vec::new(),
            known: BTreeMap::new(),
            turn,
            sticky: None,
            busy: 0,
            rests: None,
        }
    }

    /// The number of partitions.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The partitions, ascending.
    pub(super) fn ids(&self) -> &[PartitionId] {
        &self.ids
    }

    #[inline]
    pub(super) fn part(&self, position: usize) -> Option<PartIndex> {
        self.parts.get(position).copied()
    }

    /// The position of a partition in the sorted list.
    #[inline]
    pub(super) fn position(&self, partition: PartitionId) -> Option<usize> {
        // Nearly always partitions are numbered from zero, so that the id is the position.
        let guess = usize::try_from(partition.0).ok()?;
        if self.ids.get(guess) == Some(&partition) {
            return Some(guess);
        }
        self.ids.binary_search(&partition).ok()
    }

    /// The places of all partitions that were ever listed.
    pub(super) fn ever(&self) -> impl Iterator<Item = PartIndex> {
        self.known.values().copied()
    }

    /// The next partition in turn that has a leader and is not stuck. If many in a row are stuck, it is one of these.
    pub(super) fn next_in_turn(&mut self, is_stuck: impl Fn(PartIndex) -> bool) -> usize {
        let mut position = self.take_turn();
        for _ in 0..MOST_PASSED {
            if !self.part(position).is_some_and(&is_stuck) {
                break;
            }
            position = self.take_turn();
        }
        position
    }

    /// If no partition has a leader, all take turns.
    fn take_turn(&mut self) -> usize {
        let turns = if self.leading.is_empty() { self.ids.len() } else { self.leading.len() };
        let turn = self.turn.checked_rem(turns).unwrap_or(0);
        self.turn = turn + 1;
        self.leading.get(turn).copied().unwrap_or(turn)
    }

    /// The partition for records without keys.
    #[inline]
    pub(super) fn sticky(&mut self, is_stuck: impl Fn(PartIndex) -> bool) -> usize {
        match self.sticky {
            Some(position) if !self.part(position).is_some_and(&is_stuck) => position,
            _ => self.stick(is_stuck),
        }
    }

    #[cold]
    fn stick(&mut self, is_stuck: impl Fn(PartIndex) -> bool) -> usize {
        let next = self.next_in_turn(&is_stuck);
        // If the next one is stuck too, going on would spread the records over many small batches.
        let position = match self.sticky {
            Some(before) if self.part(next).is_some_and(is_stuck) => before,
            _ => next,
        };
        self.sticky = Some(position);
        position
    }

    /// The batch of a partition was taken or is full, so records without keys go to the next one.
    pub(super) fn unstick(&mut self, part: PartIndex) {
        if self.sticky.is_some_and(|position| self.parts.get(position) == Some(&part)) {
            self.sticky = None;
        }
    }

    /// Sets what metadata lists: partitions in ascending order, and whether each has a leader. `place` gives a partition
    /// its place in the accumulator when it is listed for the first time.
    pub(super) fn list(
        &mut self,
        listed: impl Iterator<Item = (PartitionId, Leads)>,
        mut place: impl FnMut(PartitionId) -> PartIndex,
    ) {
        // Remembered by its id, because positions change below.
        let stuck_to = self.sticky.and_then(|position| self.ids.get(position).copied());
        self.ids.clear();
        self.parts.clear();
        self.leading.clear();
        for (id, leads) in listed {
            if leads == Leads::Yes {
                self.leading.push(self.ids.len());
            }
            self.ids.push(id);
            self.parts.push(*self.known.entry(id).or_insert_with(|| place(id)));
        }
        // Positions may have moved, and the leader may be gone.
        self.sticky = stuck_to
            .and_then(|id| self.position(id))
            .filter(|position| self.leading.is_empty() || self.leading.binary_search(position).is_ok());
        // A topic that exists and has no partitions yet is still waited for.
        if !self.ids.is_empty() {
            self.asked = Asked::No;
        }
    }
}

/// Whether a partition has a leader that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// It has.
    Yes,
    /// It has none.
    No,
}
