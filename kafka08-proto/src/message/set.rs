//! An encoded message set.

use std::fmt;

use bytes::Bytes;

use super::{Codec, Entries, MessageSetBuilder};

/// The encoded messages of one partition. A set is parsed on demand.
///
/// A set from a response is a slice of the response frame and keeps the memory of the frame alive. Cloning is cheap.
/// `Debug` prints the origin and the length, but no messages.
#[derive(Clone)]
pub struct MessageSet {
    bytes: Bytes,
    origin: Origin,
    /// Facts from the builder, if a `MessageSetBuilder` built this set. `inspect` uses these facts and does not read
    /// the set again.
    built: Option<Built>,
}

/// Facts about a set that a `MessageSetBuilder` has built. Such a set is complete and valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Built {
    /// The number of messages.
    // `u32` is large enough, because a set has at most 2^31 - 1 bytes. `MessageSet` is moved often, so it is kept
    // small.
    pub(super) messages: u32,
    /// The size of the largest entry, in bytes.
    pub(super) largest: u32,
    /// The codec of the only entry; `None` if the set is not compressed.
    pub(super) codec: Option<Codec>,
}

/// Compares the bytes and the origin. The field `built` is ignored.
impl PartialEq for MessageSet {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.origin == other.origin
    }
}

impl Eq for MessageSet {}

/// Who wrote the offsets of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Origin {
    /// A broker wrote the offsets. They are absolute and ascend.
    #[default]
    Fetched,
    /// A producer wrote the offsets. They have no meaning, and the broker replaces them.
    Produced,
}

impl MessageSet {
    /// Creates a set from encoded bytes. The bytes are not checked here; [`MessageSet::entries`] reports errors.
    #[must_use]
    pub const fn new(bytes: Bytes, origin: Origin) -> Self {
        Self { bytes, origin, built: None }
    }

    pub(super) const fn built(bytes: Bytes, origin: Origin, built: Built) -> Self {
        Self { bytes, origin, built: Some(built) }
    }

    pub(super) const fn mark(&self) -> Option<Built> {
        self.built
    }

    /// Creates a builder of sets to produce.
    #[must_use]
    pub fn builder() -> MessageSetBuilder {
        MessageSetBuilder::default()
    }

    /// Creates a set to produce with one message. The message has this value and a null key.
    ///
    /// # Panics
    /// Panics if the set would exceed 2^31 - 1 bytes. [`MessageSetBuilder::push`] returns an error instead.
    #[must_use]
    pub fn of_value(value: &[u8]) -> Self {
        let mut builder = Self::builder();
        builder.push(None, Some(value)).expect("a value of less than 2 GiB");
        builder.build()
    }

    /// Returns an iterator over the entries of the set. Iteration does not allocate memory.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self, 0)
    }

    /// Returns an iterator over the entries from a byte position on. Use a position that [`Entries::position`] has
    /// returned for this set. At a position after the end of the set, there are no entries.
    ///
    /// A caller that stores this position instead of [`Entries`] does not have to borrow the set.
    #[must_use]
    pub fn entries_at(&self, position: usize) -> Entries<'_> {
        Entries::new(self, position)
    }

    /// Returns the complete entries of the set, as a set to produce. An incomplete entry at the end, or bytes at the
    /// end that cannot be read, are left out.
    ///
    /// A mirror or a proxy uses this method to produce fetched messages without decoding or decompressing them.
    /// Checksums are not verified.
    #[must_use]
    pub fn whole_entries(&self) -> Self {
        // The copy has the origin `Produced`, so the iteration does not check offsets. Entries that are out of order
        // are also complete entries.
        let mut entries = Self::new(self.bytes.clone(), Origin::Produced);
        let end = {
            let mut walk = entries.entries().without_crc();
            while walk.next().is_some() {}
            walk.position()
        };
        entries.bytes.truncate(end);
        entries
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Who wrote the offsets of the set.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the set has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Converts a key or value of this set to `Bytes`. If `part` is a slice of this set, the result shares the memory
    /// of the set. Otherwise the result is a copy, for example for a message of a compressed entry.
    #[must_use]
    pub fn share(&self, part: &[u8]) -> Bytes {
        // `Bytes::slice_ref` panics if the part is not in the set. The peer decides whether an entry is compressed, so
        // the peer could cause this panic. If the part is at a lower address than the set, the subtraction wraps to a
        // start that is too large.
        let start = part.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr());
        match start.checked_add(part.len()) {
            Some(end) if end <= self.bytes.len() && !part.is_empty() => self.bytes.slice(start..end),
            _ => Bytes::copy_from_slice(part),
        }
    }
}

impl fmt::Debug for MessageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageSet({:?}, {} bytes)", self.origin, self.bytes.len())
    }
}
