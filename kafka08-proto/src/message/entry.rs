//! The values that readers of a message set return.

use std::fmt;

use super::{MessageProblem, Origin};
use crate::ids::Offset;

/// One message, borrowed from its set.
///
/// A null key or value differs from an empty one. A null value marks a deletion in a compacted topic.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The message's position in the log. In a produced set it is any number that the producer wrote.
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
    /// The offset of the last message inside, if the set was fetched.
    pub offset: Offset,
    /// The codec.
    pub codec: Codec,
    /// The compressed bytes.
    pub value: &'a [u8],
    /// The position of the entry, in bytes from the start of the set around it.
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
    /// LZ4 in a frame whose header checksum is Kafka's own. Of the 0.8 releases only 0.8.2 knows it.
    Lz4,
}

impl Codec {
    /// The codec that a message's attributes name; `None` if the message is not compressed.
    pub(super) fn from_attributes(attributes: u8) -> Result<Option<Self>, MessageProblem> {
        // 0.8.2 looks at three bits. Earlier releases look at two, so they take 4 for a message without compression.
        match attributes & 0b111 {
            0 => Ok(None),
            1 => Ok(Some(Self::Gzip)),
            2 => Ok(Some(Self::Snappy)),
            3 => Ok(Some(Self::Lz4)),
            unknown => Err(MessageProblem::Codec(unknown)),
        }
    }

    /// The attributes of a wrapper of this codec.
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
    /// A compressed set of messages, which is not opened.
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

/// The end of a message set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The set ends with its last entry.
    Clean,
    /// The set ends in the middle of an entry, because a broker cuts a set at `max_bytes`. This is not an error: fetch
    /// from the next offset.
    Cut {
        /// The size of the entry that is cut, in bytes. If no entry is in front of it, fetch again with a `max_bytes`
        /// of at least this. A peer may claim anything up to 2 GiB.
        ///
        /// `None` if the set ends before the entry's size. Then double `max_bytes`.
        needed: Option<i32>,
    },
    /// The set ends with filler, which is an entry of offset -1 that is cut and has zeros for a message.
    ///
    /// Brokers from 0.11 to 3.9 send filler if nothing of what they have read exists in the format of 0.8. Fetch from
    /// the next offset. A larger `max_bytes` does not help.
    Filler,
    /// The set ends at an entry whose size is invalid, because the entries behind it cannot be found. The entry was
    /// reported as [`MessageProblem::Size`].
    Corrupt {
        /// The offset behind the last entry that was read. If none was read, it is the offset at which the reader was
        /// told to start, or without one the offset that the invalid entry claims.
        offset: Offset,
    },
}

// Only lengths are shown, because messages may be secret and are often large.
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
