//! What is read, what has come, and what was passed. Plain memory: it knows no cluster and no connection.
//!
//! An [`Assignment`] is what callers share with the machine that fetches. Callers assign partitions and take sets from it, usually
//! behind a lock; the machine puts in what it has fetched. No method decodes, waits, or does I/O, so the lock is held briefly.
//!
//! ```text
//!   fetched ---> waiting ---> taken: Fetched ---> Messages ---> passed, in any order
//!                                                                 |
//!                            committable: the first of the taken sets that has not passed
//! ```
//!
//! Each assignment and each seek begins a new *epoch* of its partition. What is left of an earlier one, on its way or in the hands
//! of callers, has no effect any more.
//!
//! | file | what it owns |
//! |---|---|
//! | `part` | one partition: where it starts and ends, the sets that wait |
//! | `messages` | a set in the hands of a caller, its reader, and how far the caller has come |
//! | `owned` | a message that owns its bytes |
//! | `out` | what was taken of a partition, and what may be committed of it |
//! | `frames` | how much memory waits to be taken |
//! | `exchange` | what the machine takes and puts in |
//! | `topics` | topics of which all partitions are read |
//! | `stats` | how far all of it is |

mod exchange;
mod frames;
mod messages;
mod out;
mod owned;
mod part;
mod stats;
mod topics;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafka08_proto::{
    api::{NameProblem, check_topic_name},
    ids::{Offset, Text, TopicPartition},
    message::MessageError,
};

pub use messages::{Fetched, Messages, Passed};
pub use owned::OwnedMessage;
pub use stats::AssignmentStats;

pub(crate) use exchange::{Delivery, ToCommit};
pub(crate) use frames::{FrameId, Undelivered};

use self::{
    frames::{Frames, Is},
    messages::{How, Ticket},
    part::{Part, Stage, Waiting},
    topics::Topics,
};
use crate::config::{ConsumerConfig, CorruptPolicy, EndAt, OffsetStore, StartAt};

/// Whether the machine has to be woken: its driver calls `exchange` and goes on. A wake-up must not be lost if the driver is not
/// waiting at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wake {
    /// It has to be woken.
    Yes,
    /// It sees the change by itself in time, or there is none.
    No,
}

/// The place of a partition in an assignment. Places are used again, epochs are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct PartitionIndex(usize);

/// An assignment of a partition, or a seek. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Epoch(u64);

/// A set of one epoch of a partition that was taken. Numbers ascend without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SetId(u64);

/// Names a commit of an assignment. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(u64);

/// The partitions that are read, and what has come of them.
#[derive(Debug)]
pub struct Assignment {
    parts: Vec<Option<Part>>,
    by_name: BTreeMap<TopicPartition, PartitionIndex>,
    unused: Vec<PartitionIndex>,
    /// Partitions of which something may come.
    unfinished: BTreeSet<PartitionIndex>,
    topics: Topics,
    /// Partitions with something to take, in turn.
    ready: VecDeque<PartitionIndex>,
    /// Partitions that the machine has to look at.
    changed: BTreeSet<PartitionIndex>,
    frames: Frames,
    /// Commits that the machine has not taken.
    commits: VecDeque<ToCommit>,
    /// Errors at which users have stopped, which the machine has to tell.
    halted: VecDeque<(TopicPartition, MessageError, Offset)>,
    /// The machine waits for memory to be taken.
    is_starved: bool,
    policy: CorruptPolicy,
    max_inflated: usize,
    /// The number of entries that could not be read, so far.
    errors: u64,
    next_epoch: u64,
    next_commit: u64,
}

impl Assignment {
    /// Creates an assignment without partitions. Give the same settings to its consumer.
    #[must_use]
    pub fn new(config: &ConsumerConfig) -> Self {
        Self {
            parts: Vec::new(),
            by_name: BTreeMap::new(),
            unused: Vec::new(),
            unfinished: BTreeSet::new(),
            topics: Topics::default(),
            ready: VecDeque::new(),
            changed: BTreeSet::new(),
            frames: Frames::default(),
            commits: VecDeque::new(),
            halted: VecDeque::new(),
            is_starved: false,
            policy: config.corrupt,
            max_inflated: config.cluster.client.limits().max_inflated,
            errors: 0,
            next_epoch: 0,
            next_commit: 0,
        }
    }

    /// Reads a partition, from `start` to `end`. If it is read already, it begins anew, and what has come of it is dropped.
    ///
    /// # Errors
    /// No broker accepts the name of the topic. Use another name.
    pub fn assign(&mut self, of: TopicPartition, start: StartAt, end: EndAt) -> Result<Wake, NameProblem> {
        check_topic_name(&of.topic)?;
        self.topics.note_named(&of);
        self.begin(of, start, end);
        Ok(Wake::Yes)
    }

