//! Descriptors that `poll(2)` waits for.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
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
    /// Where it was registered last. What stands there may be another source.
    place: AtomicUsize,
    is_dropped: AtomicBool,
}

impl Source {
    pub(crate) fn new(fd: impl AsFd + Send + Sync + 'static) -> Self {
        Self {
            fd: Box::new(fd),
            blocks_reads: AtomicBool::new(false),
            blocks_writes: AtomicBool::new(false),
            place: AtomicUsize::new(0),
            is_dropped: AtomicBool::new(false),
        }
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

    /// Notes what `poll(2)` has found. Returns the ways in which attempts may succeed now.
    pub(super) fn note_found(&self, found: PollFlags) -> impl Iterator<Item = Way> + use<> {
        // An attempt tells an error or the end of the stream. It may be made in either way, because the stream may wait
        // for only one of them.
        let is_broken = found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        let reads = (is_broken || found.contains(PollFlags::IN)).then_some(Way::Reads);
        let writes = (is_broken || found.contains(PollFlags::OUT)).then_some(Way::Writes);
        for way in [reads, writes].into_iter().flatten() {
            self.blocks(way).store(false, Ordering::Relaxed);
        }
        [reads, writes].into_iter().flatten()
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    /// Notes that nobody waits for it any more.
    pub(super) fn note_dropped(&self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.is_dropped.load(Ordering::Relaxed)
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
