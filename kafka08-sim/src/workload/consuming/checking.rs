//! What must hold of everything that was read, when a run has ended.

use kafka08_broker::{Cluster, Loss};

use super::{Consuming, MILLIS, of};
use crate::{
    check::{Invariant, Trust},
    history::{Ending, History, Place},
    logs::{Logs, topic_number},
    plan::Plan,
    workload::Workload as _,
};

const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Whether the answer to a fetch that waits for messages can come in time, on the slowest network. A client that gives up before leaves
/// its links again and again.
pub(super) fn has_time(plan: &Plan) -> bool {
    plan.settings.request_timeout >= 100 * MILLIS
}

impl Consuming {
    pub(super) fn check(
        &self,
        history: &History,
        logs: &Logs,
        brokers: &Cluster,
        trust: Trust,
    ) -> Option<(Invariant, String)> {
        if trust == Trust::EndingsOnly || !self.is_sound {
            return None;
        }
        let wrong = self.read.iter().find(|(id, place, offset)| !logs.ever(*id).contains(&(*place, *offset)));
        if let Some((id, place, offset)) = wrong {
            let ever = logs.ever(*id);
            let what = format!("record {id} was read at {place:?} {offset}, and was at {ever:?}");
            return Some((Invariant::C1, what));
        }
        // What brokers have lost of the topic in which they keep offsets is no longer there.
        let has_lost_offsets = brokers.losses().iter().any(|loss| loss.topic.as_str() == OFFSETS_TOPIC);
        if let Some((place, at, committed)) = self.too_low.first().filter(|_| !has_lost_offsets) {
            return Some((Invariant::C3, format!("{place:?} starts at {at}, and {committed} was told as committed")));
        }
        // Otherwise it was closed before it had read everything.
        self.quiet_since?;
        // Of a client that never listens, nobody knows when it has read everything.
        if !self.has_time {
            return None;
        }
        // What only the leader has acknowledged may be lost before anybody could read it.
        if trust != Trust::All || self.promises().acks != -1 {
            return None;
        }
        // What is appended later, by a request that was given up, may come after the end.
        history.operations().find_map(|(id, operation)| {
            let (_, Ending::Delivered { place, offset: Some(offset), .. }) = operation.endings.first()? else {
                return None;
            };
            let is_excused = Self::has_lost(brokers.losses(), *place) || self.parts.get(place)?.has_failed;
            let position = self.both.assignment.position(&of(*place))?.0;
            let what = || format!("{place:?} was read up to {position}, and record {id} was delivered at {offset}");
            (position <= *offset && !is_excused).then(|| (Invariant::C1, what()))
        })
    }

    /// Whether brokers have lost something of a partition, so that its offsets were used again.
    fn has_lost(losses: &[Loss], place: Place) -> bool {
        let is_of =
            |loss: &Loss| topic_number(loss.topic.as_str()) == Some(place.0) && loss.partition.0 == i32::from(place.1);
        losses.iter().any(is_of)
    }
}
