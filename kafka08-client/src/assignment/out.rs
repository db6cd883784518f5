//! Sets that were taken, and what may be committed of them.

use std::collections::VecDeque;

use kafka08_proto::ids::Offset;

use super::{
    SetId,
    messages::{How, Passed},
};

/// The sets of one partition that users hold or have held, in the order of the log. Users finish them in any order.
#[derive(Debug, Default)]
pub(super) struct Out {
    sets: VecDeque<Held>,
    /// The offset behind everything that has passed without a gap.
    committable: Option<Offset>,
}

/// One set, or several finished ones in a row.
#[derive(Debug)]
struct Held {
    /// The number of the first of them.
    set: SetId,
    /// The offset behind the last message that has passed. `None` if none has.
    passed: Option<Offset>,
    behind: Offset,
    is_finished: bool,
    /// Its user has stopped at an error.
    is_stopped: bool,
}

impl Out {
    /// Notes that a set was taken. Sets are taken in order.
    pub(super) fn take(&mut self, set: SetId, behind: Offset) {
        let passed = None;
        #[cfg(kafka08_canary)]
        let passed = kafka08_proto::canary::PassesWhenTaken.pick(Some(behind), passed);
        self.sets.push_back(Held { set, passed, behind, is_finished: false, is_stopped: false });
    }

    /// Notes how far a user has come in a set. Returns whether the set was still open.
    pub(super) fn pass(&mut self, passed: &Passed) -> bool {
        let Ok(at) = self.sets.binary_search_by_key(&passed.ticket.set, |held| held.set) else { return false };
        let Some(held) = self.sets.get_mut(at).filter(|held| !held.is_finished && !held.is_stopped) else {
            return false;
        };
        held.is_stopped = matches!(passed.how, How::Stopped(_));
        if passed.has_passed {
            held.passed = held.passed.max(Some(passed.offset.min(held.behind)));
        }
        if passed.how == How::Finished {
            held.is_finished = true;
            self.join(at + 1);
            self.join(at);
        }
        self.renew();
        true
    }

    /// Joins a set with the one in front of it if both are finished, so that a set that nobody finishes does not let those behind
    /// it pile up.
    fn join(&mut self, at: usize) {
        let is_finished = |held: Option<&Held>| held.is_some_and(|held| held.is_finished);
        let Some(before) = at.checked_sub(1) else { return };
        if is_finished(self.sets.get(at))
            && is_finished(self.sets.get(before))
            && let Some(second) = self.sets.remove(at)
            && let Some(first) = self.sets.get_mut(before)
        {
            first.behind = second.behind;
        }
    }

    /// What comes next is at this offset, so no more may be committed because of what came before.
    pub(super) fn rewind(&mut self, offset: Offset) {
        for held in &mut self.sets {
            held.behind = held.behind.min(offset);
            held.passed = held.passed.map(|passed| passed.min(offset));
        }
        self.committable = self.committable.map(|committable| committable.min(offset));
    }

    fn renew(&mut self) {
        while let Some(held) = self.sets.front().filter(|held| held.is_finished) {
            // Behind a finished set is more than behind its last message, if the log has a gap there.
            self.committable = self.committable.max(Some(held.behind));
            self.sets.pop_front();
        }
        self.committable = self.committable.max(self.sets.front().and_then(|held| held.passed));
    }

    /// The offset behind everything that has passed without a gap. `None` if nothing has.
    pub(super) fn committable(&self) -> Option<Offset> {
        self.committable
    }

    /// The number of entries that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }
}
