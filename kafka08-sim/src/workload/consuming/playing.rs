//! What the user does besides reading: seeks, pauses, and commits.

use kafka08_client::{
    assignment::{CommitId, Wake},
    config::StartAt,
    consumer::CommitCause,
};
use kafka08_proto::ids::{Offset, TopicPartition};

use super::{Consuming, GROUP, Part, of, passed, place};
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

    fn begin_epoch(&mut self, place: Place) {
        let part = self.parts.entry(place).or_default();
        *part = Part { epoch: part.epoch + 1, is_paused: part.is_paused, ..Part::default() };
        // Sets of an earlier epoch have no effect any more. The user reads no further in them.
        self.held.retain(|held| held.place != place);
    }

    fn any_place(&mut self) -> Option<Place> {
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
        let passed = |(place, part): (&Place, &Part)| Some((*place, passed(&self.held, *place, part)?));
        self.commits.insert(id, self.parts.iter().filter_map(passed).collect());
        history.note(|| format!("{id:?}: {:?}", self.both.assignment.committable().collect::<Vec<_>>()));
        Stepped::Acted
    }

    /// Notes what a commit has stored.
    pub(super) fn take_committed(&mut self, id: CommitId, failed: &[(TopicPartition, CommitCause)]) {
        let failed: Vec<_> = failed.iter().filter_map(|(of, _)| place(of)).collect();
        for (place, passed) in self.commits.remove(&id).unwrap_or_default() {
            match failed.contains(&place) {
                // It may have been stored.
                true => self.note_maybe_stored(place, passed),
                false => drop(self.stored.insert(place, passed)),
            }
        }
    }

    pub(super) fn note_maybe_stored(&mut self, place: Place, passed: i64) {
        let stored = self.stored.entry(place).or_insert(passed);
        *stored = passed.max(*stored);
    }
}