    fn begin(&mut self, of: TopicPartition, start: StartAt, end: EndAt) {
        let epoch = self.begin_epoch();
        let mut part = Part::new(of.clone(), epoch, start, end);
        let at = match self.by_name.get(&of) {
            Some(&at) => {
                self.drop_waiting(at);
                at
            }
            None => self.add(of),
        };
        if let Some(place) = self.parts.get_mut(at.0) {
            part.is_ready = place.as_ref().is_some_and(|before| before.is_ready);
            *place = Some(part);
        }
        self.unfinished.insert(at);
        self.changed.insert(at);
    }

    /// Goes on at another place. What has come of the partition is dropped, and nothing older is taken after this. Does nothing
    /// for a partition that is not read.
    pub fn seek(&mut self, of: &TopicPartition, to: StartAt) -> Wake {
        let Some(&at) = self.by_name.get(of) else { return Wake::No };
        self.drop_waiting(at);
        // A new epoch at once: what is in the hands of callers, or on its way, has no effect any more.
        let epoch = self.begin_epoch();
        let Some(part) = self.part_mut(at) else { return Wake::No };
        let (is_paused, is_ready) = (part.is_paused, part.is_ready);
        #[cfg(kafka08_canary)]
        let epoch = kafka08_proto::canary::KeepsEpoch.pick(part.epoch, epoch);
        *part = Part { is_paused, is_ready, ..Part::new(part.of.clone(), epoch, to, part.end) };
        self.unfinished.insert(at);
        self.changed.insert(at);
        Wake::Yes
    }

    /// Delivers nothing of a partition until [`Assignment::resume`], and fetches nothing more. What has come is kept, and may
    /// fill the room of its broker, which the machine then exceeds for other partitions.
    pub fn pause(&mut self, of: &TopicPartition) -> Wake {
        let Some(&at) = self.by_name.get(of) else { return Wake::No };
        let part = self.parts.get_mut(at.0).and_then(Option::as_mut);
        let Some(part) = part.filter(|part| !part.is_paused) else { return Wake::No };
        part.is_paused = true;
        for waiting in &part.waiting {
            self.frames.pause_set(waiting.frame);
        }
        self.changed.insert(at);
        Wake::Yes
    }

    /// Goes on with a partition that was paused.
    pub fn resume(&mut self, of: &TopicPartition) -> Wake {
        let Some(&at) = self.by_name.get(of) else { return Wake::No };
        let part = self.parts.get_mut(at.0).and_then(Option::as_mut);
        let Some(part) = part.filter(|part| part.is_paused) else { return Wake::No };
        part.is_paused = false;
        for waiting in &part.waiting {
            self.frames.resume_set(waiting.frame);
        }
        self.renew_ready(at);
        self.changed.insert(at);
        Wake::Yes
    }

    /// Takes the next set: of the partition whose turn it is, the oldest one. `None` if nothing has come. Wake the machine if it
    /// waits for room.
    pub fn take(&mut self) -> Option<(Fetched, Wake)> {
        loop {
            let at = self.ready.pop_front()?;
            let (policy, max_inflated) = (self.policy, self.max_inflated);
            let Some(part) = self.part_mut(at) else { continue };
            part.is_ready = false;
            if part.is_paused {
                continue;
            }
            let Some(waiting) = part.waiting.pop_front() else { continue };
            part.waiting_bytes = part.waiting_bytes.saturating_sub(waiting.set.len());
            part.position = Some(waiting.behind);
            let Waiting { set: messages, frame, from, behind, until, high_watermark, is_doubtful, commits } = waiting;
            let ticket = Ticket { at, epoch: part.epoch, set: part.out.take(commits), commits };
            let bytes = messages.len();
            let of = part.of.clone();
            let fetched = Fetched {
                of,
                ticket,
                set: messages,
                from,
                behind,
                until,
                high_watermark,
                is_doubtful,
                policy,
                max_inflated,
            };
            self.renew_ready(at);
            self.note_finished(at);
            // The partition may be below its share now, so that it can be fetched again.
            self.changed.insert(at);
            self.frames.remove_set(frame, bytes, Is::Deliverable);
            let wake = if std::mem::take(&mut self.is_starved) { Wake::Yes } else { Wake::No };
            return Some((fetched, wake));
        }
    }

    /// Notes how far a caller has come in a set. Callers may finish sets in any order, on any thread. After
    /// [`CorruptPolicy::Stop`] has stopped a caller, what has come behind the error is dropped, and the partition halts.
    pub fn handle_passed(&mut self, passed: Passed) -> Wake {
        let Ticket { at, epoch, .. } = passed.ticket;
        let Some(part) = self.part_mut(at).filter(|part| part.epoch == epoch) else { return Wake::No };
        let is_new = part.out.pass(&passed);
        if is_new && passed.how != How::Open {
            self.errors = self.errors.saturating_add(u64::from(passed.errors));
        }
        match passed.how {
            How::Stopped(error, behind) if is_new => {
                self.halt(at, error, behind);
                Wake::Yes
            }
            _ => Wake::No,
        }
    }

