//! What handles, claims and the connection's task share: the protocol's state, and who waits for what.
//!
//! It is locked for one command or one turn of the task, never across an await. Wakers are woken and dropped when nothing is
//! locked, because either may run code of another executor.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::BuildHasherDefault,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    adapter::CallError,
    api::Request,
    connection::{Closed, Prepared, ResponseFrame, SendError, Ticket},
    ids::{ConnectionId, CorrelationId},
};
use tokio::sync::watch;

use crate::{
    flushes::Flushes,
    id_hasher::IdHasher,
    line::{Kind, Left, Line, Number, keep_waker},
};

/// Failures that nobody waits for and no flush has told, from which on requests without a claim are refused as busy. As many
/// more as are in flight or wait for room may still come. A few hundred bytes each; more than any caller would look at one by
/// one.
pub const MAX_UNTOLD: usize = 4096;

/// How a request ended. The error is boxed, because most requests have none.
pub(crate) type Outcome = Result<ResponseFrame, Box<CallError>>;

pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    state: Mutex<State>,
    /// Whether the connection has ended. Sent when nothing is locked.
    pub(crate) has_ended: watch::Sender<bool>,
}

pub(crate) struct State {
    pub(crate) connection: ClientConnection,
    pub(crate) phase: Phase,
    /// Requests whose answers have a claim. Their number is bounded by `max_in_flight`.
    claims: HashMap<CorrelationId, Claim, BuildHasherDefault<IdHasher>>,
    /// Requests whose claims were dropped before they had ended: to be cancelled when what has come was read, for a late
    /// answer may save the connection.
    pub(crate) dropped: Vec<CorrelationId>,
    pub(crate) line: Line,
    pub(crate) flushes: Flushes,
    /// Failures of requests that nobody waits for, for the next flush or close.
    failures: Vec<CallError>,
    pub(crate) closed: Option<Closed>,
    /// The stream's first failure.
    pub(crate) error: Option<Arc<io::Error>>,
    /// When a connection that is to close does not wait for its stream any longer.
    pub(crate) close_by: Option<Instant>,
    /// Something was staged since the task last wrote.
    pub(crate) has_fresh: bool,
    /// How to wake the task. Taken by who wakes it; the task puts it back at the end of each turn.
    pub(crate) task: Option<Waker>,
    /// The task has something to do.
    wants_task: bool,
    /// To be woken when nothing is locked.
    pub(crate) wakes: Vec<Waker>,
}

/// A request that somebody waits for.
enum Claim {
    Waiting(Option<Waker>),
    Ended(Outcome),
    /// Its claim was dropped, and its cancel is on its way.
    Dropped,
}

/// What is to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No handle is left: what is staged leaves, and what is in flight is answered; then it closes.
    Abandoned,
    /// `close` was called: what is staged leaves; then it closes. Nothing more is staged.
    Closing,
}

impl Shared {
    pub(crate) fn new(config: ClientConfig) -> Self {
        let state = State {
            connection: ClientConnection::new(config.clone(), next_id()),
            phase: Phase::Open,
            claims: HashMap::default(),
            dropped: Vec::new(),
            line: Line::default(),
            flushes: Flushes::default(),
            failures: Vec::new(),
            closed: None,
            error: None,
            close_by: None,
            has_fresh: false,
            task: None,
            wants_task: false,
            wakes: Vec::new(),
        };
        Self { config, state: Mutex::new(state), has_ended: watch::Sender::new(false) }
    }

    /// The state, for the task's turn.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was locked ends the task, whose guard then ends everything that waits.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of a handle, and wakes the task if it has something to do. What the command returns is dropped when
    /// nothing is locked.
    pub(crate) fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = command(&mut state);
        // Taken out, so that commands that follow each other wake the task once.
        let task = if mem::take(&mut state.wants_task) { state.task.take() } else { None };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        result
    }

    /// The task is gone, and the stream with it. Unless the connection has ended, it ends here, and so does everything that
    /// waits: nobody else will tell.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.connection.abandon();
        state.take_events();
        state.finish();
        let (wakes, task) = (mem::take(&mut state.wakes), state.task.take());
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
        drop(task);
        self.has_ended.send_replace(true);
    }
}

impl State {
    /// Notes that the task has something to do.
    pub(crate) fn call_task(&mut self) {
        self.wants_task = true;
    }

