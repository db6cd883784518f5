//! Encoding: small values are copied into one buffer, and a large `Bytes` becomes a chunk of its own.

use std::{fmt, vec};

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{ids::Text, limits::MAX_TEXT};

/// The size in bytes from which on a value is passed on by reference instead of copied.
// A chunk costs a reference count and an entry of `writev`, which is about the cost of copying 1 to 2 KiB.
pub(crate) const SPLICE_FROM: usize = 2048;

/// Encodes a body as a list of chunks.
///
/// Numbers are big-endian. A method returns an error only if a length does not fit its field.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The chunks that are complete, in order.
    chunks: Vec<Bytes>,
    /// The number of bytes in `chunks`.
    chunked: usize,
    /// The bytes behind `chunks`, to which small values are appended.
    tail: BytesMut,
}

/// A value is too long to be encoded. Nothing was sent; make the value shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeError {
    /// The field of the value.
    pub field: &'static str,
    /// The value's length: bytes, or elements of an array.
    pub len: usize,
    /// The largest length that can be encoded.
    pub max: usize,
}

impl EncodeError {
    /// Creates the error for a value of `field` with the length `len`, of which at most `max` can be encoded.
    #[must_use]
    pub const fn new(field: &'static str, len: usize, max: usize) -> Self {
        Self { field, len, max }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has a length of {}, but at most {} can be encoded", self.field, self.len, self.max)
    }
}

impl std::error::Error for EncodeError {}

impl Encoder {
    /// Creates an empty encoder. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty encoder with room for this many bytes of small values.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { tail: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// The number of bytes that were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunked + self.tail.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes one byte.
    pub fn int8(&mut self, n: i8) {
        self.tail.put_i8(n);
    }

    /// Writes two bytes.
    pub fn int16(&mut self, n: i16) {
        self.tail.put_i16(n);
    }

    /// Writes four bytes.
    pub fn int32(&mut self, n: i32) {
        self.tail.put_i32(n);
    }

    /// Writes eight bytes.
    pub fn int64(&mut self, n: i64) {
        self.tail.put_i64(n);
    }

    /// Writes a string: its length in two bytes, then its UTF-8 bytes.
    ///
    /// # Errors
    /// The string is longer than 32 767 bytes.
    pub fn text(&mut self, field: &'static str, text: impl AsRef<[u8]>) -> Result<(), EncodeError> {
        let text = text.as_ref();
        let Ok(len) = i16::try_from(text.len()) else {
            return Err(EncodeError { field, len: text.len(), max: MAX_TEXT });
        };
        self.int16(len);
        self.tail.put_slice(text);
        Ok(())
    }

    /// Writes a string, or a length of -1 for null.
    ///
    /// # Errors
    /// The string is longer than 32 767 bytes.
    pub fn nullable_text(&mut self, field: &'static str, text: Option<&Text>) -> Result<(), EncodeError> {
        match text {
            Some(text) => self.text(field, text),
            None => {
                self.int16(-1);
                Ok(())
            }
        }
    }

    /// Writes a length in four bytes, then as many bytes. A large slice is not copied.
    ///
    /// # Errors
    /// The slice is longer than 2^31 - 1 bytes.
    pub fn sized_blob(&mut self, field: &'static str, bytes: &Bytes) -> Result<(), EncodeError> {
        self.count(field, bytes.len())?;
        self.blob(bytes);
        Ok(())
    }

    /// Writes bytes without a length. A large slice is not copied.
    pub fn blob(&mut self, bytes: &Bytes) {
        if bytes.len() < SPLICE_FROM {
            self.tail.put_slice(bytes);
        } else {
            // What was written before has to come before this chunk.
            self.cut();
            self.chunked += bytes.len();
            self.chunks.push(bytes.clone());
        }
    }

    /// Writes an array: its count in four bytes, then what `element` writes for each element.
    ///
    /// # Errors
    /// The array has more than 2^31 - 1 elements, or `element` returns an error.
    pub fn array<T>(
        &mut self,
        field: &'static str,
        elements: &[T],
        mut element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.count(field, elements.len())?;
        elements.iter().try_for_each(|value| element(self, value))
    }

