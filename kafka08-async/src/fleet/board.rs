//! The list of who has called the task since its last turn. It knows ids, and no links.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use kafka08_client::machine::LinkId;

use crate::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    waker::keep_waker,
};

/// Calls the task of a fleet. Handles keep it; a clone calls the same task.
#[derive(Clone, Default)]
pub struct Caller(pub(super) Arc<Board>);

impl Caller {
    /// Lets the task take another turn. If it has ended, this does nothing.
    ///
    /// Call it after the locks of the owner were released. Several calls before the turn are one.
    pub fn call(&self) {
        let mut state = self.0.lock();
        // Noted also if no waker is kept: the task may be in a turn, and looks at the flag before it sleeps.
        state.is_called = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

/// What the task does next, as others see it.
#[derive(Default)]
pub(super) struct Board(Mutex<State>);

#[derive(Default)]
struct State {
    /// Links whose sockets were found ready, in that order. Each stands here once.
    woken: Vec<LinkId>,
    /// Whether a handle has called.
    is_called: bool,
    /// Wakes the task, while it sleeps.
    task: Option<Waker>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, link: LinkId) {
        let mut state = self.lock();
        state.woken.push(link);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Moves the links that were woken to the end of `ready`, and forgets the calls of handles. Returns whether there were any.
    pub(super) fn take(&self, ready: &mut VecDeque<LinkId>) -> bool {
        let mut state = self.lock();
        ready.extend(state.woken.drain(..));
        mem::take(&mut state.is_called)
    }

    /// Moves the links that were woken to the end of `ready`. A call of a handle stays: the outputs that it leads to were not
    /// taken yet.
    pub(super) fn take_woken(&self, ready: &mut VecDeque<LinkId>) {
        ready.extend(self.lock().woken.drain(..));
    }

    /// Whether the task may sleep, because nobody has called. Then the next call wakes it.
    pub(super) fn may_sleep(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        // Looked at under the lock under which the waker is kept. Otherwise a call between the two would wake nobody.
        if state.is_called || !state.woken.is_empty() {
            return false;
        }
        let replaced = keep_waker(&mut state.task, cx);
        drop(state);
        drop(replaced);
        true
    }
}

/// The link is on no list.
const IDLE: u8 = 0;
/// The link is listed, because the machine has named it. Its socket is not known to be ready.
const NAMED: u8 = 1;
/// The link is listed, and its socket may be ready.
const WOKEN: u8 = 2;

/// What the socket of a link wakes.
pub(super) struct Bell {
    link: LinkId,
    board: Arc<Board>,
    state: AtomicU8,
}

impl Bell {
    pub(super) fn new(link: LinkId, board: &Arc<Board>) -> Arc<Self> {
        Arc::new(Self { link, board: Arc::clone(board), state: AtomicU8::new(IDLE) })
    }

    /// Notes that the machine has named the link. Returns whether the task has to list it.
    pub(super) fn name(&self) -> bool {
        // Not a swap: that would turn WOKEN into NAMED, and the link would be touched without a try to read.
        self.state.compare_exchange(IDLE, NAMED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Notes that the socket may be ready. Returns whether the task has to list the link.
    pub(super) fn note_ready(&self) -> bool {
        // A link that is NAMED stands in a list already. Listed twice, it would be touched twice in a turn.
        self.state.swap(WOKEN, Ordering::SeqCst) == IDLE
    }

    /// Notes that the link was taken from its list. Returns whether its socket may be ready. A wake-up from here on lists the
    /// link again.
    pub(super) fn take(&self) -> bool {
        self.state.swap(IDLE, Ordering::SeqCst) == WOKEN
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.note_ready() {
            self.board.list(self.link);
        }
    }
}
