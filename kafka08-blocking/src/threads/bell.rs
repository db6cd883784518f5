//! Wakes a thread that may sleep.

use std::{
    io::{PipeWriter, Write as _},
    sync::Arc,
    task::Wake,
};

use kafka08_async::sync::atomic::{AtomicU8, Ordering};

/// What wakes a thread that sleeps.
pub trait Ring: Send + Sync + 'static {
    /// Wakes the thread. Called at most once for each sleep.
    fn ring(&self);
}

impl Ring for PipeWriter {
    fn ring(&self) {
        // At most one byte for each sleep, so the pipe is never full. If the thread has ended, nobody reads.
        let _ = (&*self).write(&[0]);
    }
}

/// The thread runs its task, and looks at this state before it sleeps.
const AWAKE: u8 = 0;
/// The thread sleeps in `poll(2)`, or is about to.
const ASLEEP: u8 = 1;
/// The task has to be polled again.
const WOKEN: u8 = 2;

/// Wakes a thread. A thread that is awake is woken without a system call.
#[derive(Debug)]
pub struct Bell<R> {
    state: AtomicU8,
    ring: R,
}

impl<R: Ring> Bell<R> {
    /// Creates the bell of a thread that is awake.
    pub fn new(ring: R) -> Self {
        Self { state: AtomicU8::new(AWAKE), ring }
    }

    /// Returns false if the task was woken since it was polled. If it returns true, the thread will be rung.
    pub fn may_sleep(&self) -> bool {
        // One step too. A thread that was woken in between would go to sleep with its wake-up unseen.
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Tells that the thread is awake, and polls its task next.
    pub fn note_awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }
}

impl<R: Ring> Wake for Bell<R> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One step: with a load and a store, a thread that falls asleep in between would not be rung.
        if self.state.swap(WOKEN, Ordering::SeqCst) == ASLEEP {
            self.ring.ring();
        }
    }
}
