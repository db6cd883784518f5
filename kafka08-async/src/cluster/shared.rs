//! The state that handles and the task share: the machine, and who waits for it.
//!
//! The state is locked for one command, or for one piece of work of the task, and never across an await. Wakers are woken and
//! dropped only after the lock is released, because either may run code of another executor. The ends of calls are dropped after
//! that too, because they may be large.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    mem,
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_client::{
    cluster::{self as machine, CallId, Ended},
    config::ClusterConfig,
};

use crate::{
    fleet::Caller,
    sync::{Mutex, MutexGuard, PoisonError},
    trace::{ClusterNotes, ClusterTeller, ClusterTrace},
    waker::keep_waker,
    watchers::Watchers,
};

pub(super) struct Shared {
    pub(super) config: ClusterConfig,
    pub(super) caller: Caller,
    state: Mutex<State>,
    teller: ClusterTeller,
}

pub(super) struct State {
    pub(super) machine: machine::Cluster,
    pub(super) phase: Phase,
    /// The calls whose futures exist.
    calls: BTreeMap<CallId, Waiting>,
    /// Who waits for the first answer of a broker, or for the news that none can be reached.
    pub(super) reaching: Option<Waker>,
    /// Who waits for the end of the task.
    pub(super) watchers: Watchers,
    pub(super) trace: ClusterTrace,
}

/// How far a call has come.
enum Waiting {
    Open(Option<Waker>),
    Ended(Ended),
    /// The task is gone, and nothing ends the call.
    Abandoned,
}

/// What became of a call.
pub(super) enum Outcome {
    Ended(Ended),
    Abandoned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// `close` was called, or no handle is left. The task closes the machine.
    Closing,
    /// The task is gone, after the machine was closed.
    Closed,
    /// The task is gone, and nobody has closed the machine.
    Abandoned,
}

impl Phase {
    /// Whether nothing drives the machine any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Abandoned)
    }
}

/// What was taken out of the state, to be dropped or woken after the lock is released.
#[derive(Default)]
pub(super) struct Left {
    wakers: Vec<Waker>,
    ended: Option<Ended>,
}

impl Left {
    pub(super) fn wake(self) {
        let Self { wakers, ended } = self;
        drop(ended);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    pub(super) fn new(config: ClusterConfig) -> Self {
        let (teller, trace) = ClusterTeller::new(&config);
        let state = State {
            machine: machine::Cluster::new(config.clone()),
            phase: Phase::Open,
            calls: BTreeMap::new(),
            reaching: None,
            watchers: Watchers::default(),
            trace,
        };
        Self { config, caller: Caller::default(), state: Mutex::new(state), teller }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the machine in the task ends the task, and with it everything that waits.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state, or changes what the machine does not know. The caller drops the result after the lock is released.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.lock())
    }

    /// Runs a command of a handle, and lets the task do what the machine then says.
    pub(super) fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with(command);
        self.caller.call();
        result
    }

    /// Lets the task close the machine.
    pub(super) fn close(&self) {
        self.command(|state| {
            if state.phase == Phase::Open {
                state.phase = Phase::Closing;
            }
        });
    }

    pub(super) fn tell(&self, notes: ClusterNotes) {
        self.teller.tell(notes);
    }
}

impl State {
    /// Notes that a future waits for a call.
    pub(super) fn wait_for(&mut self, id: CallId) {
        // Nobody takes what the machine is told after the end of the task.
        let waiting = if self.phase.is_over() { Waiting::Abandoned } else { Waiting::Open(None) };
        // In the same command as the machine's `call`. If the lock were released in between, the task could end the
        // call, find no entry, and drop the answer.
        self.calls.insert(id, waiting);
    }

    /// Returns how a call has ended. If it has not, `cx` is woken when it does. Drop the returned waker, which is the replaced
    /// one, only after the lock is released.
    pub(super) fn poll_call(&mut self, id: CallId, cx: &Context<'_>) -> (Poll<Outcome>, Option<Waker>) {
        let Entry::Occupied(mut call) = self.calls.entry(id) else { return (Poll::Ready(Outcome::Abandoned), None) };
        if let Waiting::Open(waker) = call.get_mut() {
            return (Poll::Pending, keep_waker(waker, cx));
        }
        let outcome = match call.remove() {
            Waiting::Ended(ended) => Outcome::Ended(ended),
            // `Open` has returned above.
            Waiting::Open(_) | Waiting::Abandoned => Outcome::Abandoned,
        };
        (Poll::Ready(outcome), None)
    }

    /// Gives up a call whose future is dropped.
    pub(super) fn cancel(&mut self, id: CallId) -> Left {
        let mut left = Left::default();
        match self.calls.remove(&id) {
            Some(Waiting::Open(waker)) => {
                // Only a call that is open. The machine has forgotten one that has ended, and would search its events
                // for it.
                self.machine.cancel(id);
                left.wakers.extend(waker);
            }
            Some(Waiting::Ended(ended)) => left.ended = Some(ended),
            Some(Waiting::Abandoned) | None => {}
        }
        left
    }

    /// Gives the end of a call to its future. Without one, the end is dropped.
    pub(super) fn end_call(&mut self, ended: Ended) -> Left {
        let mut left = Left::default();
        match self.calls.get_mut(&ended.id()) {
            // The entry stays until its future takes the end. So a future that is polled late still finds it.
            Some(call @ Waiting::Open(_)) => {
                if let Waiting::Open(waker) = mem::replace(call, Waiting::Ended(ended)) {
                    left.wakers.extend(waker);
                }
            }
            Some(_) | None => left.ended = Some(ended),
        }
        left
    }

    /// Does what handles have left to the task.
    pub(super) fn exchange(&mut self, now: Instant) -> Left {
        // The task closes the machine, not the handle: the last handle is dropped without knowing its runtime, so it
        // has no clock. Each turn may repeat it: the machine ignores the second time.
        if self.phase == Phase::Closing {
            self.machine.close(now);
        }
        let mut left = Left::default();
        // Asked in each turn, because no event tells it. It is a look at one field.
        if self.machine.unreachable().is_some() {
            left.wakers.extend(self.reaching.take());
        }
        left
    }

    /// Ends everything that waits, because the task is gone.
    pub(super) fn end(&mut self) -> Left {
        // First, so that a call that begins after this is refused and not kept for nobody. A runtime that shuts down
        // has not closed the cluster, and callers are told the difference.
        self.phase = if self.phase == Phase::Closing { Phase::Closed } else { Phase::Abandoned };
        let mut left = Left::default();
        for call in self.calls.values_mut() {
            // Calls that have ended keep their answers, which their futures may still take.
            if let Waiting::Open(waker) = call {
                left.wakers.extend(waker.take());
                *call = Waiting::Abandoned;
            }
        }
        left.wakers.extend(self.reaching.take());
        self.watchers.finish_all(&mut left.wakers);
        left
    }
}
