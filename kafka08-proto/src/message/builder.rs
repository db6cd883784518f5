//! The builder of message sets, which copies each key and value once.

use std::fmt;

use bytes::BytesMut;

use super::{
    Codec, Deflater, ENTRY_HEADER, EntryWriter, MessageSet, MissingFeature, Origin, SMALLEST_MESSAGE, SetFull,
    set::Built,
};
use crate::ids::Offset;

/// Builds a set to produce, or a set to answer a fetch with.
///
/// The offsets of a set to produce are 0, 1, 2 and so on, as the Scala producer of 0.8 writes them. A broker overwrites
/// them.
///
/// A builder can be used again: [`MessageSetBuilder::take`] returns the set, and the next set is built in the same
/// memory if the former one has been dropped.
#[derive(Debug)]
pub struct MessageSetBuilder {
    writer: EntryWriter,
    bytes: BytesMut,
    /// The number of messages in `bytes`.
    messages: usize,
    /// The size of the largest entry in `bytes`, in bytes.
    largest: usize,
    /// The offset of the first message of each set.
    first: Offset,
    /// The offset of the next message.
    next: Offset,
    origin: Origin,
    /// The number of bytes to reserve before the first message of a set.
    capacity: usize,
}

impl Default for MessageSetBuilder {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

/// A set could not be compressed. Build it without compression, or in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressError {
    /// This build lacks the codec.
    Missing(MissingFeature),
    /// The compressed set is larger than 2^31 - 1 bytes.
    Full(SetFull),
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(error) => write!(f, "{error}"),
            // The advice of `SetFull`, to send the set first, does not help: this is the whole set.
            Self::Full(SetFull { entry }) => write!(
                f,
                "the compressed set would be an entry of {entry} bytes, more than the 2^31 - 1 bytes of a set: build it in parts"
            ),
        }
    }
}

impl std::error::Error for CompressError {}

impl MessageSetBuilder {
    /// Creates a builder of sets to produce, with room for this many bytes. A message takes 26 bytes besides its key
    /// and value. Building a set within the capacity allocates once.
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

    /// Creates a builder of sets as a broker sends them, with absolute offsets from `first` on.
    #[must_use]
    pub fn fetched_from(first: Offset) -> Self {
        Self { first, next: first, origin: Origin::Fetched, ..Self::default() }
    }

    /// Appends a message. `None` is null, which differs from an empty key or value.
    ///
    /// # Errors
    /// The set would exceed 2^31 - 1 bytes. The message was not appended.
    #[inline(always)]
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), SetFull> {
        if self.messages == 0 {
            // Memory is reserved here and not in `take`, because then the caller still holds the set whose memory is to
            // be used again.
            self.bytes.reserve(self.capacity);
        }
        let entry = self.writer.write(&mut self.bytes, self.next, key, value)?;
        self.largest = self.largest.max(entry);
        self.next = self.next.next();
        self.messages += 1;
        Ok(())
    }

    /// The number of messages that were pushed since the last set.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The size of the set so far, in bytes and without compression.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was pushed since the last set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Drops the messages that were pushed, and keeps the memory.
    pub fn clear(&mut self) {
        self.capacity = self.capacity.max(self.bytes.len());
        self.bytes.clear();
        self.start_anew();
    }

    /// Returns the set and begins another one, with the same first offset.
    ///
    /// If this set and everything that shares its memory are dropped before the next [`MessageSetBuilder::push`], a
    /// next set of at most this size is built without allocation.
    #[must_use]
    pub fn take(&mut self) -> MessageSet {
        // The next set is likely to be about as large. `reserve` then finds the memory of this one, if it is free.
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

    /// Returns the set.
    #[must_use]
    pub fn build(self) -> MessageSet {
        let mark = self.mark(None);
        MessageSet::built(self.bytes.freeze(), self.origin, mark)
    }

    /// Returns the set as one compressed entry, whose offset is that of its last message. Without messages the set is
    /// empty.
    ///
    /// For a compacted topic use [`MessageSetBuilder::build`], because log compaction of 0.8 fails on compressed sets.
    ///
    /// # Errors
    /// The build lacks the codec, or the compressed set is larger than 2^31 - 1 bytes.
    pub fn build_compressed(mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        self.take_compressed(codec, deflater)
    }

    /// Returns the set as [`MessageSetBuilder::build_compressed`] does, and begins another one.
    ///
    /// # Errors
    /// The errors of [`MessageSetBuilder::build_compressed`]. The messages are kept: take the set without compression,
    /// or with another codec.
    pub fn take_compressed(&mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        if self.messages == 0 {
            // A wrapper without messages would be answered with success and store nothing.
            return Ok(self.take());
        }
        let value = deflater.deflate(codec, &self.bytes).map_err(CompressError::Missing)?;
        // Both official producers give the wrapper the offset of its last message, and brokers do so too.
        let last = Offset(self.next.0 - 1);
        // The set does not share the builder's memory, because a small compressed set would keep the memory of a large
        // plain one alive.
        let mut bytes = BytesMut::with_capacity(value.len().saturating_add(ENTRY_HEADER + SMALLEST_MESSAGE));
        let entry = self.writer.write_any(&mut bytes, last, codec.attributes(), None, Some(&value));
        let mark = Built { largest: small(entry.map_err(CompressError::Full)?), ..self.mark(Some(codec)) };
        // The builder is cleared last, because the caller keeps the messages after an error.
        self.clear();
        Ok(MessageSet::built(bytes.freeze(), self.origin, mark))
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a set has at most 2^31 - 1 bytes, and fewer messages")
}