    fn count(&mut self, field: &'static str, len: usize) -> Result<(), EncodeError> {
        const MAX: usize = i32::MAX as usize;
        let n = i32::try_from(len).map_err(|_| EncodeError { field, len, max: MAX })?;
        self.int32(n);
        Ok(())
    }

    /// Returns the encoded bytes in one contiguous buffer. Copies them if they are in several chunks.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.finish().into_bytes()
    }

    pub(crate) fn finish(self) -> Chunks {
        let len = self.len();
        // `freeze` of a whole buffer keeps its allocation. Splitting the bytes off would add a shared reference count.
        Chunks { list: self.chunks, last: self.tail.freeze(), len }
    }

    /// Drops what was written, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.chunked = 0;
        self.tail.clear();
    }

    /// Clears the encoder and leaves room for a length: see [`Encoder::put_length`].
    pub(crate) fn begin_with_length(&mut self) {
        self.clear();
        self.int32(0);
    }

    /// Writes the length into the room that [`Encoder::begin_with_length`] has left.
    ///
    /// Returns false if the room is in a chunk that is complete. The caller then writes the length in front of the
    /// chunks.
    pub(crate) fn put_length(&mut self, len: i32) -> bool {
        // A complete chunk is frozen: others may hold it, so it cannot be changed.
        match self.tail.first_chunk_mut::<4>().filter(|_| self.chunks.is_empty()) {
            Some(prefix) => {
                *prefix = len.to_be_bytes();
                true
            }
            None => false,
        }
    }

    /// Takes the complete chunks out, and returns them with the bytes behind the last one. Clear the encoder
    /// afterwards.
    pub(crate) fn pieces(&mut self) -> (vec::Drain<'_, Bytes>, &[u8]) {
        (self.chunks.drain(..), &self.tail)
    }

    fn cut(&mut self) {
        // `split` leaves the spare capacity to `tail`, so small values behind a large one need no new allocation.
        if !self.tail.is_empty() {
            self.chunked += self.tail.len();
            self.chunks.push(self.tail.split().freeze());
        }
    }
}

/// The bytes that an [`Encoder`] wrote.
// There are two fields, because most bodies are one chunk, and then the empty list allocates nothing.
#[derive(Clone, Default)]
pub(crate) struct Chunks {
    /// All chunks except the last.
    list: Vec<Bytes>,
    /// The last chunk, which may be empty.
    last: Bytes,
    /// The number of bytes in all chunks.
    len: usize,
}

impl Chunks {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.list.iter().chain([&self.last])
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.list.is_empty() {
            return self.last;
        }
        let mut whole = BytesMut::with_capacity(self.len);
        self.iter().for_each(|chunk| whole.put_slice(chunk));
        whole.freeze()
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Self {
        Self { list: Vec::new(), len: bytes.len(), last: bytes }
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in {} chunks", self.len, self.list.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_is_spliced_and_a_small_one_copied() {
        let large = Bytes::from(vec![7; SPLICE_FROM]);
        let small = Bytes::from(vec![8; SPLICE_FROM - 1]);
        let mut encoder = Encoder::new();
        encoder.int16(1);
        encoder.sized_blob("a", &small).expect("fits");
        encoder.sized_blob("b", &large).expect("fits");
        encoder.int8(-1);
        let chunks = encoder.finish();
        let pieces: Vec<_> = chunks.iter().collect();
        assert_eq!(pieces.iter().map(|p| p.len()).collect::<Vec<_>>(), [2 + 4 + small.len() + 4, large.len(), 1]);
        assert_eq!(pieces[1].as_ptr(), large.as_ptr());
        assert_eq!(chunks.len(), 11 + small.len() + large.len());
    }

    #[test]
    fn a_string_of_32768_bytes_is_refused_and_one_less_fits() {
        let mut encoder = Encoder::new();
        assert!(encoder.text("topic", "x".repeat(32767)).is_ok());
        let error = encoder.text("topic", "x".repeat(32768)).expect_err("too long");
        assert_eq!(error, EncodeError { field: "topic", len: 32768, max: 32767 });
    }
}
