//! A writer of entries. It copies each key and value once.

use std::fmt;

use bytes::{BufMut as _, BytesMut};
use crc32fast::Hasher;

use super::{Codec, ENTRY_HEADER, SMALLEST_MESSAGE};
use crate::ids::Offset;

/// The number of bytes of an entry before its key: offset, size, checksum, magic, attributes, length of the key.
const FRONT: usize = ENTRY_HEADER + 10;
/// The size of an entry with a null key and an empty value.
const SMALLEST_ENTRY: usize = ENTRY_HEADER + SMALLEST_MESSAGE;
/// The maximum size of a set, in bytes. The size is encoded as an `i32`.
const LARGEST_SET: usize = i32::MAX as usize;
/// The number of bytes that the checksum covers, without the key and the value: magic, attributes and two lengths.
const COVERED: usize = 10;
/// The maximum length of a key, in bytes, that is copied to a buffer together with the bytes around it. One checksum
/// update then covers the buffer.
const SHORT_KEY: usize = 64;

/// The set would be larger than 2^31 - 1 bytes, the maximum that can be encoded. The message was not added. Send the
/// set first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetFull {
    /// The size of the message's entry, in bytes.
    pub entry: usize,
}

impl fmt::Display for SetFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an entry of {} bytes would make the set larger than 2^31 - 1 bytes: send the set first", self.entry)
    }
}

impl std::error::Error for SetFull {}

/// Appends entries to buffers of the caller. A [`MessageSetBuilder`](super::MessageSetBuilder) contains one writer and
/// one buffer.
///
/// The writer caches the checksum of the bytes before the value. The cache is for messages with a null key and values
/// of the same length. So one writer for many buffers is faster than one writer for each buffer.
#[derive(Clone)]
pub struct EntryWriter {
    /// An empty checksum, which is cloned for each message. A new one would detect the CPU features again.
    crc: Hasher,
    /// The bytes before a value of length `value`, for an uncompressed message with a null key. The offset and the
    /// checksum in these bytes are zero.
    front: [u8; FRONT + 4],
    /// The checksum state after the part of `front` that the checksum covers: its last `COVERED` bytes.
    front_crc: Hasher,
    /// The value length for which `front` is prepared, in bytes.
    value: usize,
}

impl EntryWriter {
    /// Creates a writer.
    #[must_use]
    pub fn new() -> Self {
        let crc = Hasher::new();
        let mut writer = Self { front_crc: crc.clone(), crc, front: [0; FRONT + 4], value: 0 };
        writer.turn_to(0).expect("an empty value is small");
        writer
    }

