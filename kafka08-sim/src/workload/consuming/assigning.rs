//! How the user assigns: each partition or whole topics, without an end or up to one.

use std::time::Duration;

use kafka08_client::{
    assignment::Wake,
    config::{ConsumerConfig, EndAt, OffsetStore, StartAt},
};
use kafka08_proto::ids::{Offset, PartitionId, Text};

use super::{Consuming, GROUP, MILLIS, of};
use crate::{
    check::Invariant,
    choices::Choices as _,
    history::{History, Place},
    logs::{topic_name, topic_number},
    plan::Plan,
    workload::Stepped,
};

/// What the user of a plan does, and others do not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// It assigns topics, and not partitions.
    by_topic: bool,
    /// It reads partitions up to an end now and then.
    ends: bool,
    /// The client commits by itself, every so often.
    pub(super) interval: Option<Duration>,
}

impl Habits {
    pub(super) fn of(plan: &Plan) -> Self {
        let which = plan.settings.residual / 12;
        let every = Duration::from_micros((100 * MILLIS) << (which / 16 % 6));
        Self {
            by_topic: which.is_multiple_of(2),
            ends: (which / 2).is_multiple_of(2),
            interval: (which / 4).is_multiple_of(4).then_some(every),
        }
    }

    /// The settings of the client for them.
    pub(super) fn configure(self, config: ConsumerConfig, store: Option<OffsetStore>) -> ConsumerConfig {
        match (store, self.interval) {
            (Some(store), Some(every)) => config.with_interval_commit(GROUP, store, every),
            _ => config,
        }
    }
}

/// Where the user lets a partition end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    at: EndAt,
    /// Where it has ended, once that was told.
    told: Option<i64>,
}

impl End {
    /// The end of the next epoch, unless the partition is assigned anew.
    pub(super) fn again(self) -> Self {
        Self { told: None, ..self }
    }

    pub(super) fn has_come(self) -> bool {
        self.told.is_some()
    }

    /// No message from this offset on may come.
    pub(super) fn until(self) -> Option<i64> {
        match self.at {
            EndAt::Offset(until) => Some(until.0),
            EndAt::HighWatermark => self.told,
            EndAt::Never => None,
        }
    }
}

impl Consuming {
    /// Assigns everything.
    pub(super) fn assign(&mut self, start: &StartAt) {
        let assignment = &mut self.both.assignment;
        let assigned: Result<Vec<Wake>, _> = match self.habits.by_topic {
            true => (0..self.records.topics)
                .map(|topic| assignment.assign_topic(topic_name(topic), start.clone(), EndAt::Never))
                .collect(),
            false => {
                self.parts.keys().map(|place| assignment.assign(of(*place), start.clone(), EndAt::Never)).collect()
            }
        };
        debug_assert!(assigned.is_ok(), "the names are those of topics");
    }

    /// Begins anew with a partition, where its user is, up to some end.
    pub(super) fn assign_up_to(&mut self, history: &mut History) -> Stepped {
        if !self.habits.ends {
            return Stepped::Idle;
        }
        let Some(place) = self.any_place() else { return Stepped::Idle };
        let position = self.both.assignment.position(&of(place)).unwrap_or_default().0;
        let further = i64::try_from(self.stream.below(60)).unwrap_or(0);
        let end = match self.stream.below(8) {
            0 => EndAt::Never,
            1 | 2 => EndAt::HighWatermark,
            // It has been passed.
            3 => EndAt::Offset(Offset(position - further / 8)),
            _ => EndAt::Offset(Offset(position + further)),
        };
        self.assign_anew(place, end, history)
    }

    /// Takes the ends of all partitions away.
    pub(super) fn read_for_good(&mut self, history: &mut History, mut stepped: Stepped) -> Stepped {
        let has_end = |(place, part): (&Place, &super::Part)| (part.end.at != EndAt::Never).then_some(*place);
        for place in self.parts.iter().filter_map(has_end).collect::<Vec<_>>() {
            if self.assign_anew(place, EndAt::Never, history) == Stepped::Acted {
                stepped = Stepped::Acted;
            }
        }
        stepped
    }

    fn assign_anew(&mut self, place: Place, end: EndAt, history: &mut History) -> Stepped {
        let position = self.both.assignment.position(&of(place));
        let ended = self.parts.get(&place).and_then(|part| part.end.told);
        if ended.is_some_and(|at| self.both.assignment.undelivered() == 0 && position != Some(Offset(at))) {
            self.broken(history, Invariant::C1, || {
                format!("{place:?} was read up to {position:?}, and ends at {ended:?}")
            });
        }
        let start = position.map_or(StartAt::Earliest, StartAt::Offset);
        history.note(|| format!("{place:?} is assigned from {start:?} to {end:?}"));
        self.begin_epoch(place);
        let part = self.parts.entry(place).or_default();
        // What begins anew is not paused.
        (part.is_paused, part.end) = (false, End { at: end, told: None });
        part.behind = position.map(|offset| offset.0);
        match self.both.assignment.assign(of(place), start, end) {
            Ok(Wake::Yes) => Stepped::Acted,
            _ => Stepped::Idle,
        }
    }

    /// A partition has ended.
    pub(super) fn take_end(&mut self, place: Place, at: i64, expected: i64, history: &mut History) {
        let Some(part) = self.parts.get_mut(&place) else { return };
        // Behind a reset, the client has met its assignment in the next exchange only.
        let position = self.both.assignment.position(&of(place)).filter(|_| part.resets == 0);
        let before = part.end;
        part.end.told = Some(at);
        let is_right = match before.at {
            EndAt::Never => false,
            EndAt::Offset(until) => until.0 == expected,
            EndAt::HighWatermark => true,
        };
        if before.has_come() {
            self.broken(history, Invariant::C2, || format!("{place:?} has ended twice"));
        }
        if !is_right {
            self.broken(history, Invariant::C2, || format!("{place:?} was to end at {before:?}, not at {expected}"));
        }
        if position.is_some_and(|position| position.0 > at) {
            self.broken(history, Invariant::C1, || format!("{place:?} ends at {at}, and is read up to {position:?}"));
        }
    }

    /// The partitions of a topic have been found.
    pub(super) fn take_assigned(&mut self, topic: &Text, partitions: &[PartitionId], history: &mut History) {
        if !self.habits.by_topic {
            self.broken(history, Invariant::C2, || format!("{topic} was not assigned"));
        }
        for partition in partitions {
            let place = topic_number(topic.as_str()).zip(u16::try_from(partition.0).ok());
            if place.is_none_or(|place| !self.assigned.insert(place)) {
                self.broken(history, Invariant::C2, || format!("{topic} {partition} was assigned twice, or never was"));
            }
        }
    }
}
