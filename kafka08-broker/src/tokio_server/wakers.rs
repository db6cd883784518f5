//! Which sockets have woken the task since its last turn.
//!
//! All sockets belong to one task. If they shared its waker, the task would have to look at every socket whenever one is ready.
//! So each socket has a waker of its own, which notes the socket and wakes the task.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use kafka08_proto::ids::{ConnectionId, NodeId};

/// What a waker belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The port of a broker.
    Listener(NodeId),
    /// The socket of a client.
    Connection(ConnectionId),
}

/// The sockets that have woken the task, and the task's own waker.
#[derive(Default)]
pub(super) struct Woken {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sockets that were woken since the last turn, in that order.
    noted: Vec<Arc<SourceWaker>>,
    /// `None` before the first turn.
    task: Option<Waker>,
}

impl Woken {
    /// The waker of a socket.
    pub(super) fn waker(self: &Arc<Self>, source: Source) -> Waker {
        Waker::from(Arc::new(SourceWaker { source, is_noted: AtomicBool::new(false), woken: Arc::downgrade(self) }))
    }

    /// Takes the sockets that have woken the task since the last call, for a turn of the task with this waker.
    pub(super) fn take(&self, task: &Waker) -> Vec<Source> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            state.task = Some(task.clone());
        }
        let noted = std::mem::take(&mut state.noted);
        drop(state);
        // A socket that is ready again from here on is noted again: the turn that follows may have looked at it already.
        noted.iter().for_each(|waker| waker.is_noted.store(false, Ordering::Release));
        noted.iter().map(|waker| waker.source).collect()
    }

    /// Wakes the task, for a command.
    pub(super) fn wake(&self) {
        // Cloned, so that the lock is free when the waker runs: a runtime may poll the task at once.
        let task = self.state.lock().unwrap_or_else(PoisonError::into_inner).task.clone();
        // Outside of the lock: the runtime may run code of its own here. Before the first turn there is nobody to wake.
        if let Some(task) = task {
            task.wake();
        }
    }

    fn note(&self, waker: Arc<SourceWaker>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).noted.push(waker);
        self.wake();
    }
}

/// Notes one socket when it is woken.
struct SourceWaker {
    source: Source,
    /// Whether the socket is in the list already. It is there at most once, so the list is no longer than there are sockets.
    is_noted: AtomicBool,
    /// Weak, because the list holds this waker.
    woken: Weak<Woken>,
}

impl Wake for SourceWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_noted.swap(true, Ordering::AcqRel)
            && let Some(woken) = self.woken.upgrade()
        {
            woken.note(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_woken_twice_is_noted_once_and_again_after_it_was_taken() {
        let woken = Arc::new(Woken::default());
        let (one, other) = (Source::Connection(ConnectionId(1)), Source::Listener(NodeId(2)));
        let (first, second) = (woken.waker(one), woken.waker(other));
        first.wake_by_ref();
        second.wake_by_ref();
        first.wake_by_ref();
        assert_eq!(woken.take(Waker::noop()), [one, other]);
        assert_eq!(woken.take(Waker::noop()), []);
        first.wake_by_ref();
        assert_eq!(woken.take(Waker::noop()), [one]);
    }

    /// Counts how often the task is woken.
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn sockets_and_commands_wake_the_task_that_took_the_last_turn() {
        let woken = Arc::new(Woken::default());
        let socket = woken.waker(Source::Connection(ConnectionId(1)));
        // Nothing is lost before the first turn, and nobody is there to be woken.
        socket.wake_by_ref();
        let count = Arc::new(Count(0.into()));
        let task = Waker::from(Arc::clone(&count));
        assert_eq!(woken.take(&task).len(), 1);
        socket.wake_by_ref();
        woken.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