    /// Appends an uncompressed message, and returns the size of its entry in bytes. `None` is null. A null key or value
    /// is not the same as an empty one.
    ///
    /// # Errors
    /// Returns an error if `to` would exceed 2^31 - 1 bytes. In this case nothing is appended.
    #[inline(always)]
    pub fn write(
        &mut self,
        to: &mut BytesMut,
        offset: Offset,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<usize, SetFull> {
        let (None, Some(value)) = (key, value) else {
            return self.write_any(to, offset, 0, key, value);
        };
        if self.value != value.len() {
            self.turn_to(value.len())?;
        }
        let entry = SMALLEST_ENTRY + value.len();
        if to.len() > LARGEST_SET - entry {
            return Err(SetFull { entry });
        }
        // The checksum is computed from the source, before the copy. Reading bytes that were just written stalls the
        // CPU.
        let mut crc = self.front_crc.clone();
        crc.update(value);
        let [o0, o1, o2, o3, o4, o5, o6, o7] = offset.0.to_be_bytes();
        let [c0, c1, c2, c3] = crc.finalize().to_be_bytes();
        let [.., s0, s1, s2, s3, _, _, _, _, m, a, k0, k1, k2, k3, l0, l1, l2, l3] = self.front;
        // `front` is appended with one call, because each append checks the capacity again.
        to.extend_from_slice(&[
            o0, o1, o2, o3, o4, o5, o6, o7, s0, s1, s2, s3, c0, c1, c2, c3, m, a, k0, k1, k2, k3, l0, l1, l2, l3,
        ]);
        to.extend_from_slice(value);
        Ok(entry)
    }

    /// Prepares `front` for values of length `value`.
    #[cold]
    fn turn_to(&mut self, value: usize) -> Result<(), SetFull> {
        // This check comes first, because the writer must not change if the length is too large.
        let (_, size, len) = sizes(0, 0, value)?;
        let mut rest = &mut self.front[..];
        rest.put_i64(0);
        rest.put_i32(size);
        rest.put_u32(0);
        rest.put_slice(&[0, 0, 0xff, 0xff, 0xff, 0xff]);
        rest.put_i32(len);
        self.front_crc = self.crc.clone();
        self.front_crc.update(self.front.last_chunk::<COVERED>().map_or(&[][..], |covered| covered));
        self.value = value;
        Ok(())
    }

    /// Appends a wrapper with a null key, and returns the size of its entry in bytes. `compressed` comes from
    /// [`Deflater::deflate`](super::Deflater::deflate) with the same codec.
    ///
    /// # Errors
    /// Returns an error if `to` would exceed 2^31 - 1 bytes. In this case nothing is appended.
    pub fn write_wrapper(
        &mut self,
        to: &mut BytesMut,
        offset: Offset,
        codec: Codec,
        compressed: &[u8],
    ) -> Result<usize, SetFull> {
        self.write_any(to, offset, codec.attributes(), None, Some(compressed))
    }

    /// Appends a message with any attributes, key and value.
    pub(super) fn write_any(
        &mut self,
        to: &mut BytesMut,
        offset: Offset,
        attributes: u8,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<usize, SetFull> {
        #[cfg(kafka08_canary)]
        let key = key.filter(|key| !key.is_empty() || !crate::canary::EmptyKeyIsNull.is_planted());
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let (entry, size, value_len) = sizes(to.len(), len(key), len(value))?;
        let value_len = if value.is_some() { value_len } else { -1 };
        let key_len = key.map_or(-1, |key| i32::try_from(key.len()).expect("the entry's size, which is larger, fits"));
        let [k0, k1, k2, k3] = key_len.to_be_bytes();
        let front = [0, attributes, k0, k1, k2, k3];
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());

        let mut crc = self.crc.clone();
        let mut together = [0; SHORT_KEY + COVERED];
        if key.len() <= SHORT_KEY {
            // One checksum update is faster than three short updates.
            let mut rest = &mut together[..];
            rest.put_slice(&front);
            rest.put_slice(key);
            rest.put_i32(value_len);
            crc.update(together.get(..key.len() + COVERED).unwrap_or_default());
        } else {
            crc.update(&front);
            crc.update(key);
            crc.update(&value_len.to_be_bytes());
        }
        crc.update(value);

        to.reserve(entry);
        let mut head = [0; FRONT];
        let mut rest = &mut head[..];
        rest.put_i64(offset.0);
        rest.put_i32(size);
        rest.put_u32(crc.finalize());
        rest.put_slice(&front);
        to.put_slice(&head);
        to.put_slice(key);
        to.put_i32(value_len);
        to.put_slice(value);
        Ok(entry)
    }
}

impl Default for EntryWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EntryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryWriter").finish_non_exhaustive()
    }
}

/// Returns the size of an entry, and the lengths of its message and its value as `i32`. Returns an error if the set
/// would become too large.
#[inline(always)]
fn sizes(set: usize, key: usize, value: usize) -> Result<(usize, i32, i32), SetFull> {
    let size = SMALLEST_MESSAGE.saturating_add(key).saturating_add(value);
    let entry = size.saturating_add(ENTRY_HEADER);
    match (i32::try_from(size), i32::try_from(value)) {
        (Ok(size), Ok(value)) if set.saturating_add(entry) <= LARGEST_SET => Ok((entry, size, value)),
        _ => Err(SetFull { entry }),
    }
}
