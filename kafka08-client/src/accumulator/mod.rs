//! Records on their way into batches. Plain memory: it knows no cluster and no connection.
//!
//! An [`Accumulator`] is what callers share with a [`Producer`](crate::producer::Producer). Callers append records to
//! it, usually behind a lock; the producer takes batches from it in
//! [`Producer::exchange`](crate::producer::Producer::exchange). No method waits, compresses, or does I/O, so the lock is
//! held briefly.
//!
//! A record is encoded straight into the open batch of its partition, so that appending allocates nothing and asks for the
//! time only when a batch opens. A batch whose linger is over stays open until it is taken: otherwise many small batches
//! would wait behind the one in flight.
//!
//! | file | what it owns |
//! |---|---|
//! | `error` | why a record was not appended |
//! | `partitioner`, `topics` | which partition a record goes to; the partitions of each topic, and who leads |
//! | `batch`, `parts` | batches; the queue of each partition, and when somebody has to look at it |
//! | `sets` | message sets that are appended as they are |
//! | `exchange` | what the producer takes and gives back |

mod batch;
mod error;
mod exchange;
mod partitioner;
mod parts;
mod sets;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use bytes::BytesMut;
use kafka08_proto::{
    api::check_topic_name,
    ids::{Offset, Text},
    message::EntryWriter,
};

pub use batch::{Appended, BatchId};
pub use error::AppendError;
pub use partitioner::{Choose, Partitioner};
pub use parts::PartIndex;

pub(crate) use batch::{Batch, Content};
pub(crate) use exchange::{Listing, Stuck, Wanted};
pub(crate) use topics::Leads;

use self::{
    batch::Open,
    partitioner::Choice,
    parts::{Part, Schedule},
    topics::{Asked, Topic},
};
use crate::{config::ProducerConfig, record::RecordRef, seed::Seed};

/// The size of an entry in bytes, without its key and its value.
const ENTRY_OVERHEAD: usize = 26;

/// Names a flush of an accumulator. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushId(u64);

/// Collects records into batches, one open batch for each partition.
///
/// `C` is what a batch carries for its outcome. It is created by `Default` when the batch opens, and handed back with
/// [`ProducerEvent::Ended`](crate::producer::ProducerEvent::Ended). Use `()` if nothing is to be carried.
///
/// # Waking
/// The machine of the producer sleeps until its `poll_timeout`. It must be woken earlier when [`Appended::wake`] or
/// [`AppendError::wake`] says so, and after each [`Accumulator::flush`] and [`Accumulator::close`]. To wake it means: its
/// driver calls `exchange` and goes on. A wake-up must not be lost if the driver is not waiting at that moment. While one
/// is on its way, no other is asked for.
///
/// # Memory
/// The bytes of all batches together, open, waiting and in flight, stay within [`ProducerConfig::with_buffer`].
#[derive(Debug)]
pub struct Accumulator<C> {
    writer: EntryWriter,
    partitioner: Partitioner,
    topics: Vec<Topic>,
    by_name: BTreeMap<Box<str>, usize>,
    /// The topic of the last record, which is likely the next one's.
    last_topic: usize,
    parts: Vec<Part<C>>,
    schedule: Schedule,
    max_entry: usize,
    /// The bound of `charged`, and twice the bound of `stuck`.
    buffer: usize,
    /// The bytes of all batches.
    charged: usize,
    /// The bytes of batches of stuck partitions.
    stuck: usize,
    next_batch: u64,
    /// Batches whose records have not all ended.
    live: BTreeSet<BatchId>,
    /// Topics that have to be asked for.
    wanted: VecDeque<usize>,
    /// Flushes that were not handed to the producer, each with the first batch that it does not wait for.
    flushes: VecDeque<(FlushId, BatchId)>,
    next_flush: u64,
    closing: Option<Instant>,
    /// Somebody was refused for want of room, and was not told of room since.
    refused: bool,
    /// Whether the room of stuck partitions is kept for somebody.
    kept: Kept,
    /// The stuck partition that had no room last.
    refused_at: Option<PartIndex>,
    asleep: Asleep,
    /// Where the partitions of each topic begin to take turns.
    seed: Seed,
}

/// Whether the room of partitions that cannot be sent to at the moment is kept for somebody who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is not kept: whoever comes first gets it.
    No,
    /// It is kept: records for such partitions are refused as [`AppendError::Full`].
    Yes,
}

/// What is known of the producer's machine.
#[derive(Clone, Copy, Debug)]
enum Asleep {
    /// It looks by itself at this time, if there is one.
    Until(Option<Instant>),
    /// It was told to wake, and has not looked since.
    No,
}

