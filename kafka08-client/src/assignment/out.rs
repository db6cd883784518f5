//! Sets that were taken, and what may be committed of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafka08_proto::ids::Offset;

use super::{
    SetId,
    messages::{How, Passed},
};

/// Of how many sets that are not the first one it is remembered how far their users have come, and of how many runs of finished
/// ones.
const MOST_OPEN: usize = 1024;
/// How many resets to earlier offsets are told apart.
const MOST_CUTS: usize = 64;

/// What users have said of the sets of one partition, in the order of the log. They finish them in any order.
///
/// A set of which nothing was said costs nothing, so whoever never says anything holds no memory here.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// The number of the next set that is taken.
    next: u64,
    /// The first set that is not finished.
    first: u64,
    /// Runs of finished sets behind that: the number of the first, the number behind the last, and the offset behind it.
    finished: BTreeMap<u64, (u64, Offset)>,
    /// How far the users of sets have come that are not finished: the first of them, if there are many.
    open: BTreeMap<u64, Offset>,
    /// Sets at whose errors users have stopped.
    stopped: BTreeSet<u64>,
    /// Resets to earlier offsets: no set in front of this number passes more than this offset. Both ascend.
    cuts: VecDeque<(u64, Offset)>,
    /// The offset behind all sets that were taken.
    behind: Option<Offset>,
    /// The offset behind everything that has passed without a gap: where reading has started, if nothing has.
    committable: Option<Offset>,
}

impl Out {
    /// Notes that a set was taken. Sets are taken in order.
    pub(super) fn take(&mut self, behind: Offset) -> SetId {
        let set = self.next;
        self.next += 1;
        self.behind = self.behind.max(Some(behind));
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::PassesWhenTaken.is_planted() {
            self.finish(set, behind);
            self.renew();
        }
        SetId(set)
    }

    /// A broker has the offset where reading starts. It may be committed, so that a group in whose partition nothing happens begins
    /// there again, and not somewhere else.
    pub(super) fn confirm_start(&mut self, start: Offset) {
        if self.next == 0 {
            self.committable = Some(start);
        }
    }

    /// Notes how far a user has come in a set. Returns whether the set was still open.
    pub(super) fn pass(&mut self, passed: &Passed) -> bool {
        let SetId(set) = passed.ticket.set;
        // A second report of the same end must not count its errors again.
        if set >= self.next || self.is_finished(set) || self.stopped.contains(&set) {
            return false;
        }
        let offset = passed.offset.min(passed.ticket.commits).min(self.cut(set));
        if matches!(passed.how, How::Stopped(..)) {
            self.stopped.insert(set);
        }
        if passed.how == How::Finished {
            self.finish(set, offset);
        } else if passed.has_passed {
            let open = self.open.entry(set).or_insert(offset);
            *open = offset.max(*open);
            // Those behind many others say it again when they go on, or when they are finished.
            if self.open.len() > MOST_OPEN {
                self.open.pop_last();
            }
        }
        self.renew();
        true
    }

    fn is_finished(&self, set: u64) -> bool {
        set < self.first || self.finished.range(..=set).next_back().is_some_and(|(_, (end, _))| set < *end)
    }

    /// Adds a finished set to the runs in front of it and behind it, so that a set that nobody finishes does not let those behind
    /// it pile up.
    fn finish(&mut self, set: u64, behind: Offset) {
        self.open.remove(&set);
        let (mut start, mut end, mut behind) = (set, set + 1, behind);
        if let Some((after, last)) = self.finished.remove(&end) {
            (end, behind) = (after, behind.max(last));
        }
        let before = self.finished.range(..set).next_back().map(|(start, (end, behind))| (*start, *end, *behind));
        if let Some((first, _, last)) = before.filter(|(_, end, _)| *end == set) {
            (start, behind) = (first, behind.max(last));
        }
        self.finished.insert(start, (end, behind));
        // Those behind many others hold the commits, until somebody seeks.
        if self.finished.len() > MOST_OPEN {
            self.finished.pop_last();
        }
    }

    /// The most that may be committed because of a set, after resets.
    fn cut(&self, set: u64) -> Offset {
        // Later resets are to greater offsets, so the first one that is about this set says least.
        self.cuts.iter().find(|(end, _)| set < *end).map_or(Offset(i64::MAX), |(_, offset)| *offset)
    }

    /// What comes next is at this offset, so no more may be committed because of what came before.
    pub(super) fn rewind(&mut self, offset: Offset) {
        // A start that was confirmed counts no more if there is another one.
        if self.next == 0 {
            self.committable = None;
        }
        // Retention moves the beginning of a log forwards, and then nothing that was taken is in doubt.
        if self.behind.is_none_or(|behind| behind <= offset) {
            return;
        }
        // What it says is said by this one, too.
        while self.cuts.pop_back_if(|(_, other)| *other >= offset).is_some() {}
        self.cuts.push_back((self.next, offset));
        if self.cuts.len() > MOST_CUTS
            && let (Some((_, least)), Some((_, second))) = (self.cuts.pop_front(), self.cuts.front_mut())
        {
            *second = least;
        }
        self.finished.values_mut().for_each(|(_, behind)| *behind = offset.min(*behind));
        self.open.values_mut().for_each(|passed| *passed = offset.min(*passed));
        self.behind = Some(offset);
        self.committable = self.committable.map(|committable| committable.min(offset));
    }

    fn renew(&mut self) {
        // Behind a finished set is more than behind its last message, if the log has a gap there.
        if let Some((end, behind)) = self.finished.remove(&self.first) {
            self.first = end;
            self.committable = self.committable.max(Some(behind));
        }
        while self.cuts.pop_front_if(|(end, _)| *end <= self.first).is_some() {}
        self.committable = self.committable.max(self.open.get(&self.first).copied());
    }

    /// The offset behind everything that has passed without a gap, which is the start if nothing has. `None` if that was not confirmed.
    pub(super) fn committable(&self) -> Option<Offset> {
        self.committable
    }

    /// The number of entries that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.finished.len() + self.open.len() + self.stopped.len() + self.cuts.len()
    }
}
