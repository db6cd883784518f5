//! Callers that wait for a future: their thread is parked meanwhile.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use kafka08_async::sync::{
    atomic::{AtomicBool, Ordering},
    thread::{self, Thread},
};

/// Waits for a future on this thread, which is parked meanwhile. Other threads make the future ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Some(output) = poll_until(future.as_mut(), None) {
            return output;
        }
    }
}

/// [`block_on`] for a time. `None` if the future was not ready in it, and is dropped.
pub(crate) fn block_on_within<F: Future>(future: F, within: Duration) -> Option<F::Output> {
    poll_until(pin!(future), Instant::now().checked_add(within))
}

/// Polls a future until it is ready, or a time has come.
fn poll_until<F: Future>(mut future: Pin<&mut F>, until: Option<Instant>) -> Option<F::Output> {
    let signal = Signal::of_this_thread();
    let waker = Waker::from(Arc::clone(&signal));
    let mut cx = Context::from_waker(&waker);
    loop {
        // Cleared before the poll, so that a wake-up during it is not lost.
        signal.is_set.store(false, Ordering::SeqCst);
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // A parked thread may go on without a reason.
        while !signal.is_set.load(Ordering::SeqCst) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => park_timeout(left),
            }
        }
    }
}

#[cfg(not(shuttle))]
fn park_timeout(time: Duration) {
    thread::park_timeout(time);
}

/// In the models there is no time.
#[cfg(shuttle)]
fn park_timeout(_: Duration) {
    thread::park();
}

/// Wakes a parked thread.
struct Signal {
    thread: Thread,
    is_set: AtomicBool,
}

impl Signal {
    fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), is_set: AtomicBool::new(false) })
    }

    /// The signal of this thread. It is kept, so that waiting allocates nothing.
    #[cfg(not(shuttle))]
    fn of_this_thread() -> Arc<Self> {
        thread_local!(static SIGNAL: Arc<Signal> = Signal::new());
        // While the thread ends, its own signal is gone.
        SIGNAL.try_with(Arc::clone).unwrap_or_else(|_| Self::new())
    }

    #[cfg(shuttle)]
    fn of_this_thread() -> Arc<Self> {
        Self::new()
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A thread that was woken and has not run since needs no second system call. The flag is set before the thread
        // is unparked: a thread that returns from `park` looks at it, and would park again.
        if !self.is_set.swap(true, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}
