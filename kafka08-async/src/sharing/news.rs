//! What is done after the lock is released: wakers of other executors run code that is not known here.

use std::task::Waker;

use crate::fleet::Caller;

/// Gathers what has to be done after the lock is released. Allocates only if somebody has to be woken.
#[derive(Debug, Default)]
pub(crate) struct News {
    calls: bool,
    wakes: Vec<Waker>,
    dropped: Vec<Waker>,
}

impl News {
    /// The task has to take a turn.
    pub(crate) fn call(&mut self) {
        self.calls = true;
    }

    /// Somebody has to be woken.
    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        self.wakes.extend(waker);
    }

    /// A waker that is needed no more. Dropping it may run code of another executor.
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        self.dropped.extend(waker);
    }

    /// Does it. Nothing is locked.
    pub(crate) fn tell(self, caller: &Caller) {
        // The task comes first. On another thread it works while the others are woken here.
        if self.calls {
            caller.call();
        }
        self.wakes.into_iter().for_each(Waker::wake);
    }
}
