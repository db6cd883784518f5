//! ListOffsets (`KafkaApis.handleOffsetRequest`).
//!
//! Times are those of segments, not of messages, because messages of 0.8 have no timestamp: an answer names the start of a
//! segment, or the end of the log. Nothing waits here.

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset},
    profile::Profile,
};

use super::{Caller, grouped};
use crate::{
    cluster::Cluster,
    state::{Now, Replica},
    wire::{Answer, Listed, Place, Places, TimeQuery},
};

/// The time that asks for the end of the log.
const LATEST: i64 = -1;
/// The time that asks for the first segment.
const EARLIEST: i64 = -2;

impl Cluster {
    pub(crate) fn list_offsets(
        &mut self,
        caller: Caller,
        replica: NodeId,
        parts: &Places<TimeQuery>,
        now: Now,
    ) -> Answer {
        let listed: Vec<_> = parts
            .iter()
            .map(|(place, query)| (place.clone(), self.list(caller, replica, place, *query, now)))
            .collect();
        Answer::ListOffsets(grouped(listed, self.seed()))
    }

    fn list(&self, caller: Caller, replica: NodeId, place: &Place, query: TimeQuery, now: Now) -> Listed {
        let offsets = self.asked(caller, replica, place).and_then(|source| {
            let mut offsets = offsets_before(source, query, now)?;
            // A consumer sees the high watermark in front of what lies below it.
            let visible = source.high_watermark;
            if replica == NodeId(-1) && offsets.iter().any(|offset| *offset > visible) {
                offsets.retain(|offset| *offset <= visible);
                offsets.insert(0, visible);
            }
            Ok(offsets)
        });
        match offsets {
            Ok(offsets) => Listed { error: ErrorCode::NONE, offsets },
            Err(error) => Listed { error, offsets: Vec::new() },
        }
    }

    /// The replica that answers.
    fn asked(&self, caller: Caller, replica: NodeId, place: &Place) -> Result<&Replica, ErrorCode> {
        let found = self.find(place).and_then(|tp| self.state.partition(tp));
        // Only the debugging consumer, whose id is -2, may ask a follower.
        if replica != NodeId(-2) {
            return found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.led_by(caller.node);
        }
        match found.and_then(|partition| partition.replica(caller.node)) {
            Some(replica) => Ok(replica),
            None if caller.profile == Profile::V0_8_1 && !self.knows_topic(place) => {
                Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            None => Err(ErrorCode::REPLICA_NOT_AVAILABLE),
        }
    }
}

/// The offsets of segments that were last written to at a time or before, the newest first (`fetchOffsetsBefore`).
fn offsets_before(source: &Replica, query: TimeQuery, now: Now) -> Result<Vec<Offset>, ErrorCode> {
    let mut candidates: Vec<(Offset, i64)> = Vec::new();
    let mut last_bytes = 0;
    for (base, modified, bytes) in source.log.segments() {
        candidates.push((base, modified.0));
        last_bytes = bytes;
    }
    // The end of the log counts as a segment that is written to now. An empty last segment has the same offset already.
    if last_bytes > 0 {
        candidates.push((source.log.end(), now.wall.0));
    }
    let count = match query.time {
        LATEST => candidates.len(),
        EARLIEST => 1,
        time => candidates.iter().rposition(|(_, modified)| *modified <= time).map_or(0, |last| last + 1),
    };
    // `fetchOffsetsBefore` allocates an array of this size, which fails if it is negative.
    let max = usize::try_from(query.max_offsets).map_err(|_| ErrorCode::UNKNOWN)?;
    Ok(candidates.iter().take(count).rev().take(max).map(|(offset, _)| *offset).collect())
}
