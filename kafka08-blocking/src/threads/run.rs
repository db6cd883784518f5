//! The loop of a thread that runs a task.

use std::{
    io::{self, PipeReader, Read as _},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    bell::Bell,
    turn::{self, Turn},
};

/// Puts back what an outer task of this thread has registered.
struct Outer(Turn);

impl Drop for Outer {
    fn drop(&mut self) {
        turn::replace(std::mem::take(&mut self.0));
    }
}

/// Runs a future on this thread, which sleeps in `poll(2)` while the future waits for its streams and timers.
///
/// What the streams and timers of the future have registered lasts until it is found ready. So the future may poll only those
/// whose wakers were woken.
///
/// # Errors
/// The system has no descriptors left for the pipe that wakes the thread.
pub(crate) fn run<F: Future>(future: F) -> io::Result<F::Output> {
    let (reader, pipe) = io::pipe()?;
    let bell = Arc::new(Bell::new(pipe));
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    // A handler of a server, which runs in the task of a connection, may connect to another server.
    let _outer = Outer(turn::replace(Turn::default()));
    // Behind `_outer`, so that it is dropped first. Its streams look for their registrations in this turn.
    let mut future = pin!(future);
    let mut wakes = Vec::new();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        // A task that was woken meanwhile still looks at its streams, so that it reads what is there before it writes.
        if turn::wait(&reader, bell.may_sleep(), &mut wakes) {
            drain(&reader);
        }
        // A thread that is awake needs no byte in its pipe, so this comes before the wakers.
        bell.note_awake();
        wakes.drain(..).for_each(Waker::wake);
        // A wake-up that comes before this line is not lost, because the future is polled behind it.
        bell.note_awake();
    }
}

/// Empties the pipe, which has a byte.
fn drain(mut reader: &PipeReader) {
    // A byte more than fits is found by the next `poll(2)`.
    let _ = reader.read(&mut [0; 64]);
}
