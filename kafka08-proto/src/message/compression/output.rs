//! The output of a decompressor: memory within a limit, which is kept from one set to the next.

use bytes::{Bytes, BytesMut};

use super::InflateProblem;

/// The least memory that is allocated, in bytes, if the limit allows it.
const LEAST: usize = 4096;
/// Kept memory that is more than this many times as large as needed is dropped.
// A small set that a caller keeps would otherwise keep the memory of a large one alive.
const TOO_LARGE: usize = 8;
/// Kept memory of at most this size is not dropped for being too large, in bytes.
const SMALL: usize = 64 << 10;

/// The output of a decompressor.
pub(super) struct Output {
    /// Initialised in full, so that memory that is used again is not zeroed again.
    bytes: BytesMut,
    /// The number of bytes that were written.
    used: usize,
    /// The most bytes that may be written.
    limit: usize,
    /// The whole budget, in bytes.
    // Each size of memory is the ceiling, or the ceiling halved some times. While memory grows to the ceiling, the old
    // one is at most half of it, so both together are at most one and a half times the ceiling.
    ceiling: usize,
}

impl Output {
    /// Creates an output in the memory of `spare`, if nobody else holds it.
    pub(super) fn new(spare: Bytes, limit: usize, ceiling: usize) -> Self {
        let bytes = spare.try_into_mut().unwrap_or_default();
        Self { bytes, used: 0, limit, ceiling }
    }

    /// Makes room for `expected` bytes, or for as many as the limit allows. The number of bytes that come may differ.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "snappy", feature = "lz4")),
        expect(dead_code, reason = "without a codec nothing is written")
    )]
    pub(super) fn prepare(&mut self, expected: usize) {
        let expected = expected.min(self.limit);
        let len = self.bytes.len();
        let is_too_large = len > SMALL.max(expected.saturating_mul(TOO_LARGE));
        // This is a size of another budget. Growing from it to the ceiling would hold more than one and a half times
        // the ceiling.
        let is_odd = len < self.ceiling && len > self.ceiling / 2;
        // The memory is dropped before other memory is allocated. Nothing was written, so nothing has to be copied.
        if is_too_large || is_odd || len < expected {
            self.bytes = BytesMut::new();
        }
        self.make(expected);
    }

    /// Grows to at least `needed` bytes. The limit must allow them.
    fn make(&mut self, needed: usize) {
        if needed <= self.bytes.len() {
            return;
        }
        let mut size = self.ceiling.max(needed);
        while size / 2 >= needed.max(LEAST) {
            size /= 2;
        }
        let mut bytes = BytesMut::zeroed(size);
        // Splitting makes `bytes` change to its shared form, with a reference count. Freezing it and making it mutable
        // again then allocates nothing.
        drop(bytes.split_to(0));
        if let (Some(to), Some(from)) = (bytes.get_mut(..self.used), self.bytes.get(..self.used)) {
            to.copy_from_slice(from);
        }
        self.bytes = bytes;
    }

    /// Returns room for exactly `len` more bytes, which count as written.
    #[cfg_attr(not(any(feature = "snappy", feature = "lz4")), expect(dead_code, reason = "gzip grows as it goes"))]
    pub(super) fn extend(&mut self, len: usize) -> Result<&mut [u8], InflateProblem> {
        if len > self.left() {
            return Err(self.over());
        }
        let start = self.used;
        self.make(start + len);
        self.used += len;
        Ok(self.bytes.get_mut(start..self.used).unwrap_or_default())
    }

    /// Removes the last `len` bytes from those that count as written.
    #[cfg_attr(not(feature = "lz4"), expect(dead_code, reason = "the others know what they write"))]
    pub(super) fn take_back(&mut self, len: usize) {
        self.used = self.used.saturating_sub(len);
    }

    /// Returns the room that is left, and grows first if there is none. The room is empty at the limit.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.used == self.bytes.len() && self.left() > 0 {
            self.make(self.used + 1);
        }
        let end = self.bytes.len().min(self.limit);
        self.bytes.get_mut(self.used..end).unwrap_or_default()
    }

    /// Notes that `len` bytes were written to [`Output::room`].
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn advance(&mut self, len: usize) {
        self.used += len;
    }

    /// The bytes that were written from `start` on.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others have their own checksums, or none"))]
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.used).unwrap_or_default()
    }

    /// The number of bytes that were written.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The number of bytes that may still be written.
    pub(super) fn left(&self) -> usize {
        self.limit - self.used
    }

    /// The error of a set that does not fit.
    pub(super) fn over(&self) -> InflateProblem {
        // The error has the whole budget, because that is the setting that a user can change. What is left of it
        // depends on other sets.
        InflateProblem::OverBudget { limit: self.ceiling }
    }

    /// Returns the bytes that were written, and a handle to their memory. The memory can be used again once the former
    /// are dropped.
    pub(super) fn finish(self) -> (Bytes, Bytes) {
        let whole = self.bytes.freeze();
        (whole.slice(..self.used), whole)
    }
}
