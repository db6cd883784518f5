//! A message set as it travels.

use std::fmt;

use bytes::Bytes;

use super::{Codec, Entries, MessageSetBuilder};

/// The messages of one partition, as they are on the wire: not parsed until asked, and never copied.
///
/// One from a response is a slice of its frame and keeps it alive. Cloning is cheap. `Debug` shows the length only.
#[derive(Clone)]
pub struct MessageSet {
    bytes: Bytes,
    origin: Origin,
    /// What is known of a set that was built here, which need not be walked or opened to be checked.
    built: Option<Built>,
}

/// What a builder knows of a set that it has built: it is whole and sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Built {
    /// Both fit: a set has at most 2^31 - 1 bytes. Sets are moved about, so that they are kept small.
    pub(super) messages: u32,
    /// The largest entry, in bytes.
    pub(super) largest: u32,
    /// How the only entry is compressed; `None` if the set is plain.
    pub(super) codec: Option<Codec>,
}

/// Bytes and origin are compared, not how the set came to be.
impl PartialEq for MessageSet {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.origin == other.origin
    }
}

impl Eq for MessageSet {}

/// Who wrote a set's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Origin {
    /// A broker: they are absolute and ascend.
    #[default]
    Fetched,
    /// A producer: they mean nothing, the broker will overwrite them.
    Produced,
}

impl MessageSet {
    /// A set of these bytes, which may be anything: [`MessageSet::entries`] tells.
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

    /// A builder of a set to produce.
    #[must_use]
    pub fn builder() -> MessageSetBuilder {
        MessageSetBuilder::default()
    }

    /// A set to produce that holds one message with this value and no key.
    ///
    /// # Panics
    /// If the value is about 2 GiB long; [`MessageSet::builder`] returns that as an error.
    #[must_use]
    pub fn of_value(value: &[u8]) -> Self {
        let mut builder = Self::builder();
        builder.push(None, Some(value)).expect("a value of less than 2 GiB");
        builder.build()
    }

    /// Its entries, in order. Iterating allocates nothing.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self, 0)
    }

    /// Its entries from a byte position on, where one must begin: what [`Entries::position`] gave, so that a reader need not
    /// keep its borrow of the set. Behind the set's end there are none.
    #[must_use]
    pub fn entries_at(&self, position: usize) -> Entries<'_> {
        Entries::new(self, position)
    }

    /// Its whole entries, without what is cut off or cannot be read behind them: what was fetched can be produced again as
    /// it is, compressed or not, without being decoded (mirrors, proxies). Only sizes are looked at, not checksums.
    #[must_use]
    pub fn whole_entries(&self) -> Self {
        let mut entries = Self::new(self.bytes.clone(), Origin::Produced);
        let end = {
            let mut walk = entries.entries().without_crc();
            while walk.next().is_some() {}
            walk.position()
        };
        entries.bytes.truncate(end);
        entries
    }

    /// The bytes as they are on the wire.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Who wrote its offsets.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A key or value as `Bytes`: it shares this set's memory if it lies in it, and is a copy otherwise, as for a message that
    /// came out of a compressed entry.
    #[must_use]
    pub fn share(&self, part: &[u8]) -> Bytes {
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
