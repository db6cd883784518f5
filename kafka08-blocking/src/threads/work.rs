//! Work that blocks, on a thread of its own.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    thread,
};

/// The result of a thread's work, and who waits for it.
struct Slot<T> {
    result: Option<io::Result<T>>,
    waker: Option<Waker>,
}

/// Runs something that blocks on a thread of its own.
///
/// # Errors
/// The work has failed, or the system has no thread left.
pub(super) async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
    let filled = Arc::clone(&slot);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let result = Some(work());
        // Locked only after the work, which may take minutes: the thread that waits locks it for each poll.
        let mut slot = filled.lock().unwrap_or_else(PoisonError::into_inner);
        slot.result = result;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    })?;
    poll_fn(|cx| {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = slot.result.take() {
            return Poll::Ready(result);
        }
        // Kept under the lock under which the result was looked for, so that a result in between is not missed.
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}
