//! An encoded message set.

use std::fmt;

use bytes::Bytes;

use super::{Codec, Entries, MessageSetBuilder};

/// The messages of one partition, as encoded. A set is parsed on demand.
///
/// A set of a response is a slice of its frame and keeps the frame alive. Cloning is cheap. `Debug` shows the length
/// only.
#[derive(Clone)]
pub struct MessageSet {
    bytes: Bytes,
    origin: Origin,
    /// What the builder knows, if the set was built here. Such a set is checked before a produce without reading it
    /// again.
    built: Option<Built>,
}

/// What a builder knows about a set that it has built. Such a set is complete and valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Built {
    /// The number of messages.
    // `u32` holds both numbers, because a set has at most 2^31 - 1 bytes. Sets are moved often, so they are kept small.
    pub(super) messages: u32,
    /// The size of the largest entry, in bytes.
    pub(super) largest: u32,
    /// The codec of the only entry; `None` if the set is not compressed.
    pub(super) codec: Option<Codec>,
}

/// Compares bytes and origin. Whether a set was built here makes no difference.
impl PartialEq for MessageSet {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.origin == other.origin
    }
}

impl Eq for MessageSet {}

/// The writer of a set's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Origin {
    /// A broker wrote the offsets. They are absolute and ascend.
    #[default]
    Fetched,
    /// A producer wrote the offsets. They have no meaning, and the broker overwrites them.
    Produced,
}

impl MessageSet {
    /// Creates a set of these bytes without checking them. Errors are reported by [`MessageSet::entries`].
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

    /// Creates a set to produce that holds one message, with this value and a null key.
    ///
    /// # Panics
    /// If the set would exceed 2^31 - 1 bytes. [`MessageSetBuilder::push`] returns an error instead.
    #[must_use]
    pub fn of_value(value: &[u8]) -> Self {
        let mut builder = Self::builder();
        builder.push(None, Some(value)).expect("a value of less than 2 GiB");
        builder.build()
    }

    /// The entries of the set, in order. Iterating allocates nothing.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self, 0)
    }

    /// The entries from a byte position on, which must be one that [`Entries::position`] has returned for this set.
    /// Behind the end of the set there are none.
    ///
    /// A reader that stores the position instead of [`Entries`] does not borrow the set.
    #[must_use]
    pub fn entries_at(&self, position: usize) -> Entries<'_> {
        Entries::new(self, position)
    }

    /// The complete entries of the set, as a set to produce. What is cut, or cannot be read, at the end is left out.
    ///
    /// A mirror or a proxy uses it to produce what it has fetched, without decoding or decompressing it. Checksums are
    /// not compared.
    #[must_use]
    pub fn whole_entries(&self) -> Self {
        // The copy counts as produced, so that the walk does not check offsets. An entry that is out of order is
        // complete too.
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

    /// The writer of the offsets.
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

    /// Converts a key or value of this set to `Bytes`. The result shares the memory of the set if `part` lies in it.
    /// Otherwise, as for a message of a compressed entry, it is a copy.
    #[must_use]
    pub fn share(&self, part: &[u8]) -> Bytes {
        // `Bytes::slice_ref` would panic for a part that lies elsewhere, and the peer decides whether an entry is
        // compressed. For a part in front of the set, the subtraction wraps to a start that is too large.
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
