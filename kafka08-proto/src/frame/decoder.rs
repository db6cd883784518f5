//! The incremental decoder.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{FrameError, LENGTH_PREFIX, LooksLike};

/// The size of a read while no large frame is on its way, in bytes: a power of two that holds some hundred small answers.
const READ: usize = 32 << 10;
/// Frames below this size, in bytes, are copied out, so that a 20-byte answer does not keep a whole read buffer alive.
const COPY_BELOW: usize = 4 << 10;
/// The smallest frame, in bytes: a response without a body.
const SMALLEST: i32 = 4;

/// Cuts a byte stream into frames, however the stream arrives.
///
/// Bytes go in by [`FrameDecoder::space`] and [`FrameDecoder::filled`], or by [`FrameDecoder::extend`]; frames come out of
/// [`FrameDecoder::next_frame`], without their length. Each read costs O(1) besides moving its bytes. Memory is at most
/// twice the bytes received of the frame that is not complete, plus 64 KiB: what a length claims is never reserved.
///
/// An error is final: it is returned again and again, and further bytes are ignored.
pub struct FrameDecoder {
    /// Initialised all the way: zeroed once when allocated, and never shorter than `end`.
    buffer: BytesMut,
    /// Received and not yet cut: `buffer[start..end]`.
    start: usize,
    end: usize,
    max_frame: usize,
    error: Option<FrameError>,
}

/// What stands at the front of the buffer.
enum Front {
    /// Not even a length.
    Nothing,
    /// A frame of this many bytes, length prefix included.
    Frame(usize),
    Bad(FrameError),
}

impl FrameDecoder {
    /// A decoder that takes frames of at most `max_frame` bytes, not counting their length.
    #[must_use]
    pub fn new(max_frame: usize) -> Self {
        Self { buffer: BytesMut::new(), start: 0, end: 0, max_frame, error: None }
    }

    /// Where to read to: initialised, and never empty.
    pub fn space(&mut self) -> &mut [u8] {
        self.make_room();
        self.buffer.get_mut(self.end..).expect("make_room leaves the buffer longer than its end")
    }

