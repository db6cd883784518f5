//! Building a message set: one copy of each key and value, checksum included.

use std::fmt;

use bytes::{BufMut as _, BytesMut};

use super::{CRC, Codec, Deflater, ENTRY_HEADER, MessageSet, MissingFeature, Origin, SMALLEST_MESSAGE};
use crate::ids::Offset;

/// Builds a set to produce, or one to answer a fetch with.
///
/// Offsets are written as 0, 1, 2, …, as the Scala producer of 0.8 does; a broker overwrites them.
#[derive(Debug, Default)]
pub struct MessageSetBuilder {
    bytes: BytesMut,
    messages: usize,
    next: Offset,
    origin: Option<Origin>,
}

/// The set would be larger than the wire can hold, which is 2^31 - 1 bytes. The message was not added: send the set
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetFull {
    /// What the message would have added, in bytes.
    pub entry: usize,
}

impl fmt::Display for SetFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of {} bytes does not fit the set, which holds 2^31 - 1: send the set first", self.entry)
    }
}

impl std::error::Error for SetFull {}

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

impl std::error::Error for CompressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(error) => Some(error),
            Self::Full(error) => Some(error),
        }
    }
}

impl MessageSetBuilder {
    /// A set as a broker would send it, with absolute offsets from `first` on.
    #[must_use]
    pub fn fetched_from(first: Offset) -> Self {
        Self { next: first, origin: Some(Origin::Fetched), ..Self::default() }
    }

    /// Appends a message. `None` is null, which is not the same as empty.
    ///
    /// # Errors
    /// The set would exceed 2^31 - 1 bytes.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), SetFull> {
        put_entry(&mut self.bytes, self.next, 0, key, value)?;
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

    /// The set.
    #[must_use]
    pub fn build(self) -> MessageSet {
        MessageSet::new(self.bytes.freeze(), self.origin.unwrap_or(Origin::Produced))
    }

    /// The set as one compressed entry, whose offset is that of its last message. Without messages it is an empty set.
    ///
    /// For compacted topics build a plain one: log compaction of 0.8 fails on compressed sets.
    ///
    /// # Errors
    /// The build lacks the codec; or the set does not fit the wire even when compressed.
    pub fn build_compressed(self, codec: Codec, deflater: &mut Deflater) -> Result<MessageSet, CompressError> {
        let origin = self.origin.unwrap_or(Origin::Produced);
        let mut bytes = BytesMut::new();
        if self.messages > 0 {
            let value = deflater.deflate(codec, &self.bytes).map_err(CompressError::Missing)?;
            let last = Offset(self.next.0 - 1);
            put_entry(&mut bytes, last, codec.attributes(), None, Some(&value)).map_err(CompressError::Full)?;
        }
        Ok(MessageSet::new(bytes.freeze(), origin))
    }
}

/// Appends an entry.
fn put_entry(
    to: &mut BytesMut,
    offset: Offset,
    attributes: i8,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), SetFull> {
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let size = SMALLEST_MESSAGE.saturating_add(len(key)).saturating_add(len(value));
    let entry = size.saturating_add(ENTRY_HEADER);
    let full = SetFull { entry };
    i32::try_from(to.len().saturating_add(entry)).map_err(|_| full)?;
    let size = i32::try_from(size).map_err(|_| full)?;

    to.reserve(entry);
    to.put_i64(offset.0);
    to.put_i32(size);
    let crc_at = to.len();
    to.put_u32(0);
    to.put_i8(0);
    to.put_i8(attributes);
    put_nullable(to, key);
    put_nullable(to, value);
    if let Some((crc, covered)) = to.get_mut(crc_at..).and_then(|message| message.split_first_chunk_mut::<CRC>()) {
        *crc = crc32fast::hash(covered).to_be_bytes();
    }
    Ok(())
}

fn put_nullable(to: &mut BytesMut, part: Option<&[u8]>) {
    match part {
        None => to.put_i32(-1),
        Some(bytes) => {
            to.put_i32(i32::try_from(bytes.len()).expect("the entry's size, which is larger, fits an i32"));
            to.put_slice(bytes);
        }
    }
}
