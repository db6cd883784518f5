//! The lazy reader of a message set: the hot path of a consumer.

use std::fmt;

use super::{CRC, ENTRY_HEADER, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE};
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
    fn from_attributes(attributes: u8) -> Result<Option<Self>, MessageProblem> {
        match attributes & 0b111 {
            0 => Ok(None),
            1 => Ok(Some(Self::Gzip)),
            2 => Ok(Some(Self::Snappy)),
            3 => Ok(Some(Self::Lz4)),
            unknown => Err(MessageProblem::Codec(unknown)),
        }
    }

    /// The attributes of a message that is compressed with it.
    pub(super) fn attributes(self) -> i8 {
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
    /// At an entry whose size is impossible; it was reported as [`MessageProblem::Size`].
    Corrupt {
        /// The first offset that could not be read: the one after the last entry's, or what the entry claims if it is the
        /// set's first.
        offset: Offset,
    },
}

/// Iterates over the entries of a set, checking each one's checksum.
///
/// An entry that cannot be used is an error, once, and those behind it follow. When the iterator has ended,
/// [`Entries::tail`] says how the set did.
#[derive(Clone)]
pub struct Entries<'a> {
    set: &'a [u8],
    at: usize,
    origin: Origin,
    check_crc: bool,
    /// Offset of the last entry, of a fetched set.
    last: Option<Offset>,
    tail: Option<Tail>,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(set: &'a MessageSet) -> Self {
        Self { set: set.bytes(), at: 0, origin: set.origin(), check_crc: true, last: None, tail: None }
    }

    /// Does not compare checksums: for a set that this process has just built or checked.
    #[must_use]
    pub fn without_crc(mut self) -> Self {
        self.check_crc = false;
        self
    }

    /// How the set ends; `None` until the iterator has returned `None`.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// Where the next entry begins, in bytes from the set's start.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    fn end(&mut self, tail: Tail) {
        self.tail = Some(tail);
    }

    /// Reads the message of an entry that is here in full.
    fn read(&mut self, at: usize, offset: Offset, message: &'a [u8]) -> Result<Entry<'a>, MessageProblem> {
        let after = self.last.unwrap_or(Offset::NONE);
        if self.origin == Origin::Fetched && offset <= after {
            return Err(MessageProblem::NotAscending { after });
        }
        self.last = Some(offset);
        let (stored, covered) = split_u32(message).ok_or(MessageProblem::Size(0))?;
        if self.check_crc {
            let computed = crc32fast::hash(covered);
            if computed != stored {
                return Err(MessageProblem::Crc { stored, computed });
            }
        }
        let (key, value, codec) = parse(covered)?;
        match codec {
            None => Ok(Entry::Plain(Message { offset, key, value })),
            Some(codec) => {
                let value = value.ok_or(MessageProblem::ValueLength(-1))?;
                Ok(Entry::Compressed(Wrapper { offset, codec, value, at, origin: self.origin }))
            }
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.tail.is_some() {
            return None;
        }
        let at = self.at;
        let rest = self.set.get(at..).unwrap_or_default();
        let Some((offset, size, body)) = split_header(rest) else {
            self.end(if rest.is_empty() { Tail::Clean } else { Tail::Cut { needed: None } });
            return None;
        };
        let Some(size_of_message) = usize::try_from(size).ok().filter(|&n| n >= SMALLEST_MESSAGE) else {
            self.end(Tail::Corrupt { offset: self.last.map_or(offset, Offset::next) });
            return Some(Err(MessageError { offset, at, problem: MessageProblem::Size(size) }));
        };
        let Some(message) = body.get(..size_of_message) else {
            self.end(Tail::Cut { needed: Some(ENTRY_HEADER + size_of_message) });
            return None;
        };
        self.at = at + ENTRY_HEADER + size_of_message;
        Some(self.read(at, offset, message).map_err(|problem| MessageError { offset, at, problem }))
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("at", &self.at)
            .field("of", &self.set.len())
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

/// A message's key, value and codec.
type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<Codec>);

/// Everything behind the checksum. Bytes behind the value are ignored, as the broker does.
fn parse(covered: &[u8]) -> Result<Parts<'_>, MessageProblem> {
    let (&[magic, attributes], rest) = covered.split_first_chunk::<2>().ok_or(MessageProblem::Size(0))?;
    if magic != 0 {
        return Err(MessageProblem::Magic(i8::from_be_bytes([magic])));
    }
    let (key, rest) = split_nullable(rest).map_err(MessageProblem::KeyLength)?;
    let (value, _) = split_nullable(rest).map_err(MessageProblem::ValueLength)?;
    Ok((key, value, Codec::from_attributes(attributes)?))
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<CRC>()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn split_header(bytes: &[u8]) -> Option<(Offset, i32, &[u8])> {
    let (offset, rest) = bytes.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    Some((Offset(i64::from_be_bytes(*offset)), i32::from_be_bytes(*size), rest))
}

/// A length and as many bytes; -1 is null. The error is the length that does not fit.
fn split_nullable(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), i32> {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(0);
    };
    match i32::from_be_bytes(*len) {
        -1 => Ok((None, rest)),
        len => {
            let (data, rest) = usize::try_from(len).ok().and_then(|n| rest.split_at_checked(n)).ok_or(len)?;
            Ok((Some(data), rest))
        }
    }
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
