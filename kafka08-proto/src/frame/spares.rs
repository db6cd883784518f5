//! Memory of large frames, to be used again.

use bytes::{Bytes, BytesMut};

/// How many frames are remembered: the one before last is usually free when a caller keeps one answer while the next one
/// arrives.
const REMEMBERED: usize = 2;

/// Handles on the memory of the last large frames that were cut.
///
/// A handle costs nothing while somebody holds the frame. When nobody does, it keeps the memory for the next large frame:
/// it is initialised already, and its pages are mapped.
#[derive(Default)]
pub(super) struct Spares {
    memory: [Bytes; REMEMBERED],
    /// The size of the largest frame that was cut.
    largest: usize,
}

impl Spares {
    /// Remembers the memory of a frame that is being handed out.
    pub(super) fn keep(&mut self, memory: Bytes) {
        self.largest = self.largest.max(memory.len());
        let [newest, oldest] = &mut self.memory;
        *oldest = std::mem::replace(newest, memory);
    }

    /// Memory for a frame of `len` bytes that nobody else holds, initialised. Not more than twice as much as is needed, so
    /// that a frame that is kept does not keep a much larger one's memory.
    pub(super) fn take(&mut self, len: usize) -> Option<BytesMut> {
        let fits = |memory: &Bytes| memory.len() >= len && memory.len() / 2 <= len && memory.is_unique();
        let memory = self.memory.iter_mut().find(|memory| fits(memory))?;
        std::mem::take(memory).try_into_mut().ok()
    }

    /// Remembers memory again that was taken and not needed.
    pub(super) fn give_back(&mut self, memory: Bytes) {
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
