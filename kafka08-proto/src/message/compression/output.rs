//! What a decompressor writes to: memory that is kept from one set to the next, within a limit.

use bytes::{Bytes, BytesMut};

use super::InflateProblem;

/// The least that is allocated, in bytes, if the limit allows.
const LEAST: usize = 4096;
/// Kept memory that is this many times too large is given up: a small set that a caller holds on to would pin it.
const TOO_LARGE: usize = 8;
/// Kept memory of this size is never too large, in bytes.
const SMALL: usize = 64 << 10;

/// What a decompressor writes to. All of its bytes are initialised, so that taking the memory again costs no zeroing.
pub(super) struct Output {
    bytes: BytesMut,
    used: usize,
    /// Most bytes that may come out.
    limit: usize,
    /// What the whole budget is: sizes of memory are this, halved some times, so that growing from one to the next never
    /// holds more than one and a half times as much.
    ceiling: usize,
}

impl Output {
    /// Takes `spare`'s memory again if nobody else holds it.
    pub(super) fn new(spare: Bytes, limit: usize, ceiling: usize) -> Self {
        let bytes = spare.try_into_mut().unwrap_or_default();
        Self { bytes, used: 0, limit, ceiling }
    }

    /// Makes room for `expected` bytes at once, or for as many as the limit allows; what comes may be more or less.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "snappy", feature = "lz4")),
        expect(dead_code, reason = "without a codec nothing is written")
    )]
    pub(super) fn prepare(&mut self, expected: usize) {
        let expected = expected.min(self.limit);
        let len = self.bytes.len();
        let is_too_large = len > SMALL.max(expected.saturating_mul(TOO_LARGE));
        // Growing from here would hold this and the ceiling.
        let is_odd = len < self.ceiling && len > self.ceiling / 2;
        if is_too_large || is_odd || len < expected {
            self.bytes = BytesMut::new();
        }
        self.make(expected);
    }

    /// Memory for at least `needed` bytes, which the limit allows.
    fn make(&mut self, needed: usize) {
        if needed <= self.bytes.len() {
            return;
        }
        let mut size = self.ceiling.max(needed);
        while size / 2 >= needed.max(LEAST) {
            size /= 2;
        }
        let mut bytes = BytesMut::zeroed(size);
        // Counted memory stays counted: freezing and taking it again allocates nothing.
        drop(bytes.split_to(0));
        if let (Some(to), Some(from)) = (bytes.get_mut(..self.used), self.bytes.get(..self.used)) {
            to.copy_from_slice(from);
        }
        self.bytes = bytes;
    }

    /// Room for exactly `len` bytes more, which count as written.
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

    /// Takes back the last `len` bytes of what counts as written.
    #[cfg_attr(not(feature = "lz4"), expect(dead_code, reason = "the others know what they write"))]
    pub(super) fn take_back(&mut self, len: usize) {
        self.used = self.used.saturating_sub(len);
    }

    /// Room that is there, or more if there is none; empty at the limit.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.used == self.bytes.len() && self.left() > 0 {
            self.make(self.used + 1);
        }
        let end = self.bytes.len().min(self.limit);
        self.bytes.get_mut(self.used..end).unwrap_or_default()
    }

    /// Counts as written what was written to [`Output::room`].
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others know what comes"))]
    pub(super) fn advance(&mut self, len: usize) {
        self.used += len;
    }

    /// What was written from `start` on.
    #[cfg_attr(not(feature = "gzip"), expect(dead_code, reason = "the others have their own checksums, or none"))]
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.used).unwrap_or_default()
    }

    /// Bytes that were written, which is what the work has cost.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes that may still come.
    pub(super) fn left(&self) -> usize {
        self.limit - self.used
    }

    pub(super) fn over(&self) -> InflateProblem {
        InflateProblem::OverBudget { limit: self.ceiling }
    }

    /// What was written, and the memory around it, which can be taken again when the former is gone.
    pub(super) fn finish(self) -> (Bytes, Bytes) {
        let whole = self.bytes.freeze();
        (whole.slice(..self.used), whole)
    }
}
