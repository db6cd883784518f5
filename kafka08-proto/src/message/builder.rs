//! Building a message set: one copy of each key and value, checksum included.

use std::fmt;

use bytes::BytesMut;

use super::{
    Codec, Deflater, ENTRY_HEADER, EntryWriter, MessageSet, MissingFeature, Origin, SMALLEST_MESSAGE, SetFull,
    set::Built,
};
use crate::ids::Offset;

/// Builds a set to produce, or one to answer a fetch with.
///
/// Offsets are written as 0, 1, 2, …, as the Scala producer of 0.8 does; a broker overwrites them.
///
/// A builder can be used again: [`MessageSetBuilder::take`] gives the set, and the next one is built in the same memory if
/// the set is gone by then.
#[derive(Debug)]
pub struct MessageSetBuilder {
    writer: EntryWriter,
    bytes: BytesMut,
    messages: usize,
    /// The largest entry, in bytes.
    largest: usize,
    first: Offset,
    next: Offset,
    origin: Origin,
    /// Bytes to make room for before the first message.
    capacity: usize,
}

impl Default for MessageSetBuilder {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

/// Why a set could not be compressed. Build it plain, or in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressError {
    /// This build lacks the codec.
    Missing(MissingFeature),
    /// It does not fit the wire even when compressed.
    Full(SetFull),
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(error) => write!(f, "{error}"),
            Self::Full(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CompressError {}

impl MessageSetBuilder {
    /// A builder of a set to produce, with room for this many bytes. A message takes 26 bytes beside its key and value.
    /// Within the capacity, building a set allocates once.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            writer: EntryWriter::new(),
            bytes: BytesMut::new(),
            messages: 0,
            largest: 0,
            first: Offset(0),
            next: Offset(0),
            origin: Origin::Produced,
            capacity: bytes,
        }
    }

    /// A set as a broker would send it, with absolute offsets from `first` on.
    #[must_use]
    pub fn fetched_from(first: Offset) -> Self {
        Self { first, next: first, origin: Origin::Fetched, ..Self::default() }
    }

    /// Appends a message. `None` is null, which is not the same as empty.
    ///
    /// # Errors
    /// The set would exceed 2^31 - 1 bytes.
    #[inline(always)]
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), SetFull> {
        if self.messages == 0 {
            self.bytes.reserve(self.capacity);
        }
        let entry = self.writer.write(&mut self.bytes, self.next, key, value)?;
        self.largest = self.largest.max(entry);
        self.next = self.next.next();
        self.messages += 1;
        Ok(())
    }

    /// Messages so far.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Forgets the messages so far, and keeps the memory.
    pub fn clear(&mut self) {
        self.capacity = self.capacity.max(self.bytes.len());
        self.bytes.clear();
        self.start_anew();
    }

    /// The set; the builder begins another one, with the same first offset. If this set and all that shares its memory are
    /// dropped before the next [`MessageSetBuilder::push`], the next set of at most this size is built without allocation.
    #[must_use]
    pub fn take(&mut self) -> MessageSet {
        self.capacity = self.capacity.max(self.bytes.len());
        let set = MessageSet::built(self.bytes.split().freeze(), self.origin, self.mark(None));
        self.start_anew();
        set
    }

    fn start_anew(&mut self) {
        (self.messages, self.largest, self.next) = (0, 0, self.first);
    }

    fn mark(&self, codec: Option<Codec>) -> Built {
        Built { messages: small(self.messages), largest: small(self.largest), codec }
    }

    /// The set.
    #[must_use]
    pub fn build(self) -> MessageSet {
        let mark = self.mark(None);
        MessageSet::built(self.bytes.freeze(), self.origin, mark)
    }

    /// The set as one compressed entry, whose offset is that of its last message. Without messages it is an empty set.
    ///
    /// For compacted topics build a plain one: log compaction of 0.8 fails on compressed sets.
    ///
    /// # Errors
    /// The build lacks the codec; or the set does not fit the wire even when compressed.
    pub fn build_compressed(mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        self.take_compressed(codec, deflater)
    }

    /// [`MessageSetBuilder::build_compressed`] of a builder that is used again.
    ///
    /// # Errors
    /// As there. The messages are kept: build the set plain, or with another codec.
    pub fn take_compressed(&mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        if self.messages == 0 {
            return Ok(self.take());
        }
        let value = deflater.deflate(codec, &self.bytes).map_err(CompressError::Missing)?;
        let last = Offset(self.next.0 - 1);
        let mut bytes = BytesMut::with_capacity(value.len().saturating_add(ENTRY_HEADER + SMALLEST_MESSAGE));
        let entry = self.writer.write_any(&mut bytes, last, codec.attributes(), None, Some(&value));
        let mark = Built { largest: small(entry.map_err(CompressError::Full)?), ..self.mark(Some(codec)) };
        self.clear();
        Ok(MessageSet::built(bytes.freeze(), self.origin, mark))
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a set has at most 2^31 - 1 bytes, and fewer messages")
}
