//! The loop of a thread that runs a task.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::turn::{self, Turn};

/// The thread runs its task, and looks at this state before it sleeps.
const AWAKE: u8 = 0;
/// The thread sleeps in `poll(2)`, or is about to.
const ASLEEP: u8 = 1;
/// The task has to be polled again.
const WOKEN: u8 = 2;

/// Wakes a thread out of `poll(2)`. A thread that is awake is woken without a system call.
struct Bell {
    state: AtomicU8,
    pipe: PipeWriter,
}

impl Bell {
    /// Returns false if the task was woken since it was polled.
    fn may_sleep(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn note_awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::SeqCst) == ASLEEP {
            // At most one byte for each sleep, so the pipe is never full. If the thread has ended, nobody reads.
            let _ = (&self.pipe).write(&[0]);
        }
    }
}

/// Puts back what an outer task of this thread has registered.
struct Outer(Turn);

impl Drop for Outer {
    fn drop(&mut self) {
        turn::replace(std::mem::take(&mut self.0));
    }
}

/// Runs a future on this thread, which sleeps in `poll(2)` while the future waits for its streams and timers.
///
/// Every stream and timer of the future must be polled whenever the future is polled.
///
/// # Errors
/// The system has no descriptors left for the pipe that wakes the thread.
pub(crate) fn run<F: Future>(future: F) -> io::Result<F::Output> {
    let (reader, pipe) = io::pipe()?;
    let bell = Arc::new(Bell { state: AtomicU8::new(AWAKE), pipe });
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    // A handler of a server, which runs in the task of a connection, may connect to another server.
    let _outer = Outer(turn::replace(Turn::default()));
    let mut future = pin!(future);
    loop {
        // What was registered holds its descriptors open, so it is forgotten before the future may drop them.
        turn::clear();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        // A task that was woken meanwhile still looks at its streams, so that it reads what is there before it writes.
        if turn::wait(&reader, bell.may_sleep()) {
            drain(&reader);
        }
        // A wake-up that comes before this line is not lost, because the future is polled behind it.
        bell.note_awake();
    }
}

/// Empties the pipe, which has a byte.
fn drain(mut reader: &PipeReader) {
    // A byte more than fits is found by the next `poll(2)`.
    let _ = reader.read(&mut [0; 64]);
}
