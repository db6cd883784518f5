//! Descriptors that `poll(2)` waits for.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::event::PollFlags;

/// What a task can wait for: reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Reads,
    Writes,
}

/// A descriptor, and whether it is known not to be ready.
///
/// Only the thread of one task uses it. The flags are atomic so that a stream can be handed to another thread.
pub(crate) struct Source {
    fd: Box<dyn AsFd + Send + Sync>,
    blocks_reads: AtomicBool,
    blocks_writes: AtomicBool,
}

impl Source {
    pub(crate) fn new(fd: impl AsFd + Send + Sync + 'static) -> Self {
        Self { fd: Box::new(fd), blocks_reads: AtomicBool::new(false), blocks_writes: AtomicBool::new(false) }
    }

    fn blocks(&self, way: Way) -> &AtomicBool {
        match way {
            Way::Reads => &self.blocks_reads,
            Way::Writes => &self.blocks_writes,
        }
    }

    /// Whether an attempt may succeed. False after it was found to block, until `poll(2)` says otherwise.
    pub(crate) fn may_be_ready(&self, way: Way) -> bool {
        !self.blocks(way).load(Ordering::Relaxed)
    }

    pub(crate) fn note_blocked(&self, way: Way) {
        self.blocks(way).store(true, Ordering::Relaxed);
    }

    /// Notes what `poll(2)` has found.
    pub(super) fn note_found(&self, found: PollFlags) {
        // Errors and the end of the stream are told by an attempt.
        let is_broken = found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        if is_broken || found.contains(PollFlags::IN) {
            self.blocks_reads.store(false, Ordering::Relaxed);
        }
        if is_broken || found.contains(PollFlags::OUT) {
            self.blocks_writes.store(false, Ordering::Relaxed);
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.as_fd()).finish()
    }
}
