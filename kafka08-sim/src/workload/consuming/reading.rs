//! How the user takes sets and reads messages, and what must hold of them: C1 and C3.

use std::collections::BTreeMap;

use kafka08_client::assignment::Wake;

use super::{Consuming, Held, place};
use crate::{
    check::Invariant,
    choices::Choices as _,
    history::{History, OperationId, Place},
    record::ANY_PARTITION,
};

impl Consuming {
    /// Takes the next set.
    pub(super) fn take(&mut self, history: &mut History) -> Wake {
        let Some((fetched, wake)) = self.both.assignment.take() else { return Wake::No };
        let (from, behind) = (fetched.from().0, fetched.behind().0);
        let Some(place) = place(fetched.partition()) else { return wake };
        history.trace(30, u64::try_from(from).unwrap_or(0));
        history.note(|| format!("{place:?} is read from {from} to {behind}"));
        let part = self.parts.entry(place).or_default();
        let (expected, floor) = (part.behind.replace(behind), part.floor.take());
        let (epoch, until) = (part.epoch, part.end.until());
        let is_elsewhere = expected.is_some_and(|expected| expected != from);
        if is_elsewhere && part.resets > 0 {
            // Sets that had come before are taken before those behind the reset.
            part.resets -= 1;
        } else if is_elsewhere {
            self.broken(history, Invariant::C1, || format!("{place:?} is read from {from}, and not from {expected:?}"));
        }
        if floor.is_some_and(|floor| from > floor) {
            self.broken(history, Invariant::C3, || format!("{place:?} goes on at {from}, and had passed {floor:?}"));
        }
        if until.is_some_and(|until| behind > until) {
            self.broken(history, Invariant::C1, || format!("{place:?} is read up to {behind}, and ends at {until:?}"));
        }
        self.held.push(Held { place, epoch, messages: fetched.open(), next: from, behind });
        wake
    }

    /// Reads some messages of some set.
    pub(super) fn read_on(&mut self, history: &mut History) -> Wake {
        if self.held.is_empty() {
            return Wake::No;
        }
        let which = usize::try_from(self.stream.below(self.held.len() as u64)).unwrap_or(0);
        let mut held = self.held.swap_remove(which);
        let mut is_over = false;
        for _ in 0..=self.stream.below(40) {
            let (expected, place) = (held.next, held.place);
            match held.messages.next_message(&mut self.inflater) {
                None => {
                    is_over = true;
                    break;
                }
                Some(Ok(message)) => {
                    let offset = message.offset.0;
                    let found = self.records.recognise(message.key, message.value);
                    held.next = offset + 1;
                    self.take_message(history, place, expected, offset, found);
                }
                Some(Err(error)) => self.broken(history, Invariant::C1, || format!("{place:?}: {error}")),
            }
        }
        let wake = self.both.assignment.handle_passed(held.messages.passed());
        if !is_over {
            self.held.push(held);
        } else if held.next != held.behind {
            let Held { place, next, behind, .. } = held;
            self.broken(history, Invariant::C1, || format!("{place:?} ends at {next}, and not at {behind}"));
        }
        self.check_committable(history);
        wake
    }

    fn take_message(
        &mut self,
        history: &mut History,
        place: Place,
        expected: i64,
        offset: i64,
        found: Option<OperationId>,
    ) {
        history.trace(31, u64::try_from(offset).unwrap_or(0));
        if offset != expected {
            self.broken(history, Invariant::C1, || format!("{place:?} has {offset} where {expected} is due"));
        }
        let Some(id) = found else {
            return self.broken(history, Invariant::C1, || format!("{place:?} {offset} is no record of this run"));
        };
        let named = self.records.record(id).place;
        if named.0 != place.0 || (named.1 != place.1 && named.1 != ANY_PARTITION) {
            self.broken(history, Invariant::C1, || format!("{place:?} {offset} is record {id} of {named:?}"));
        }
        self.read.push((id, place, offset));
    }

    /// C3: what has not passed is not committed.
    fn check_committable(&self, history: &mut History) {
        let committable: BTreeMap<Place, i64> =
            self.both.assignment.committable().filter_map(|(of, offset)| Some((place(of)?, offset.0))).collect();
        for held in &self.held {
            let is_present = self.parts.get(&held.place).is_some_and(|part| part.epoch == held.epoch);
            let passed = held.messages.passed().offset().0;
            if let Some(committable) = committable.get(&held.place).filter(|offset| is_present && **offset > passed) {
                let place = held.place;
                self.broken(history, Invariant::C3, || format!("{place:?}: {committable}, and {passed} has passed"));
            }
        }
    }

    /// Notes that something does not hold, unless bytes are changed in this run.
    pub(super) fn broken(&self, history: &mut History, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.is_sound {
            history.broken(invariant, what);
        }
    }
}
