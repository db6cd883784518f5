//! The output buffer of a decompressor. Its size is limited, and its memory is reused for the next set.

use bytes::{Bytes, BytesMut};

use super::InflateProblem;

/// The minimum size of an allocation, in bytes. A smaller budget allows less.
const LEAST: usize = 4096;
/// Reused memory is dropped if it is more than this many times larger than needed.
// Otherwise a caller that keeps a small set would keep the memory of a large set alive.
const TOO_LARGE: usize = 8;
/// Reused memory of at most this size, in bytes, is never dropped as too large.
const SMALL: usize = 64 << 10;

/// The output buffer of a decompressor.
pub(super) struct Output {
    /// The buffer. All its bytes are initialised, so reused memory is not zeroed again.
    bytes: BytesMut,
    /// The number of bytes that were written.
    used: usize,
    /// The maximum number of bytes that may be written.
    limit: usize,
    /// The initial budget, in bytes.
    // Each buffer size is `ceiling`, or `ceiling` halved one or more times. While the buffer grows to `ceiling`, the
    // old buffer has at most half of that size. So both together have at most one and a half times `ceiling`.
    ceiling: usize,
}

impl Output {
    /// Creates an output. Reuses the memory of `spare` if no other handle holds this memory.
    pub(super) fn new(spare: Bytes, limit: usize, ceiling: usize) -> Self {
        let bytes = spare.try_into_mut().unwrap_or_default();
        Self { bytes, used: 0, limit, ceiling }
    }

    /// Reserves space for `expected` bytes, or for as many as the limit allows. The number of bytes that are written
    /// later may differ.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "snappy", feature = "lz4")),
        expect(dead_code, reason = "without a codec nothing is written")
    )]
    pub(super) fn prepare(&mut self, expected: usize) {
        let expected = expected.min(self.limit);
        let len = self.bytes.len();
        let is_too_large = len > SMALL.max(expected.saturating_mul(TOO_LARGE));
        // This buffer size comes from a different budget. Growing from this size to `ceiling` would use more than one
        // and a half times `ceiling`.
        let is_odd = len < self.ceiling && len > self.ceiling / 2;
        // The old memory is dropped before new memory is allocated. No bytes were written yet, so no bytes have to be
        // copied.
        if is_too_large || is_odd || len < expected {
            self.bytes = BytesMut::new();
        }
        self.make(expected);
    }

    /// Grows the buffer to at least `needed` bytes. `needed` must not exceed the limit.
    fn make(&mut self, needed: usize) {
        if needed <= self.bytes.len() {
            return;
        }
        let mut size = self.ceiling.max(needed);
        while size / 2 >= needed.max(LEAST) {
            size /= 2;
        }
        let mut bytes = BytesMut::zeroed(size);
        // The split converts `bytes` to its shared form with a reference count. Later conversions between `BytesMut`
        // and `Bytes` then do not allocate memory.
        drop(bytes.split_to(0));
        if let (Some(to), Some(from)) = (bytes.get_mut(..self.used), self.bytes.get(..self.used)) {
            to.copy_from_slice(from);
        }
        self.bytes = bytes;
    }

    /// Returns a slice for exactly `len` more bytes. These bytes are counted as written.
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

    /// Removes the last `len` bytes from the written bytes.
    #[cfg_attr(not(feature = "lz4"), expect(dead_code, reason = "the others know what they write"))]
    pub(super) fn take_back(&mut self, len: usize) {
        self.used = self.used.saturating_sub(len);
    }

    /// Returns the free part of the buffer. If there is no free part, the buffer grows first. At the limit, the
    /// returned slice is empty.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.used == self.bytes.len() && self.left() > 0 {
            self.make(self.used + 1);
        }
        let end = self.bytes.len().min(self.limit);
        self.bytes.get_mut(self.used..end).unwrap_or_default()
    }

    /// Counts `len` bytes, which were written to the slice from [`Output::room`], as written.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn advance(&mut self, len: usize) {
        self.used += len;
    }

    /// Returns the written bytes from position `start` on.
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

    /// Returns the error for a set that does not fit.
    pub(super) fn over(&self) -> InflateProblem {
        // The error contains the initial budget, because a user can change this setting. The rest of the budget depends
        // on other sets.
        InflateProblem::OverBudget { limit: self.ceiling }
    }

    /// Returns the written bytes, and a handle to the whole buffer. The buffer can be reused after the written bytes
    /// have been dropped.
    pub(super) fn finish(self) -> (Bytes, Bytes) {
        let whole = self.bytes.freeze();
        (whole.slice(..self.used), whole)
    }
}
