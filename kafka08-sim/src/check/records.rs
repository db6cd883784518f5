//! What must hold of records: S1 to S7.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_broker::Loss;
use kafka08_proto::fate::Fate;

use super::Invariant;
use crate::{
    history::{Ending, History, Operation, OperationId, Place},
    logs::{Logs, topic_number},
    record::ANY_PARTITION,
    sent::Sent,
    workload::{Counts, Order, Promises},
};

/// What of a run can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everything.
    All,
    /// Everything but offsets: a broker has behaved as one of another release.
    AllButOffsets,
    /// That operations have ended, and how often. Bytes were changed on their way, so answers may say anything.
    EndingsOnly,
}

/// Checks all records of a run. Returns the first thing that does not hold. `sent` is `None` if sets were compressed.
#[must_use]
pub fn check_records(
    history: &History,
    logs: &Logs,
    sent: Option<&Sent>,
    losses: &[Loss],
    promises: &Promises,
    trust: Trust,
) -> Option<(Invariant, String)> {
    let endings = history.operations().find_map(|(id, operation)| check_ending(id, operation));
    if endings.is_some() || trust == Trust::EndingsOnly {
        return endings;
    }
    if let Some(foreign) = logs.foreign().first() {
        let invariant = if foreign.what.starts_with("record") { Invariant::S6 } else { Invariant::S7 };
        return Some((invariant, format!("{:?} at offset {}: {}", foreign.place, foreign.offset, foreign.what)));
    }
    let mut counts: BTreeMap<OperationId, u32> = BTreeMap::new();
    logs.latest().for_each(|(_, _, id)| *counts.entry(id).or_default() += 1);
    let check = Check { logs, sent, losses, promises };
    let of_records = history.operations().find_map(|(id, operation)| {
        let (_, mut ending) = *operation.endings.first()?;
        if let Ending::Delivered { offset, .. } = &mut ending
            && trust == Trust::AllButOffsets
        {
            *offset = None;
        }
        let in_log = counts.get(&id).copied().unwrap_or(0);
        check.record(id, ending, in_log).or_else(|| check.has_left(id, ending))
    });
    of_records.or_else(|| (promises.order == Order::Kept).then(|| check.order(history)).flatten())
}

/// S3.
fn check_ending(id: OperationId, operation: &Operation) -> Option<(Invariant, String)> {
    let count = operation.endings.len();
    match (operation.submitted, count) {
        (Some(_), 1) | (None, 0) => None,
        (Some(_), _) => Some((Invariant::S3, format!("operation {id} has ended {count} times: {operation:?}"))),
        (None, _) => Some((Invariant::S3, format!("operation {id} has ended and was never submitted"))),
    }
}

struct Check<'a> {
    logs: &'a Logs,
    sent: Option<&'a Sent>,
    losses: &'a [Loss],
    promises: &'a Promises,
}

impl Check<'_> {
    /// S1, S2 and S4.
    fn record(&self, id: OperationId, ending: Ending, in_log: u32) -> Option<(Invariant, String)> {
        let ever = self.logs.ever(id);
        match ending {
            Ending::Delivered { place, offset, maybe_applied } => {
                if ever.is_empty() {
                    return Some((Invariant::S4, format!("record {id} was delivered and is in no log")));
                }
                let named = self.promises.records.record(id).place;
                if named.0 != place.0 || (named.1 != place.1 && named.1 != ANY_PARTITION) {
                    return Some((Invariant::S6, format!("record {id} of {named:?} was delivered to {place:?}")));
                }
                let at = offset.map(|offset| (place, offset));
                if let Some(at) = at.filter(|at| !ever.contains(at)) {
                    return Some((Invariant::S2, format!("record {id} was delivered at {at:?} and was at {ever:?}")));
                }
                self.durable(id, place, offset).or_else(|| many(id, in_log, maybe_applied.saturating_add(1)))
            }
            Ending::Failed { fate: Fate::NotApplied, .. } | Ending::Refused if !ever.is_empty() => {
                Some((Invariant::S4, format!("record {id} was told as not applied and was at {ever:?}")))
            }
            Ending::Failed { maybe_applied: most, .. } | Ending::Lost { most } => many(id, in_log, most),
            Ending::Written => many(id, in_log, 1),
            Ending::Over | Ending::Refused => None,
        }
    }

    /// S4: nothing has come of what never left the client.
    fn has_left(&self, id: OperationId, ending: Ending) -> Option<(Invariant, String)> {
        let (successes, maybe_applied) = match ending {
            Ending::Delivered { maybe_applied, .. } => (1, maybe_applied),
            Ending::Written => (1, 0),
            Ending::Failed { fate: Fate::MaybeApplied, maybe_applied } => (0, maybe_applied),
            Ending::Failed { .. } | Ending::Lost { .. } | Ending::Over | Ending::Refused => (0, 0),
        };
        let least = match self.promises.counts {
            Counts::Exact => maybe_applied.saturating_add(successes),
            Counts::Careful => successes,
        };
        let left = self.sent?.times(id);
        (left < least)
            .then(|| (Invariant::S4, format!("record {id} has left {left} times, of at least {least}: {ending:?}")))
    }

    /// S1: acknowledged by all replicas, so only the brokers can have lost it.
    fn durable(&self, id: OperationId, place: Place, offset: Option<i64>) -> Option<(Invariant, String)> {
        if self.promises.acks != -1 {
            return None;
        }
        let offset = offset?;
        let is_lost = |loss: &Loss| {
            topic_number(loss.topic.as_str()) == Some(place.0)
                && loss.partition.0 == i32::from(place.1)
                && (loss.from.0..loss.to.0).contains(&offset)
        };
        if self.logs.at(place, offset) == Some(id) || self.losses.iter().any(is_lost) {
            return None;
        }
        let found = self.logs.at(place, offset);
        Some((Invariant::S1, format!("record {id} was delivered at {place:?} {offset}, where {found:?} is")))
    }

    /// S5: the first occurrence of each record that has not failed.
    fn order(&self, history: &History) -> Option<(Invariant, String)> {
        // What may have been applied by a connection that was left is in no order, and was told as failed.
        let is_ordered = |operation: &Operation| {
            matches!(operation.endings.first(), Some((_, Ending::Delivered { .. } | Ending::Written)))
        };
        let ordered: BTreeMap<OperationId, u64> = history
            .operations()
            .filter(|(_, operation)| is_ordered(operation))
            .filter_map(|(id, operation)| Some((id, operation.taken?)))
            .collect();
        let mut seen: BTreeSet<OperationId> = BTreeSet::new();
        let mut last: BTreeMap<Place, (u64, OperationId)> = BTreeMap::new();
        for (place, offset, id) in self.logs.latest() {
            let Some(taken) = ordered.get(&id).copied().filter(|_| seen.insert(id)) else { continue };
            let before = last.insert(place, (taken, id));
            if let Some((_, before)) = before.filter(|(before, _)| *before > taken) {
                return Some((Invariant::S5, format!("{place:?} has record {id} at {offset}, behind record {before}")));
            }
        }
        None
    }
}

/// S4: how often a record may be in a log.
fn many(id: OperationId, in_log: u32, most: u32) -> Option<(Invariant, String)> {
    (in_log > most)
        .then(|| (Invariant::S4, format!("record {id} is in the log {in_log} times, of at most {most} that were told")))
}
