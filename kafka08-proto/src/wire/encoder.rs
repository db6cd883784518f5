//! Writing: small things are copied into one buffer, large `Bytes` are kept as chunks of their own.

use std::{fmt, vec};

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{ids::Text, limits::MAX_TEXT};

/// From this size on, in bytes, a value is passed on by reference instead of copied: a chunk costs an entry of `writev`
/// and a reference count, about as much as copying 1 to 2 KiB does.
pub(crate) const SPLICE_FROM: usize = 2048;

/// Writes a body as a list of chunks.
///
/// Everything is big-endian. What the wire cannot hold is refused; nothing else is.
#[derive(Debug, Default)]
pub struct Encoder {
    chunks: Vec<Bytes>,
    chunked: usize,
    tail: BytesMut,
}

/// A value that the wire cannot hold. Nothing was sent; make the value smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeError {
    /// The field that it would be in.
    pub field: &'static str,
    /// Its length: bytes, or elements of an array.
    pub len: usize,
    /// The largest length the wire can hold there.
    pub max: usize,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} does not fit the wire, which holds at most {}", self.field, self.len, self.max)
    }
}

impl std::error::Error for EncodeError {}

impl Encoder {
    /// An encoder that holds no bytes and has allocated none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for `bytes` of small things.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { tail: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunked + self.tail.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One byte.
    pub fn int8(&mut self, n: i8) {
        self.tail.put_i8(n);
    }

    /// Two bytes.
    pub fn int16(&mut self, n: i16) {
        self.tail.put_i16(n);
    }

    /// Four bytes.
    pub fn int32(&mut self, n: i32) {
        self.tail.put_i32(n);
    }

    /// Eight bytes.
    pub fn int64(&mut self, n: i64) {
        self.tail.put_i64(n);
    }

    /// A string: its length in two bytes, then its UTF-8.
    ///
    /// # Errors
    /// It is longer than 32 767 bytes.
    pub fn text(&mut self, field: &'static str, text: impl AsRef<[u8]>) -> Result<(), EncodeError> {
        let text = text.as_ref();
        let Ok(len) = i16::try_from(text.len()) else {
            return Err(EncodeError { field, len: text.len(), max: MAX_TEXT });
        };
        self.int16(len);
        self.tail.put_slice(text);
        Ok(())
    }

    /// A string that may be null, which is a length of -1.
    ///
    /// # Errors
    /// It is longer than 32 767 bytes.
    pub fn nullable_text(&mut self, field: &'static str, text: Option<&Text>) -> Result<(), EncodeError> {
        match text {
            Some(text) => self.text(field, text),
            None => {
                self.int16(-1);
                Ok(())
            }
        }
    }

    /// Bytes after four bytes that count them. A large slice is not copied.
    ///
    /// # Errors
    /// It is longer than 2^31 - 1 bytes.
    pub fn sized_blob(&mut self, field: &'static str, bytes: &Bytes) -> Result<(), EncodeError> {
        self.count(field, bytes.len())?;
        self.blob(bytes);
        Ok(())
    }

    /// Bytes as they are. A large slice is not copied.
    pub fn blob(&mut self, bytes: &Bytes) {
        if bytes.len() < SPLICE_FROM {
            self.tail.put_slice(bytes);
        } else {
            self.cut();
            self.chunked += bytes.len();
            self.chunks.push(bytes.clone());
        }
    }

    /// An array: its count in four bytes, then what `element` writes for each.
    ///
    /// # Errors
    /// It has more than 2^31 - 1 elements, or `element` fails.
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

    /// What was written, in one piece. Copies if it is in several.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.finish().into_bytes()
    }

    pub(crate) fn finish(self) -> Chunks {
        let len = self.len();
        // Not split off but taken, which costs no reference count where the capacity was right.
        Chunks { list: self.chunks, last: self.tail.freeze(), len }
    }

    /// Forgets what was written, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.chunked = 0;
        self.tail.clear();
    }

    /// Leaves room for a length in front of what follows: see [`Encoder::put_length`].
    pub(crate) fn begin_with_length(&mut self) {
        self.clear();
        self.int32(0);
    }

    /// Writes the length that [`Encoder::begin_with_length`] has left room for. Returns false if that place is not in memory
    /// of its own any more.
    pub(crate) fn put_length(&mut self, len: i32) -> bool {
        match self.tail.first_chunk_mut::<4>().filter(|_| self.chunks.is_empty()) {
            Some(prefix) => {
                *prefix = len.to_be_bytes();
                true
            }
            None => false,
        }
    }

    /// Takes out what was written, in order: chunks, and the small things behind the last of them. Clear it afterwards.
    pub(crate) fn pieces(&mut self) -> (vec::Drain<'_, Bytes>, &[u8]) {
        (self.chunks.drain(..), &self.tail)
    }

    fn cut(&mut self) {
        if !self.tail.is_empty() {
            self.chunked += self.tail.len();
            self.chunks.push(self.tail.split().freeze());
        }
    }
}

/// What an [`Encoder`] wrote. In two fields, because most bodies are one piece and then need no list.
#[derive(Clone, Default)]
pub(crate) struct Chunks {
    list: Vec<Bytes>,
    /// Behind those of `list`; may be empty.
    last: Bytes,
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
