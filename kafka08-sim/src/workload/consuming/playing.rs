//! What the user does besides reading: seeks, pauses, and commits.

use std::collections::BTreeMap;

use kafka08_client::{
    assignment::{CommitId, Wake},
    config::StartAt,
    consumer::CommitCause,
};
use kafka08_proto::ids::{Offset, TopicPartition};

use super::{Commit, Consuming, GROUP, Part, of, passed, place};
use crate::{
    choices::Choices as _,
    history::{History, Place},
    workload::Stepped,
};

impl Consuming {
    /// Goes on somewhere else with some partition.
    pub(super) fn seek(&mut self, history: &mut History) -> Stepped {
        let Some(place) = self.any_place() else { return Stepped::Idle };
        let end = self.both.assignment.position(&of(place)).map_or(0, |offset| offset.0);
        let to = i64::try_from(self.stream.below(u64::try_from(end).unwrap_or(0) + 1)).unwrap_or(0);
        let to = match self.stream.below(8) {
            0 | 1 => StartAt::Latest,
            // No log has it.
            2 => StartAt::Offset(Offset(end + (1 << 20))),
            _ => StartAt::Offset(Offset(to)),
        };
        self.seek_to(place, to, history)
    }

    fn seek_to(&mut self, place: Place, to: StartAt, history: &mut History) -> Stepped {
        history.note(|| format!("{place:?} is sought to {to:?}"));
        self.begin_epoch(place);
        match self.both.assignment.seek(&of(place), to) {
            Wake::Yes => Stepped::Acted,
            Wake::No => Stepped::Idle,
        }
    }

    /// Begins anew with partitions that have failed.
    pub(super) fn seek_failed(&mut self, history: &mut History, mut stepped: Stepped) -> Stepped {
        let failed = |(place, part): (&Place, &Part)| part.has_failed.then_some(*place);
        for place in self.parts.iter().filter_map(failed).collect::<Vec<_>>() {
            if self.seek_to(place, StartAt::Earliest, history) == Stepped::Acted {
                stepped = Stepped::Acted;
            }
        }
        stepped
    }

    pub(super) fn begin_epoch(&mut self, place: Place) {
        self.note_stored_by_interval();
        let part = self.parts.entry(place).or_default();
        let (epoch, is_paused, end) = (part.epoch + 1, part.is_paused, part.end.again());
        *part = Part { epoch, is_paused, end, ..Part::default() };
        // Sets of an earlier epoch have no effect any more. The user reads no further in them.
        self.held.retain(|held| held.place != place);
    }

    pub(super) fn any_place(&mut self) -> Option<Place> {
        let which = self.stream.below(self.parts.len() as u64);
        self.parts.keys().nth(usize::try_from(which).unwrap_or(0)).copied()
    }

    pub(super) fn pause(&mut self) -> Stepped {
        let Some(place) = self.any_place() else { return Stepped::Idle };
        let Some(part) = self.parts.get_mut(&place) else { return Stepped::Idle };
        part.is_paused = !part.is_paused;
        let wake = match part.is_paused {
            true => self.both.assignment.pause(&of(place)),
            false => self.both.assignment.resume(&of(place)),
        };
        if wake == Wake::Yes { Stepped::Acted } else { Stepped::Idle }
    }

    pub(super) fn resume_all(&mut self, mut stepped: Stepped) -> Stepped {
        for (place, part) in &mut self.parts {
            if std::mem::take(&mut part.is_paused) && self.both.assignment.resume(&of(*place)) == Wake::Yes {
                stepped = Stepped::Acted;
            }
        }
        stepped
    }

    pub(super) fn commit(&mut self, history: &mut History) -> Stepped {
        let Some(store) = self.store else { return Stepped::Idle };
        let id = self.both.assignment.commit(GROUP, store);
        let offsets: BTreeMap<_, _> =
            self.both.assignment.committable().filter_map(|(of, offset)| Some((place(of)?, offset.0))).collect();
        history.note(|| format!("{id:?}: {offsets:?}"));
        let mut passed = self.all_passed();
        // Of a partition whose start is not confirmed since it was begun anew, what was stored before stays.
        passed.retain(|place, _| offsets.contains_key(place));
        self.commits.insert(id, Commit { passed, offsets });
        Stepped::Acted
    }

    /// How far the user has passed everywhere: to where reading has started, if nothing has come of it.
    fn all_passed(&self) -> BTreeMap<Place, i64> {
        let started = self.both.assignment.committable().filter_map(|(of, offset)| Some((place(of)?, offset.0)));
        let passed = |(place, part): (&Place, &Part)| Some((*place, passed(&self.held, *place, part)?));
        started.chain(self.parts.iter().filter_map(passed)).collect()
    }

    /// Notes what a commit has stored.
    pub(super) fn take_committed(&mut self, id: CommitId, failed: &[(TopicPartition, CommitCause)]) {
        let Some(mut commit) = self.commits.remove(&id) else { return };
        for place in failed.iter().filter_map(|(of, _)| place(of)) {
            // It may have been stored.
            let passed = commit.passed.remove(&place).map(|passed| (place, passed));
            let offset = commit.offsets.remove(&place).map(|offset| (place, offset));
            self.note_maybe_stored(Commit {
                passed: passed.into_iter().collect(),
                offsets: offset.into_iter().collect(),
            });
        }
        self.stored.extend(commit.passed);
        self.confirmed.extend(commit.offsets);
    }

    /// Nobody knows whether a commit was stored.
    pub(super) fn note_maybe_stored(&mut self, commit: Commit) {
        for (place, passed) in commit.passed {
            let stored = self.stored.entry(place).or_insert(passed);
            *stored = passed.max(*stored);
        }
        for place in commit.offsets.into_keys() {
            self.confirmed.remove(&place);
        }
    }

    /// A client that commits by itself may have stored whatever has passed.
    pub(super) fn note_stored_by_interval(&mut self) {
        if self.habits.interval.is_some() {
            let passed = self.all_passed();
            let offsets = passed.clone();
            self.note_maybe_stored(Commit { passed, offsets });
        }
    }
}