    /// `n` bytes of [`FrameDecoder::space`] were filled.
    ///
    /// # Panics
    /// If `n` is more than the space had: that is a bug of the caller, who would have read past the slice.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "more bytes filled than there was space for");
        if self.error.is_none() {
            self.end += n;
        }
    }

    /// Takes bytes from a transport that has buffers of its own. Copies.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            let space = self.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space.split_at_mut(now.len()).0.copy_from_slice(now);
            self.filled(now.len());
            bytes = later;
        }
    }

    /// Whether [`FrameDecoder::next_frame`] has something to say: a whole frame, or an error.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        match self.front() {
            Front::Nothing => self.error.is_some(),
            Front::Frame(len) => len <= self.pending(),
            Front::Bad(_) => true,
        }
    }

    /// The next whole frame, if it is here.
    ///
    /// # Errors
    /// The stream is not one of frames. Close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.front() {
            Front::Frame(len) if len <= self.pending() => Ok(Some(self.cut(len))),
            Front::Frame(_) | Front::Nothing => Ok(None),
            Front::Bad(error) => {
                *self = Self { error: Some(error), ..Self::new(self.max_frame) };
                Err(error)
            }
        }
    }

    /// Bytes received that were not cut into frames yet. Once [`FrameDecoder::next_frame`] has returned `None`: those of
    /// the frame that is not complete.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.end - self.start
    }

    fn front(&self) -> Front {
        let received = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(prefix) = received.first_chunk::<LENGTH_PREFIX>() else {
            return Front::Nothing;
        };
        let len = i32::from_be_bytes(*prefix);
        let looks_like = || LooksLike::from_prefix(*prefix);
        match usize::try_from(len) {
            Ok(size) if len >= SMALLEST && size <= self.max_frame => Front::Frame(size.saturating_add(LENGTH_PREFIX)),
            Ok(_) if len >= SMALLEST => {
                Front::Bad(FrameError::TooLarge { len, max: self.max_frame, looks_like: looks_like() })
            }
            _ => Front::Bad(FrameError::TooSmall { len, looks_like: looks_like() }),
        }
    }

    /// Takes a frame of `len` bytes, prefix included, off the front.
    fn cut(&mut self, len: usize) -> Bytes {
        let whole = self.start + len;
        if len < COPY_BELOW {
            let frame = self.buffer.get(self.start + LENGTH_PREFIX..whole).expect("a frame that is here in full");
            let frame = Bytes::copy_from_slice(frame);
            self.start = whole;
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            }
            return frame;
        }
        let frame = self.buffer.split_to(whole).freeze().slice(self.start + LENGTH_PREFIX..);
        (self.start, self.end) = (0, self.end - whole);
        frame
    }

    /// Makes the buffer longer than its end.
    fn make_room(&mut self) {
        if self.end < self.buffer.len() {
            return;
        }
        let pending = self.pending();
        // Moving is worth it, and paid for by the bytes received since, if it frees as much as it moves.
        if self.start > 0 && self.start >= pending && self.buffer.len() >= READ {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let wanted = match self.front() {
                // Up to the frame's end and no further, so that its memory is its own; but never more than doubling.
                Front::Frame(len) if len > READ.max(pending) => len.min(READ.max(2 * pending)),
                _ => READ.max(2 * pending),
            };
            let mut buffer = BytesMut::zeroed(wanted);
            let received = self.buffer.get(self.start..self.end).unwrap_or_default();
            buffer.split_at_mut(pending).0.copy_from_slice(received);
            self.buffer = buffer;
        }
        (self.start, self.end) = (0, pending);
    }
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameDecoder")
            .field("pending", &self.pending())
            .field("buffer", &self.buffer.len())
            .field("max_frame", &self.max_frame)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        [&u32::try_from(payload.len()).expect("short").to_be_bytes()[..], payload].concat()
    }

    #[test]
    fn lengths_below_four_and_above_the_limit_end_the_stream_for_good() {
        for len in (-5..=8).chain([i32::MIN, i32::MIN + 1, -65536, 9, 65536, i32::MAX]) {
            let mut decoder = FrameDecoder::new(8);
            decoder.extend(&len.to_be_bytes());
            let expected = match len {
                4..=8 => Ok(None),
                9.. => Err(FrameError::TooLarge { len, max: 8, looks_like: None }),
                _ => Err(FrameError::TooSmall { len, looks_like: None }),
            };
            assert_eq!(decoder.next_frame(), expected, "{len}");
            decoder.extend(&framed(b"good"));
            assert_eq!(decoder.next_frame().is_err(), expected.is_err(), "{len}");
        }
    }

    #[test]
    fn an_absurd_length_that_looks_like_another_protocol_is_named() {
        for (bytes, expected) in [
            (&b"\x15\x03\x03\x00\x02\x02\x28"[..], LooksLike::Tls),
            (b"\x16\x03\x01\x00", LooksLike::Tls),
            (b"HTTP/1.1 400", LooksLike::Http),
            (b"<html>", LooksLike::Http),
            (b"GET / HTTP/1.1", LooksLike::Http),
            (b"SSH-2.0", LooksLike::Ssh),
        ] {
            let mut decoder = FrameDecoder::new(64 << 20);
            decoder.extend(bytes);
            match decoder.next_frame() {
                Err(FrameError::TooLarge { looks_like, .. }) => assert_eq!(looks_like, Some(expected)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_small_frame_does_not_keep_the_read_buffer_and_a_large_one_is_not_copied() {
        let mut decoder = FrameDecoder::new(1 << 20);
        let large = vec![7; COPY_BELOW];
        decoder.extend(&[framed(b"small"), framed(&large), framed(b"rest")].concat());
        let buffer = decoder.buffer.as_ptr_range();
        let small = decoder.next_frame().expect("sound").expect("whole");
        assert!(!buffer.contains(&small.as_ptr()));
        let frame = decoder.next_frame().expect("sound").expect("whole");
        assert!(buffer.contains(&frame.as_ptr()));
        assert_eq!(frame, large);
        assert_eq!(decoder.next_frame(), Ok(Some(Bytes::from_static(b"rest"))));
        assert_eq!(decoder.next_frame(), Ok(None));
    }

    #[test]
    fn the_buffer_of_small_frames_is_used_again() {
        let mut decoder = FrameDecoder::new(1 << 20);
        decoder.extend(&framed(b"first"));
        assert!(decoder.next_frame().expect("sound").is_some());
        let buffer = decoder.buffer.as_ptr();
        for _ in 0..10_000 {
            decoder.extend(&framed(b"another frame, long enough to fill the buffer several times over")[..66]);
            decoder.extend(&framed(b"another frame, long enough to fill the buffer several times over")[66..]);
            assert!(decoder.next_frame().expect("sound").is_some());
        }
        assert_eq!(decoder.buffer.as_ptr(), buffer);
    }

    #[test]
    fn memory_stays_within_twice_what_was_received_and_64_kib() {
        let mut decoder = FrameDecoder::new(8 << 20);
        let frame = framed(&vec![1; 8 << 20]);
        let mut received = 0;
        for piece in frame.chunks(10_007) {
            decoder.extend(piece);
            received += piece.len();
            assert!(
                decoder.buffer.capacity() <= 2 * received + (64 << 10),
                "{} of {received}",
                decoder.buffer.capacity()
            );
        }
        assert_eq!(decoder.next_frame().expect("sound").map(|frame| frame.len()), Some(8 << 20));
    }
}
