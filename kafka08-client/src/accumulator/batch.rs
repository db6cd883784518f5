//! Batches: open for records, or closed.

use std::{fmt, time::Instant};

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    ids::TopicPartition,
    message::{Budget, Entry, MessageSet, Origin, SetProblem, Tail},
};

use super::parts::PartIndex;

/// Names a batch of a producer. Later batches have higher numbers, and numbers are never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub(crate) u64);

impl BatchId {
    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}", self.0)
    }
}

/// A record or set that was appended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Appended<'a, C> {
    /// What the batch carries for its outcome.
    pub completion: &'a C,
    /// The batch.
    pub batch: BatchId,
    /// The position of the record in its batch. 0 for a set, which is a batch of its own.
    pub index: u32,
    /// Wake the producer's machine.
    pub wake: bool,
}

/// A batch that takes records.
#[derive(Debug)]
pub(super) struct Open<C> {
    pub(super) id: BatchId,
    pub(super) opened: Instant,
    pub(super) bytes: BytesMut,
    pub(super) records: u32,
    pub(super) completion: C,
}

/// What a batch has besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Records that were appended one by one. They may be compressed.
    Records,
    /// A set without compressed entries, which is sent as it is.
    Set,
    /// A set with compressed entries, so that the number of its messages is not known.
    CompressedSet,
}

/// A batch that takes no more records.
#[derive(Debug)]
pub(crate) struct Batch<C> {
    pub(crate) id: BatchId,
    pub(crate) part: PartIndex,
    pub(crate) to: TopicPartition,
    pub(crate) opened: Instant,
    pub(crate) completion: C,
    /// The number of entries. A compressed entry counts as one.
    pub(crate) records: u32,
    pub(crate) content: Content,
    pub(crate) bytes: Bytes,
}

/// A batch in the queue of its partition. Where it goes is known by the partition.
#[derive(Debug)]
pub(super) struct Closed<C> {
    pub(super) id: BatchId,
    pub(super) opened: Instant,
    pub(super) completion: C,
    pub(super) records: u32,
    pub(super) content: Content,
    pub(super) bytes: Bytes,
}

impl<C> From<Open<C>> for Closed<C> {
    fn from(open: Open<C>) -> Self {
        let Open { id, opened, bytes, records, completion } = open;
        Self { id, opened, completion, records, content: Content::Records, bytes: bytes.freeze() }
    }
}

impl<C> Closed<C> {
    pub(super) fn addressed(self, part: PartIndex, to: TopicPartition) -> Batch<C> {
        let Self { id, opened, completion, records, content, bytes } = self;
        Batch { id, part, to, opened, completion, records, content, bytes }
    }
}

/// What a walk over a set has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) entries: u32,
    /// The size of the largest entry in bytes.
    pub(super) largest: usize,
    pub(super) content: Content,
}

/// Counts the entries of a set. Compressed entries are not opened, and checksums are not verified: a mirror passes on
/// what it has fetched, and a broker verifies it.
pub(super) fn walk(set: &MessageSet) -> Result<Walked, SetProblem> {
    if let Some(messages) = set.known_messages() {
        return built(set, messages);
    }
    // A producer's offsets mean nothing, so those of a fetched set are not looked at either.
    let unordered = MessageSet::new(set.bytes().clone(), Origin::Produced);
    let mut entries = unordered.entries().without_crc();
    let mut found = Walked { entries: 0, largest: 0, content: Content::Set };
    let mut from = 0;
    while let Some(entry) = entries.next() {
        if let Entry::Compressed(_) = entry.map_err(SetProblem::Corrupt)? {
            found.content = Content::CompressedSet;
        }
        found.entries += 1;
        found.largest = found.largest.max(entries.position() - from);
        from = entries.position();
    }
    match entries.tail() {
        _ if set.is_empty() => Err(SetProblem::Empty),
        Some(Tail::Clean) => Ok(found),
        _ => Err(SetProblem::Cut),
    }
}

/// What is known of a set that a builder has made. Its bytes are not read again.
fn built(set: &MessageSet, messages: usize) -> Result<Walked, SetProblem> {
    // Nothing is decompressed, so nothing is taken from the budget.
    let found = set.inspect(&mut Budget::new(0))?;
    let (messages, content) = if found.codecs.is_empty() {
        (messages, Content::Set)
    } else {
        // All its messages are in one compressed entry.
        (1, Content::CompressedSet)
    };
    let entries = u32::try_from(messages).expect("a set has less than 2^31 bytes, and fewer messages");
    Ok(Walked { entries, largest: found.largest, content })
}