    /// Stages a request if there is room for it.
    ///
    /// # Errors
    /// It will not pass by waiting.
    pub(crate) fn start<R: Request>(&mut self, kind: Kind, request: &R) -> Result<Option<Ticket<R>>, SendError> {
        if !self.has_room(kind)? {
            return Ok(None);
        }
        match self.connection.request(now(), request) {
            Ok(ticket) => {
                self.note_staged(kind, ticket.id());
                Ok(Some(ticket))
            }
            Err(SendError::Busy) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stages a request that is prepared if there is room for it.
    ///
    /// # Errors
    /// It will not pass by waiting.
    pub(crate) fn start_prepared(
        &mut self,
        kind: Kind,
        request: &Prepared,
    ) -> Result<Option<CorrelationId>, SendError> {
        if !self.has_room(kind)? {
            return Ok(None);
        }
        match self.connection.send(now(), request) {
            Ok(id) => {
                self.note_staged(kind, id);
                Ok(Some(id))
            }
            Err(SendError::Busy) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a new request may be tried at once.
    fn has_room(&self, kind: Kind) -> Result<bool, SendError> {
        if let Some(closed) = &self.closed {
            return Err(SendError::Closed(Box::new(closed.clone())));
        }
        // A request with a claim tells its failure to whoever waits for it; only those without one can fill this list.
        if kind == Kind::Forgotten && self.failures.len() >= MAX_UNTOLD {
            return Err(SendError::Busy);
        }
        Ok(self.phase != Phase::Closing && self.line.lets_pass(kind, self.may_claim()))
    }

    /// Whether one more answer may be claimed.
    fn may_claim(&self) -> bool {
        self.claims.len() < self.connection.config().max_in_flight()
    }

    fn note_staged(&mut self, kind: Kind, id: CorrelationId) {
        if kind == Kind::Claimed {
            self.claims.insert(id, Claim::Waiting(None));
        }
        self.has_fresh = true;
        self.call_task();
    }

    /// Lets a request wait for room, for no longer than its own timeout.
    pub(crate) fn queue(&mut self, kind: Kind, request: Prepared, called_at: Instant) -> Number {
        let timeout = request.timeout().unwrap_or_else(|| self.connection.config().request_timeout());
        self.call_task();
        self.line.push(kind, request, called_at, called_at.checked_add(timeout))
    }

    /// Stages what waits, as far as there is room.
    pub(crate) fn serve(&mut self, now: Instant) {
        while self.phase != Phase::Closing
            && let Some((kind, number, request)) = self.line.first(self.may_claim())
        {
            let sent = match self.connection.send(now, request) {
                Err(SendError::Busy) => break,
                sent => sent,
            };
            // Before its future hears of it: an answer that comes first must find a claim to go to.
            if let (Ok(id), Kind::Claimed) = (&sent, kind) {
                self.claims.insert(*id, Claim::Waiting(None));
            }
            self.wakes.extend(self.line.decide(number, sent));
        }
    }

    /// The future of a request that waited for room is dropped. What comes back is to be dropped when nothing is locked.
    pub(crate) fn abandon_number(&mut self, number: Number) -> Left {
        let left = self.line.abandon(number);
        match &left {
            Left::Sent(id) => {
                self.dropped.push(*id);
                self.call_task();
            }
            Left::Waiting { .. } => self.call_task(),
            Left::Nothing => {}
        }
        left
    }

    /// How a request with a claim ended, or that `cx` is to be woken when it does. The waker that it replaces is to be
    /// dropped when nothing is locked.
    pub(crate) fn poll_claim(&mut self, id: CorrelationId, cx: &Context<'_>) -> (Poll<Outcome>, Option<Waker>) {
        let Entry::Occupied(mut claim) = self.claims.entry(id) else {
            return (Poll::Ready(Err(Box::new(CallError::NotOutstanding(id)))), None);
        };
        if let Claim::Waiting(waker) = claim.get_mut() {
            return (Poll::Pending, keep_waker(waker, cx));
        }
        // The outcome is taken once. From now on its place is free for another request.
        let claim = claim.remove();
        self.note_place_free();
        let outcome = match claim {
            Claim::Ended(outcome) => outcome,
            // A claim is not polled after it was dropped.
            Claim::Waiting(_) | Claim::Dropped => Err(Box::new(CallError::NotOutstanding(id))),
        };
        (Poll::Ready(outcome), None)
    }

    /// A claim is dropped. What comes back is to be dropped when nothing is locked.
    pub(crate) fn drop_claim(&mut self, id: CorrelationId) -> Option<impl Sized + use<>> {
        let claim = self.claims.get_mut(&id)?;
        if let Claim::Waiting(_) = claim {
            self.dropped.push(id);
            // The claim keeps its place until the task has cancelled the request: an answer may be on its way to it.
            let waker = mem::replace(claim, Claim::Dropped);
            self.call_task();
            return Some(waker);
        }
        let ended = self.claims.remove(&id);
        self.note_place_free();
        ended
    }

    fn note_place_free(&mut self) {
        if !self.line.is_empty() {
            self.call_task();
        }
    }

    /// Cancels what nobody waits for any more.
    pub(crate) fn cancel_dropped(&mut self) {
        for id in mem::take(&mut self.dropped) {
            self.claims.remove(&id);
            self.connection.cancel(id);
        }
    }

    /// Takes what the connection has to tell.
    pub(crate) fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => self.end(frame.id, Ok(frame)),
                ClientEvent::Written { .. } => {}
                ClientEvent::Failed { id, .. } => {
                    let peer = self.connection.config().peer();
                    if let Some(error) = CallError::from_event(event, peer, self.error.as_ref()) {
                        self.end(id, Err(Box::new(error)));
                    }
                }
                ClientEvent::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    /// Gives the outcome of a request to the one who waits for it. A failure that nobody waits for is kept.
    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        match self.claims.get_mut(&id) {
            Some(claim @ Claim::Waiting(_)) => {
                if let Claim::Waiting(waker) = mem::replace(claim, Claim::Ended(outcome)) {
                    self.wakes.extend(waker);
                }
            }
            Some(_) => {}
            // Nobody has a claim on it. An answer is dropped, a failure is kept for the next flush.
            None => self.failures.extend(outcome.err().map(|error| *error)),
        }
    }

    /// The failures that were not told yet.
    pub(crate) fn take_failures(&mut self) -> Vec<CallError> {
        mem::take(&mut self.failures)
    }

    /// Ends everything that waits, if the connection has ended. Returns whether it has.
    pub(crate) fn finish(&mut self) -> bool {
        let Some(closed) = &self.closed else { return false };
        // Those that wait for room have sent nothing, so each is refused, and not failed.
        self.line.refuse(closed, &mut self.wakes);
        self.flushes.finish_all(&mut self.wakes);
        true
    }
}

/// The time, by the runtime's clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An identity for a connection: no two of this crate's have the same one.
fn next_id() -> ConnectionId {
    // Correlation ids begin at the same number in each connection, so a claim also says whose it is.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}
