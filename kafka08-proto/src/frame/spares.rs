//! The memory of earlier large frames, kept for later ones.

use bytes::{Bytes, BytesMut};

/// The number of frames whose memory is kept.
// Two are kept, because a caller that works on one frame while the next arrives holds the last one, and the one before
// it is free.
const REMEMBERED: usize = 2;

/// Handles to the memory of the last large frames that were handed out.
///
/// The memory is used again for a later large frame, once the caller has dropped the earlier one.
// Fresh memory of a megabyte costs more in zeroing and page faults than everything else that is done with the frame.
#[derive(Default)]
pub(super) struct Spares {
    /// The newest handle first. A handle is empty if there is none.
    memory: [Bytes; REMEMBERED],
    /// The size of the largest memory that was kept so far, in bytes.
    largest: usize,
}

impl Spares {
    /// Keeps a handle to the memory of a frame that is being handed out.
    pub(super) fn keep(&mut self, memory: Bytes) {
        self.largest = self.largest.max(memory.len());
        let [newest, oldest] = &mut self.memory;
        *oldest = std::mem::replace(newest, memory);
    }

    /// Takes initialised memory for a frame of `len` bytes, if there is memory of that size that nobody else holds.
    pub(super) fn take(&mut self, len: usize) -> Option<BytesMut> {
        // The memory is at most twice as large as needed, because a caller that keeps the frame keeps all of the
        // memory.
        let fits = |memory: &Bytes| memory.len() >= len && memory.len() / 2 <= len && memory.is_unique();
        let memory = self.memory.iter_mut().find(|memory| fits(memory))?;
        std::mem::take(memory).try_into_mut().ok()
    }

    /// Keeps memory again that was taken and not needed.
    pub(super) fn give_back(&mut self, memory: Bytes) {
        // The memory is dropped if two newer frames have been kept meanwhile.
        if let Some(free) = self.memory.iter_mut().find(|memory| memory.is_empty()) {
            *free = memory;
        }
    }

    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memory.iter().all(Bytes::is_empty)
    }

    pub(super) fn clear(&mut self) {
        self.memory = Default::default();
    }
}