    /// Stops at a message that could not be read.
    fn halt(&mut self, at: PartitionIndex, error: MessageError, behind: Offset) {
        let Some(part) = self.part_mut(at).filter(|part| !matches!(part.stage, Stage::Halted(..))) else { return };
        // What callers hold already is theirs. Nothing else behind the error is delivered.
        part.stage = Stage::Halted(error, behind);
        let of = part.of.clone();
        self.drop_waiting(at);
        self.note_finished(at);
        self.halted.push_back((of, error, behind));
        self.changed.insert(at);
    }

    /// The offsets up to which everything has passed, of the partitions of which something has. Callers that commit by themselves
    /// commit these.
    pub fn committable(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        let parts = self.by_name.values().filter_map(|at| self.part(*at));
        parts.filter_map(|part| Some((&part.of, part.out.committable()?)))
    }

    /// Commits what has passed, as [`Assignment::committable`] is now. Always wake the machine after this.
    pub fn commit(&mut self, group: Text, store: OffsetStore) -> CommitId {
        let offsets = self.committable().map(|(of, offset)| (of.clone(), offset)).collect();
        self.commit_offsets(group, store, offsets)
    }

    /// Commits offsets by name, also of partitions that are not read here. Always wake the machine after this.
    pub fn commit_offsets(
        &mut self,
        group: Text,
        store: OffsetStore,
        offsets: Vec<(TopicPartition, Offset)>,
    ) -> CommitId {
        let id = CommitId(self.next_commit);
        self.next_commit += 1;
        self.commits.push_back(ToCommit { id, group, store, offsets });
        id
    }

    /// The offset that the next set of a partition begins with. `None` if it is not read, or its start is not known yet.
    #[must_use]
    pub fn position(&self, of: &TopicPartition) -> Option<Offset> {
        self.part(*self.by_name.get(of)?)?.position
    }

    /// How many offsets the position is behind the high watermark, as it was last told. Log compaction leaves gaps, so there
    /// may be fewer messages. `None` if one of the two is not known.
    #[must_use]
    pub fn lag(&self, of: &TopicPartition) -> Option<u64> {
        self.part(*self.by_name.get(of)?)?.lag()
    }

    /// The error at which the user has stopped, if a partition is halted, and the offset to seek to, to leave it out.
    #[must_use]
    pub fn halted_at(&self, of: &TopicPartition) -> Option<(MessageError, Offset)> {
        match self.part(*self.by_name.get(of)?)?.stage {
            Stage::Halted(error, behind) => Some((error, behind)),
            Stage::Reading | Stage::Ended => None,
        }
    }

    /// The partitions that are read.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.by_name.keys()
    }

    /// Whether nothing will come any more: each partition has reached its end, has failed, or has halted, and the partitions of each
    /// topic are known.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.unfinished.is_empty() && self.topics.are_known()
    }

    /// How many partitions have something to take, at most.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The bytes of responses of which something was not taken.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.frames.total()
    }

    /// The number of entries that could not be read, so far.
    #[must_use]
    pub fn corrupt_entries(&self) -> u64 {
        self.errors
    }

    fn part(&self, at: PartitionIndex) -> Option<&Part> {
        self.parts.get(at.0)?.as_ref()
    }

    fn part_mut(&mut self, at: PartitionIndex) -> Option<&mut Part> {
        self.parts.get_mut(at.0)?.as_mut()
    }

    fn add(&mut self, of: TopicPartition) -> PartitionIndex {
        let at = self.unused.pop().unwrap_or_else(|| {
            self.parts.push(None);
            PartitionIndex(self.parts.len() - 1)
        });
        self.by_name.insert(of, at);
        at
    }

    fn begin_epoch(&mut self) -> Epoch {
        self.next_epoch += 1;
        Epoch(self.next_epoch)
    }

    /// Drops what has come of a partition and was not taken.
    fn drop_waiting(&mut self, at: PartitionIndex) {
        let Some(part) = self.parts.get_mut(at.0).and_then(Option::as_mut) else { return };
        part.waiting_bytes = 0;
        let is = part.is();
        for waiting in std::mem::take(&mut part.waiting) {
            self.frames.remove_set(waiting.frame, waiting.set.len(), is);
        }
    }

    /// Something of a partition has ended or was taken: nothing else may come.
    fn note_finished(&mut self, at: PartitionIndex) {
        if self.part(at).is_some_and(Part::is_finished) {
            self.unfinished.remove(&at);
        }
    }

    /// Puts a partition into the list of those with something to take, unless it is there.
    fn renew_ready(&mut self, at: PartitionIndex) {
        let Some(part) = self.part_mut(at) else { return };
        if part.has_something() && !part.is_ready {
            part.is_ready = true;
            self.ready.push_back(at);
        }
    }
}

#[cfg(test)]
mod tests;