impl<C: Default> Accumulator<C> {
    /// Creates an accumulator. Give the same settings to its producer.
    #[must_use]
    pub fn new(config: &ProducerConfig) -> Self {
        Self {
            writer: EntryWriter::new(),
            partitioner: Partitioner::default(),
            topics: Vec::new(),
            by_name: BTreeMap::new(),
            last_topic: 0,
            parts: Vec::new(),
            schedule: Schedule::new(config),
            max_entry: config.max_entry(),
            buffer: config.buffer,
            charged: 0,
            stuck: 0,
            next_batch: 0,
            live: BTreeSet::new(),
            wanted: VecDeque::new(),
            flushes: VecDeque::new(),
            next_flush: 0,
            closing: None,
            refused: false,
            kept: Kept::No,
            refused_at: None,
            // The machine has not looked yet, so nobody knows when it will.
            asleep: Asleep::Until(None),
            seed: Seed::new(config.cluster.seed_or_zero()),
        }
    }

    /// Sets how the partition of a record is chosen that names none. Default: [`Partitioner::default`].
    #[must_use]
    pub fn with_partitioner(mut self, partitioner: Partitioner) -> Self {
        self.partitioner = partitioner;
        self
    }

    /// Copies a record into the open batch of its partition. Allocates nothing, except when a batch opens or grows.
    ///
    /// `now` is called only when a batch opens, because reading the clock costs more than copying a small record.
    ///
    /// # Errors
    /// After [`AppendError::Full`] and [`AppendError::UnknownTopic`], append again when the producer announces room or
    /// the topic. After the other errors the same record is refused again.
    #[inline]
    pub fn append(
        &mut self,
        now: impl FnOnce() -> Instant,
        record: RecordRef<'_>,
    ) -> Result<Appended<'_, C>, AppendError> {
        let topic = self.topic(record.topic)?;
        let at = self.place(topic, &record)?;
        let bytes = record.key.map_or(0, <[u8]>::len).saturating_add(record.value.map_or(0, <[u8]>::len));
        let entry = bytes.saturating_add(ENTRY_OVERHEAD);
        // Before a batch is opened: a refused record must not leave an empty one behind.
        self.admit(at, entry)?;

