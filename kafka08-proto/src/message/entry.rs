//! What a message set consists of, as its readers give it.

use std::fmt;

use super::{MessageProblem, Origin};
use crate::ids::Offset;

/// One message, borrowed from its set.
///
/// Null and empty are different: a null value is a delete marker in a compacted topic.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Its position in the log; in a produced set, whatever the producer wrote.
    pub offset: Offset,
    /// Its key, or null.
    pub key: Option<&'a [u8]>,
    /// Its value, or null.
    pub value: Option<&'a [u8]>,
}

/// A message that holds a compressed message set.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wrapper<'a> {
    /// In a fetched set, the offset of its last inner message.
    pub offset: Offset,
    /// How it is compressed.
    pub codec: Codec,
    /// The compressed bytes.
    pub value: &'a [u8],
    /// Where its entry begins, in bytes from the start of the set around it.
    pub(super) at: usize,
    pub(super) origin: Origin,
}

/// How a wrapper is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// snappy, usually in the framing of snappy-java.
    Snappy,
    /// An LZ4 frame with a header checksum of Kafka's own. 0.8.2 only.
    Lz4,
}

impl Codec {
    /// The codec that a message's attributes name (0.8.2 looks at three bits, earlier releases at two).
    pub(super) fn from_attributes(attributes: u8) -> Result<Option<Self>, MessageProblem> {
        match attributes & 0b111 {
            0 => Ok(None),
            1 => Ok(Some(Self::Gzip)),
            2 => Ok(Some(Self::Snappy)),
            3 => Ok(Some(Self::Lz4)),
            unknown => Err(MessageProblem::Codec(unknown)),
        }
    }

    /// The attributes of a message that is compressed with it.
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
    /// A message.
    Plain(Message<'a>),
    /// A compressed set of messages, unopened.
    Compressed(Wrapper<'a>),
}

impl Entry<'_> {
    /// The entry's offset: the message's, or the wrapper's.
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
    /// With its last entry.
    Clean,
    /// In the middle of an entry, as every fetch that fills `max_bytes` does. Not an error: fetch on from the next offset.
    Cut {
        /// What the cut entry takes, in bytes from its start: if it was the set's first, `max_bytes` must be at least
        /// this. A peer may claim anything up to 2 GiB. `None` if not even its size arrived: double `max_bytes`.
        needed: Option<usize>,
    },
    /// With filler: an entry of offset -1 that is cut, with zeros for a message. Brokers from 0.11 to 3.9 send it where what
    /// they read converts to nothing in the format of 0.8. Fetch on from the next offset; a larger `max_bytes` does not help.
    Filler,
    /// At an entry whose size is impossible; it was reported as [`MessageProblem::Size`].
    Corrupt {
        /// The first offset that could not be read: the one after the last entry's. If nothing was read, it is the offset
        /// that the reader was told to start at, and without one what the entry claims.
        offset: Offset,
    },
}

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
