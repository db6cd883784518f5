//! What the machine that fetches does with an assignment: it takes what has changed, and puts in what has come.

use bytes::Bytes;
use kafka08_proto::{
    ids::{NodeId, Offset, Text, TopicPartition},
    message::{MessageError, MessageSet},
};

use super::{
    Assignment, CommitId, Epoch, FrameId, PartitionIndex,
    frames::Undelivered,
    part::{Stage, Waiting},
};
use crate::config::{EndAt, OffsetStore, StartAt};

/// A commit that was asked for.
#[derive(Debug)]
pub(crate) struct ToCommit {
    pub(crate) id: CommitId,
    pub(crate) group: Text,
    pub(crate) store: OffsetStore,
    pub(crate) offsets: Vec<(TopicPartition, Offset)>,
}

/// A partition as the machine is to read it.
#[derive(Debug)]
pub(crate) struct Assigned<'a> {
    pub(crate) of: &'a TopicPartition,
    pub(crate) epoch: Epoch,
    pub(crate) start: &'a StartAt,
    pub(crate) end: EndAt,
    /// Nothing is to be fetched.
    pub(crate) is_idle: bool,
    /// Nothing is to be fetched before the next epoch.
    pub(crate) is_over: bool,
    /// The bytes that have come and were not taken.
    pub(crate) waiting: usize,
}

/// A set that has come.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) set: MessageSet,
    pub(crate) frame: FrameId,
    /// The offset that was requested.
    pub(crate) from: Offset,
    /// The offset behind the set.
    pub(crate) behind: Offset,
    /// Messages from this offset on are not delivered.
    pub(crate) until: Offset,
    pub(crate) high_watermark: Offset,
    /// Some offset in it lies.
    pub(crate) is_doubtful: bool,
}

impl Assignment {
    /// The next partition that was assigned, unassigned, sought, paused or resumed, or of which something was taken.
    pub(crate) fn poll_changed(&mut self) -> Option<PartitionIndex> {
        self.changed.pop_first()
    }

    /// A partition, if it is still assigned.
    pub(crate) fn assigned(&self, at: PartitionIndex) -> Option<Assigned<'_>> {
        let part = self.part(at)?;
        // A halted partition keeps its place, because its user may seek.
        Some(Assigned {
            of: &part.of,
            epoch: part.epoch,
            start: &part.start,
            end: part.end,
            is_idle: part.is_paused || part.stage != Stage::Reading,
            is_over: part.stage != Stage::Reading,
            waiting: part.waiting_bytes,
        })
    }

    /// The start of a partition is known.
    pub(crate) fn handle_started(&mut self, at: PartitionIndex, epoch: Epoch, offset: Offset) {
        if let Some(part) = self.part_mut(at).filter(|part| part.epoch == epoch) {
            part.start(offset);
        }
    }

    /// A response has come from a broker. Its sets follow, then [`Assignment::end_frame`].
    pub(crate) fn begin_frame(&mut self, node: NodeId, bytes: usize) -> FrameId {
        self.frames.begin(node, bytes)
    }

    /// Puts a set in. Drops it if it is of an earlier epoch, or the partition is halted.
    pub(crate) fn deliver(&mut self, at: PartitionIndex, epoch: Epoch, delivery: Delivery) {
        let Some(part) = self.part_mut(at).filter(|part| part.epoch == epoch && part.stage == Stage::Reading) else {
            return;
        };
        let Delivery { set, frame, from, behind, until, high_watermark, is_doubtful } = delivery;
        // The end may be within the set, and what is behind it must not be committed.
        part.waiting_bytes += set.len();
        let behind = behind.min(until);
        let bytes = set.len();
        let commits = behind;
        part.waiting.push_back(Waiting { set, frame, from, behind, until, high_watermark, is_doubtful, commits });
        let is = part.is();
        self.frames.add_set(frame, at, bytes, is);
        self.renew_ready(at);
    }

    /// All sets of a response were put in.
    pub(crate) fn end_frame(&mut self, frame: FrameId) {
        self.frames.end(frame);
    }

    /// A broker has answered a fetch from the position, and told the high watermark of a partition.
    pub(crate) fn note_high_watermark(&mut self, at: PartitionIndex, epoch: Epoch, offset: Offset) {
        if let Some(part) = self.part_mut(at).filter(|part| part.epoch == epoch) {
            part.high_watermark = Some(offset);
            // What waits may be in front of the position, after a reset.
            if let Some(position) = part.position.filter(|_| part.waiting.is_empty()) {
                part.out.confirm_start(position);
            }
        }
    }

    /// No more sets will come of a partition.
    pub(crate) fn handle_end(&mut self, at: PartitionIndex, epoch: Epoch) {
        if let Some(part) = self.part_mut(at).filter(|part| part.epoch == epoch && part.stage == Stage::Reading) {
            part.stage = Stage::Ended;
            self.note_finished(at);
        }
    }

    /// What has come from one broker and was not taken.
    pub(crate) fn undelivered_of(&self, node: NodeId) -> Undelivered {
        self.frames.of_node(node)
    }

    /// Lets go of responses of a broker of which little is left, until no more than this is held. What is left of each is
    /// copied, which happens at most once to each byte.
    pub(crate) fn compact(&mut self, node: NodeId, most: usize) {
        while self.frames.of_node(node).bytes > most
            && let Some((frame, parts)) = self.frames.poll_wasteful(node)
        {
            for at in parts {
                // A partition has at most one set of a response, and its sets wait in the order in which they have come.
                let Some(part) = self.part_mut(at) else { continue };
                let found = part.waiting.binary_search_by_key(&frame, |waiting| waiting.frame);
                if let Some(waiting) = found.ok().and_then(|found| part.waiting.get_mut(found)) {
                    let bytes = Bytes::copy_from_slice(waiting.set.bytes());
                    waiting.set = MessageSet::new(bytes, waiting.set.origin());
                }
            }
        }
    }

    /// The machine waits for memory to be taken.
    pub(crate) fn set_starved(&mut self) {
        self.is_starved = true;
    }

    /// As [`Assignment::committable`], with the epoch in which it has passed.
    pub(crate) fn committable_of_epochs(&self) -> impl Iterator<Item = (&TopicPartition, Epoch, Offset)> {
        let parts = self.by_name.values().filter_map(|at| self.part(*at));
        parts.filter_map(|part| Some((&part.of, part.epoch, part.out.committable()?)))
    }

    pub(crate) fn poll_commit(&mut self) -> Option<ToCommit> {
        self.commits.pop_front()
    }

    /// The next partition whose user has stopped at an error.
    pub(crate) fn poll_halted(&mut self) -> Option<(TopicPartition, MessageError, Offset)> {
        self.halted.pop_front()
    }
}