        let part = self.parts.get_mut(at.0).expect("a topic lists places that exist");
        let fits = part.open.as_ref().is_some_and(|open| open.bytes.len() + entry <= self.schedule.batch_size);
        // The clock is asked only here, because it costs more than a small record.
        if !fits {
            self.open(at, now(), entry);
        }
        let part = self.parts.get_mut(at.0).expect("a topic lists places that exist");
        let open = part.open.as_mut().expect("it was open or has been opened above");
        let index = open.records;
        self.writer
            .write(&mut open.bytes, Offset(i64::from(index)), record.key, record.value)
            .expect("an entry within the limits fits a batch");
        open.records += 1;
        // Three counts of the same bytes: of the partition, of the whole, and of what is stuck. All change together.
        part.bytes += entry;
        self.charged += entry;
        self.stuck += if part.stuck { entry } else { 0 };
        let full = open.bytes.len() >= self.schedule.batch_size;
        if full {
            self.schedule.renew(at, part);
        }
        // A record in an open batch changes no deadline, so nobody has to look at it.
        let wake = (full || !fits) && self.wakes();
        let part = self.parts.get(at.0).expect("a topic lists places that exist");
        let open = part.open.as_ref().expect("it was open or has been opened above");
        Ok(Appended { completion: &open.completion, batch: open.id, index, wake })
    }

    /// Makes all open batches ready, whatever their linger. The flush ends, with
    /// [`ProducerEvent::Flushed`](crate::producer::ProducerEvent::Flushed), when every record that was appended before
    /// has ended. Records that were refused are not waited for.
    ///
    /// Always wake the producer's machine after this.
    pub fn flush(&mut self) -> FlushId {
        let id = FlushId(self.next_flush);
        self.next_flush += 1;
        // Batches that open later have greater numbers, so the flush does not wait for them.
        self.flushes.push_back((id, BatchId(self.next_batch)));
        self.force();
        // The caller wakes the machine in any case, so appends need not do so again.
        self.asleep = Asleep::No;
        id
    }

    /// Refuses records from now on, and makes all open batches ready. What has not ended at `deadline` ends as
    /// [`ProduceCause::Aborted`](crate::producer::ProduceCause::Aborted). A second call can only shorten the time.
    ///
    /// Always wake the producer's machine after this.
    pub fn close(&mut self, deadline: Instant) {
        self.closing = Some(self.closing.map_or(deadline, |earlier| earlier.min(deadline)));
        self.force();
        self.asleep = Asleep::No;
    }

    /// The position of a topic whose partitions are known.
    #[inline]
    fn topic(&mut self, name: &str) -> Result<usize, AppendError> {
        if self.closing.is_some() {
            return Err(AppendError::Closed);
        }
        // Most records go to the topic of the record before, which saves the look-up.
        let last = self.topics.get(self.last_topic);
        if last.is_some_and(|last| last.name == *name && last.len() != 0) {
            return Ok(self.last_topic);
        }
        self.look_up(name)
    }

    #[cold]
    fn look_up(&mut self, name: &str) -> Result<usize, AppendError> {
        let at = match self.by_name.get(name) {
            Some(&at) => at,
            None => {
                // An invalid name would spoil the answer for all other topics, so it must not be asked for (T6).
                check_topic_name(name).map_err(AppendError::Topic)?;
                self.add_topic(name)
            }
        };
        let topic = self.topics.get_mut(at).expect("names lead to topics");
        self.last_topic = at;
        if topic.len() != 0 {
            return Ok(at);
        }
        match topic.asked {
            Asked::No => {
                topic.asked = Asked::Soon;
                self.wanted.push_back(at);
            }
            Asked::Before => topic.asked = Asked::Again,
            Asked::Soon | Asked::Again => {}
        }
        Err(AppendError::UnknownTopic { wake: self.wakes() })
    }

    fn place(&mut self, topic: usize, record: &RecordRef<'_>) -> Result<PartIndex, AppendError> {
        let Self { topics, parts, partitioner, .. } = self;
        let topic = topics.get_mut(topic).expect("it was looked up");
        let is_stuck = |at: PartIndex| parts.get(at.0).is_some_and(|part| part.stuck);
        let position = match record.partition {
            Some(partition) => topic.position(partition).ok_or(AppendError::NoSuchPartition)?,
            None => match partitioner.choose(topic, record, is_stuck) {
                Choice::At(position) => position,
                Choice::None => return Err(AppendError::NoSuchPartition),
                Choice::KeyNotUtf8 => return Err(AppendError::KeyNotUtf8),
            },
        };
        topic.part(position).ok_or(AppendError::NoSuchPartition)
    }

    /// Refuses a record that is too large, or that has no room.
    #[inline]
    fn admit(&mut self, at: PartIndex, entry: usize) -> Result<(), AppendError> {
        if entry > self.max_entry {
            return Err(AppendError::TooLarge { entry, max: self.max_entry });
        }
        self.make_room(at, entry)
    }

    #[inline]
    fn make_room(&mut self, at: PartIndex, bytes: usize) -> Result<(), AppendError> {
        let stuck = self.parts.get(at.0).is_some_and(|part| part.stuck);
        // One dead leader must not take the room of all others.
        if stuck && (self.kept == Kept::Yes || self.stuck + bytes > self.buffer / 2) {
            self.refused = true;
            self.refused_at = Some(at);
            return Err(AppendError::Full { stuck: true, wake: false });
        }
        let charged = self.charged;
        #[cfg(kafka08_canary)]
        let charged = kafka08_proto::canary::KeepsRoom.pick(charged + kafka08_proto::canary::kept(), charged);
        if charged + bytes > self.buffer {
            self.refused = true;
            // Batches that linger hold the room that this record needs.
            self.force();
            return Err(AppendError::Full { stuck: false, wake: self.wakes() });
        }
        Ok(())
    }

    /// Opens a batch, in place of the one that is open.
    #[cold]
    fn open(&mut self, at: PartIndex, now: Instant, entry: usize) {
        let id = self.next_id();
        let part = self.parts.get_mut(at.0).expect("a topic lists places that exist");
        if part.open.is_some() {
            part.close();
            self.topics.get_mut(part.topic).expect("a partition has a topic").unstick(at);
        }
        // The buffer grows by doubling, so that the first batches of many partitions stay small.
        let bytes = BytesMut::with_capacity(part.last_size.max(entry));
        part.open = Some(Open { id, opened: now, bytes, records: 0, completion: C::default() });
        self.schedule.renew(at, part);
    }

    fn next_id(&mut self) -> BatchId {
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        self.live.insert(id);
        id
    }

    /// Makes every batch ready that is open now.
    fn force(&mut self) {
        self.schedule.forced = self.next_batch.checked_sub(1).map(BatchId);
        self.schedule.end_lingers(&mut self.parts, None);
    }

    fn add_topic(&mut self, name: &str) -> usize {
        let turn = usize::try_from(self.seed.below(1 << 16)).expect("it is below 2^16");
        self.topics.push(Topic::new(Text::from(name), turn));
        self.by_name.insert(name.into(), self.topics.len() - 1);
        self.topics.len() - 1
    }

    /// Whether the machine has to be woken, because it would look too late by itself.
    fn wakes(&mut self) -> bool {
        let Asleep::Until(until) = self.asleep else { return false };
        let earlier = self.schedule.due().is_some_and(|due| until.is_none_or(|until| due < until));
        let wake = earlier || self.schedule.has_ready() || !self.wanted.is_empty();
        // Said once. Until the machine sleeps again, it will see the rest by itself.
        if wake {
            self.asleep = Asleep::No;
        }
        wake
    }
}

impl<C> Accumulator<C> {
    /// The bytes of all batches: open, waiting, and in flight.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.charged
    }

    /// Sets whether the room of partitions that cannot be sent to at the moment is kept. Handles keep it for the caller
    /// who has waited the longest, so that no other overtakes. Default: [`Kept::No`].
    pub fn keep_stuck_room(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// The partition that the last record was for that was refused with [`AppendError::Full`] and `stuck`. Callers that wait for
    /// the same partition need not all try when there may be room.
    #[must_use]
    pub fn refused_at(&self) -> Option<PartIndex> {
        self.refused_at
    }

    /// Whether the accumulator was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing.is_some()
    }
}

#[cfg(test)]
mod tests;
