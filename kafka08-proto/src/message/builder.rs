//! A builder of message sets. It copies each key and value once.

use std::fmt;

use bytes::BytesMut;

use super::{
    Codec, Deflater, ENTRY_HEADER, EntryWriter, MessageSet, MissingFeature, Origin, SMALLEST_MESSAGE, SetFull,
    set::Built,
};
use crate::ids::Offset;

/// Builds a message set to produce, or a message set for a fetch response.
///
/// In a set to produce, the messages have the offsets 0, 1, 2 and so on, as with the Scala producer of 0.8. The broker
/// replaces these offsets.
///
/// A builder can be reused: [`MessageSetBuilder::take`] returns the set. The next set reuses the memory of the previous
/// set if the previous set has been dropped.
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

/// The message set could not be compressed. Build the set without compression, or split the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressError {
    /// The codec is not compiled in.
    Missing(MissingFeature),
    /// The compressed set is larger than 2^31 - 1 bytes.
    Full(SetFull),
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(error) => write!(f, "{error}"),
            // `SetFull` advises to send the set first. That does not help here, because this is the whole set.
            Self::Full(SetFull { entry }) => write!(
                f,
                "the compressed set would be an entry of {entry} bytes, more than the 2^31 - 1 bytes of a set: build it in parts"
            ),
        }
    }
}

impl std::error::Error for CompressError {}

impl MessageSetBuilder {
    /// Creates a builder of sets to produce, with a capacity in bytes. A message takes 26 bytes plus its key and value.
    /// Building a set that fits the capacity allocates memory once.
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

    /// Creates a builder of sets for a fetch response. The offsets are absolute and start at `first`.
    #[must_use]
    pub fn fetched_from(first: Offset) -> Self {
        Self { first, next: first, origin: Origin::Fetched, ..Self::default() }
    }

    /// Appends a message. `None` is null. A null key or value is not the same as an empty one.
    ///
    /// # Errors
    /// Returns an error if the set would exceed 2^31 - 1 bytes. In this case the message is not appended.
    #[inline(always)]
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), SetFull> {
        if self.messages == 0 {
            // Memory is reserved here and not in `take`, because at the time of `take` the caller still holds the
            // previous set. The memory of that set could not be reused.
            self.bytes.reserve(self.capacity);
        }
        let entry = self.writer.write(&mut self.bytes, self.next, key, value)?;
        self.largest = self.largest.max(entry);
        self.next = self.next.next();
        self.messages += 1;
        Ok(())
    }

    /// The number of messages in the current set.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The uncompressed size of the current set, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the current set has no messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Removes all messages from the current set, and keeps the memory.
    pub fn clear(&mut self) {
        self.capacity = self.capacity.max(self.bytes.len());
        self.bytes.clear();
        self.start_anew();
    }

    /// Returns the current set and starts a new set with the same first offset.
    ///
    /// Drop the returned set, and all `Bytes` that share its memory, before the next [`MessageSetBuilder::push`]. Then
    /// a next set of at most the same size is built without allocation.
    #[must_use]
    pub fn take(&mut self) -> MessageSet {
        // The next set probably has about the same size. `reserve` then reuses the memory of this set if no one holds
        // it.
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

    /// Compresses the messages and returns a set with one entry. The entry has the offset of the last message. If there
    /// are no messages, the returned set is empty.
    ///
    /// For a compacted topic use [`MessageSetBuilder::build`], because log compaction of 0.8 fails on compressed sets.
    ///
    /// # Errors
    /// Returns an error if the codec is not compiled in, or if the compressed set is larger than 2^31 - 1 bytes.
    pub fn build_compressed(mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        self.take_compressed(codec, deflater)
    }

    /// Returns the current set as [`MessageSetBuilder::build_compressed`] does, and starts a new set.
    ///
    /// # Errors
    /// Returns the errors of [`MessageSetBuilder::build_compressed`]. After an error the builder keeps the messages:
    /// take the set without compression, or with another codec.
    pub fn take_compressed(&mut self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        if self.messages == 0 {
            // A broker answers an empty compressed set with success and stores nothing.
            return Ok(self.take());
        }
        let value = deflater.deflate(codec, &self.bytes).map_err(CompressError::Missing)?;
        // The wrapper entry has the offset of its last message, as both official producers and the brokers write it.
        let last = Offset(self.next.0 - 1);
        // The compressed set has its own memory. Otherwise a small compressed set would keep the large uncompressed
        // buffer alive.
        let mut bytes = BytesMut::with_capacity(value.len().saturating_add(ENTRY_HEADER + SMALLEST_MESSAGE));
        let entry = self.writer.write_wrapper(&mut bytes, last, codec, &value);
        let mark = Built { largest: small(entry.map_err(CompressError::Full)?), ..self.mark(Some(codec)) };
        // The builder is cleared last, because it must keep the messages if there is an error above.
        self.clear();
        Ok(MessageSet::built(bytes.freeze(), self.origin, mark))
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a set has at most 2^31 - 1 bytes, and fewer messages")
}
