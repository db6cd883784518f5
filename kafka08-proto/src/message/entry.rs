//! The values that readers of a message set return.

use std::fmt;

use super::{MessageProblem, Origin};
use crate::ids::Offset;

/// One message, borrowed from its set.
///
/// A null key or value is not the same as an empty one. A null value marks a deletion in a compacted topic.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The offset of the message in the log. In a produced set, the producer chose this number, and it has no meaning.
    pub offset: Offset,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// A message whose value is a compressed message set.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wrapper<'a> {
    /// In a fetched set, the offset of the last message in the compressed set.
    pub offset: Offset,
    /// The codec.
    pub codec: Codec,
    /// The compressed bytes.
    pub value: &'a [u8],
    /// The position of the entry, in bytes from the start of the set that contains it.
    pub(super) at: usize,
    pub(super) origin: Origin,
}

/// A compression codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// gzip (RFC 1952).
    Gzip,
    /// snappy, usually in the framing of snappy-java.
    Snappy,
    /// LZ4 frames with a header checksum that is specific to Kafka. Of the 0.8 releases, only 0.8.2 supports this
    /// codec.
    Lz4,
}

impl Codec {
    /// Returns the codec from a message's attributes, or `None` if the message is not compressed.
    pub(super) fn from_attributes(attributes: u8) -> Result<Option<Self>, MessageProblem> {
        // 0.8.2 reads three bits. Earlier releases read two bits, so they treat the value 4 as uncompressed.
        match attributes & 0b111 {
            0 => Ok(None),
            1 => Ok(Some(Self::Gzip)),
            2 => Ok(Some(Self::Snappy)),
            3 => Ok(Some(Self::Lz4)),
            unknown => Err(MessageProblem::Codec(unknown)),
        }
    }

    /// Returns the attributes of a wrapper with this codec.
    pub(super) fn attributes(self) -> u8 {
        match self {
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
        })
    }
}

/// One entry of a message set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A message that is not compressed.
    Plain(Message<'a>),
    /// A compressed message set. It has not been decompressed.
    Compressed(Wrapper<'a>),
}

impl Entry<'_> {
    /// The offset of the message or wrapper.
    #[must_use]
    pub fn offset(&self) -> Offset {
        match self {
            Self::Plain(message) => message.offset,
            Self::Compressed(wrapper) => wrapper.offset,
        }
    }
}

/// How a message set ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The set ends with its last entry.
    Clean,
    /// The set ends in the middle of an entry, because a broker cuts a set at `max_bytes`. This is not an error: fetch
    /// from the next offset.
    Cut {
        /// The size of the entry that is cut, in bytes. If this entry is the first of the set, fetch again with a
        /// `max_bytes` of at least this size. The peer can send any value up to 2 GiB.
        ///
        /// `None` if the set ends before the size field of the entry. In this case, double `max_bytes`.
        needed: Option<i32>,
    },
    /// The set ends with filler: an incomplete entry with the offset -1, whose message bytes are zeros.
    ///
    /// Brokers from 0.11 to 3.9 send filler if they cannot convert any of the data to the format of 0.8. Fetch from the
    /// next offset. A larger `max_bytes` does not help.
    Filler,
    /// Reading ends at an entry with an invalid size, because later entries cannot be found. The entry was reported as
    /// [`MessageProblem::Size`].
    Corrupt {
        /// The offset after the last entry that was read. If no entry was read, the start offset of the reader. If the
        /// reader has no start offset either, the offset in the invalid entry.
        offset: Offset,
    },
}

// `Debug` prints only lengths, because messages can be secret and are often large.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len =
            |part: Option<&[u8]>| part.map_or_else(|| "null".to_owned(), |bytes| format!("{} bytes", bytes.len()));
        write!(f, "Message(offset {}, key {}, value {})", self.offset, len(self.key), len(self.value))
    }
}

impl fmt::Debug for Wrapper<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapper(offset {}, {:?}, {} bytes)", self.offset, self.codec, self.value.len())
    }
}
