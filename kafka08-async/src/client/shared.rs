//! The state that handles, claims and the connection's task share: the state machine of the protocol, and the wakers of
//! everything that waits.
//!
//! The state is locked for one command or one turn of the task, and never across an await. Wakers are woken and dropped
//! only after the lock is released, because either may run code of another executor.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::BuildHasherDefault,
    io, mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    adapter::CallError,
    api::Request,
    connection::{Closed, Prepared, ResponseFrame, SendError, Ticket},
    ids::CorrelationId,
};

use super::{
    flushes::Flushes,
    line::{Kind, Left, Line, Number},
};
use crate::{
    id_hasher::IdHasher,
    identity::next_id,
    sync::{Mutex, MutexGuard, PoisonError},
    trace::{Teller, Trace},
    waker::keep_waker,
    watchers::Watchers,
};

/// The number of unreported failures from which on requests without a claim are refused as busy. A failure is
/// unreported if nobody waits for the request and no flush has listed it. Requests that are in flight or wait for room
/// may still add failures. One failure takes a few hundred bytes, and no caller looks at so many one by one.
pub const MAX_UNTOLD: usize = 4096;

/// How a request has ended. The error is boxed because it is rare and large.
pub(crate) type Outcome = Result<ResponseFrame, Box<CallError>>;

pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    state: Mutex<State>,
    /// Tells `tracing` what the state has noted, after the lock is released.
    pub(crate) teller: Teller,
}

pub(crate) struct State {
    pub(crate) connection: ClientConnection,
    pub(crate) phase: Phase,
    /// Requests whose responses have a claim. There are at most `max_in_flight`.
    claims: HashMap<CorrelationId, Claim, BuildHasherDefault<IdHasher>>,
    /// Requests that have not ended and whose claims were dropped. They are cancelled only after reading, because a
    /// late response may keep the connection alive.
    pub(crate) dropped: Vec<CorrelationId>,
    pub(crate) line: Line,
    pub(crate) flushes: Flushes,
    pub(crate) watchers: Watchers,
    /// The failures of requests that nobody waits for. The next flush or close lists them.
    failures: Vec<CallError>,
    pub(crate) closed: Option<Closed>,
    /// The stream's first failure.
    pub(crate) error: Option<Arc<io::Error>>,
    /// The time at which a connection that is to close stops waiting for its stream.
    pub(crate) close_by: Option<Instant>,
    /// Whether a request was staged since the task last wrote.
    pub(crate) has_fresh: bool,
    /// Wakes the task. A command takes the waker, and the task puts it back at the end of a turn.
    pub(crate) task: Option<Waker>,
    /// Whether the task has something to do.
    wants_task: bool,
    pub(crate) trace: Trace,
    /// Wakers to wake after the lock is released.
    pub(crate) wakes: Vec<Waker>,
}

/// A request with a claim.
enum Claim {
    Waiting(Option<Waker>),
    Ended(Outcome),
    /// The claim was dropped, and the request will be cancelled.
    Dropped,
}

/// What happens to the connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No handle is left. The connection closes when staged requests were written and requests in flight were answered.
    Abandoned,
    /// `close` was called. The connection closes when staged requests were written. No more requests are staged.
    Closing,
}

impl Shared {
    pub(crate) fn new(config: ClientConfig) -> Self {
        let id = next_id();
        let (teller, trace) = Teller::new(&config, id);
        let state = State {
            connection: ClientConnection::new(config.clone(), id),
            phase: Phase::Open,
            claims: HashMap::default(),
            dropped: Vec::new(),
            line: Line::default(),
            flushes: Flushes::default(),
            watchers: Watchers::default(),
            failures: Vec::new(),
            closed: None,
            error: None,
            close_by: None,
            has_fresh: false,
            task: None,
            wants_task: false,
            trace,
            wakes: Vec::new(),
        };
        Self { config, state: Mutex::new(state), teller }
    }

    /// Locks the state for a turn of the task.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the state was locked ends the task, and the task's guard then ends everything that waits.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of a handle, and wakes the task if it has something to do. The caller drops the result after the
    /// lock is released.
    pub(crate) fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = command(&mut state);
        // The waker is taken, so that several commands in a row wake the task once.
        let task = if mem::take(&mut state.wants_task) { state.task.take() } else { None };
        let notes = state.trace.take();
        drop(state);
        self.teller.tell(notes);
        if let Some(task) = task {
            task.wake();
        }
        result
    }

    /// Ends the connection, if it has not ended, and everything that waits. The task and its stream are gone, so
    /// nothing else would end them.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.connection.abandon();
        state.take_events();
        state.finish();
        let (wakes, task, notes) = (mem::take(&mut state.wakes), state.task.take(), state.trace.take());
        drop(state);
        self.teller.tell(notes);
        wakes.into_iter().for_each(Waker::wake);
        drop(task);
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
    /// The request can never be sent, so waiting does not help.
    pub(crate) fn start<R: Request>(
        &mut self,
        now: Instant,
        kind: Kind,
        request: &R,
    ) -> Result<Option<Ticket<R>>, SendError> {
        if !self.has_room(kind)? {
            return Ok(None);
        }
        let before = self.staged();
        match self.connection.request(now, request) {
            Ok(ticket) => {
                self.note_staged(kind, ticket.id());
                let bytes = self.staged() - before;
                self.trace.note_staged(now, ticket.id(), R::API, bytes);
                Ok(Some(ticket))
            }
            Err(SendError::Busy) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stages a prepared request if there is room for it.
    ///
    /// # Errors
    /// The request can never be sent, so waiting does not help.
    pub(crate) fn start_prepared(
        &mut self,
        now: Instant,
        kind: Kind,
        request: &Prepared,
    ) -> Result<Option<CorrelationId>, SendError> {
        if !self.has_room(kind)? {
            return Ok(None);
        }
        let before = self.staged();
        match self.connection.send(now, request) {
            Ok(id) => {
                self.note_staged(kind, id);
                let bytes = self.staged() - before;
                self.trace.note_staged(now, id, request.api(), bytes);
                Ok(Some(id))
            }
            Err(SendError::Busy) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a new request may be staged at once.
    fn has_room(&self, kind: Kind) -> Result<bool, SendError> {
        if let Some(closed) = &self.closed {
            return Err(SendError::Closed(Box::new(closed.clone())));
        }
        // Only requests without a claim are refused. A request with a claim reports its failure by the claim, and not
        // by this list.
        if kind == Kind::Forgotten && self.failures.len() >= MAX_UNTOLD {
            return Err(SendError::Busy);
        }
        Ok(self.phase != Phase::Closing && self.line.lets_pass(kind, self.may_claim()))
    }

    /// Whether there is room for one more claim.
    fn may_claim(&self) -> bool {
        self.claims.len() < self.connection.config().max_in_flight()
    }

    /// The number of staged bytes.
    fn staged(&mut self) -> usize {
        self.connection.buffers().1.remaining()
    }

    fn note_staged(&mut self, kind: Kind, id: CorrelationId) {
        if kind == Kind::Claimed {
            self.claims.insert(id, Claim::Waiting(None));
        }
        self.has_fresh = true;
        self.call_task();
    }

    /// Lets a request wait for room, for at most its own timeout.
    pub(crate) fn queue(&mut self, kind: Kind, request: Prepared, called_at: Instant) -> Number {
        let timeout = request.timeout().unwrap_or_else(|| self.connection.config().request_timeout());
        self.call_task();
        let number = self.line.push(kind, request, called_at, called_at.checked_add(timeout));
        // The connection, and its task with it, may have ended since the caller looked for room. Then nothing else would
        // end the wait, not even its deadline.
        self.finish();
        number
    }

    /// Stages waiting requests, as far as there is room.
    pub(crate) fn serve(&mut self, now: Instant) {
        while self.phase != Phase::Closing
            && let Some((kind, number, request)) = self.line.first(self.may_claim())
        {
            let before = self.connection.buffers().1.remaining();
            let sent = match self.connection.send(now, request) {
                Err(SendError::Busy) => break,
                sent => sent,
            };
            if let Ok(id) = &sent {
                let after = self.connection.buffers().1.remaining();
                self.trace.note_staged(now, *id, request.api(), after - before);
            }
            // The claim is inserted before the future is woken, because the response may arrive first.
            if let (Ok(id), Kind::Claimed) = (&sent, kind) {
                self.claims.insert(*id, Claim::Waiting(None));
            }
            self.wakes.extend(self.line.decide(number, sent));
        }
    }

    /// Removes a request that waits for room, or has waited, because its future is dropped. Drop the returned value
    /// only after the lock is released.
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

    /// Returns how a request with a claim has ended. If it has not, `cx` is woken when it does. Drop the returned
    /// waker, which is the replaced one, only after the lock is released.
    pub(crate) fn poll_claim(&mut self, id: CorrelationId, cx: &Context<'_>) -> (Poll<Outcome>, Option<Waker>) {
        let Entry::Occupied(mut claim) = self.claims.entry(id) else {
            return (Poll::Ready(Err(Box::new(CallError::NotOutstanding(id)))), None);
        };
        if let Claim::Waiting(waker) = claim.get_mut() {
            return (Poll::Pending, keep_waker(waker, cx));
        }
        // The outcome is taken once. After that, its place is free for another request.
        let claim = claim.remove();
        self.note_place_free();
        let outcome = match claim {
            Claim::Ended(outcome) => outcome,
            // A claim is not polled after it was dropped.
            Claim::Waiting(_) | Claim::Dropped => Err(Box::new(CallError::NotOutstanding(id))),
        };
        (Poll::Ready(outcome), None)
    }

    /// Handles the drop of a claim. Drop the returned value only after the lock is released.
    pub(crate) fn drop_claim(&mut self, id: CorrelationId) -> Option<impl Sized + use<>> {
        let claim = self.claims.get_mut(&id)?;
        if let Claim::Waiting(_) = claim {
            self.dropped.push(id);
            // The claim keeps its place until the task has cancelled the request, because a response may arrive before
            // that.
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

    /// Cancels the requests whose claims were dropped.
    pub(crate) fn cancel_dropped(&mut self) {
        for id in mem::take(&mut self.dropped) {
            self.claims.remove(&id);
            self.connection.cancel(id);
            self.trace.note_given_up(id);
        }
    }

    /// Takes the events of the connection.
    pub(crate) fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => self.end(frame.id, Ok(frame)),
                ClientEvent::Written { id, .. } => self.trace.note_written(id),
                ClientEvent::Failed { id, .. } => {
                    let peer = self.connection.config().peer();
                    if let Some(error) = CallError::from_event(event, peer, self.error.as_ref()) {
                        self.end(id, Err(Box::new(error)));
                    }
                }
                ClientEvent::Closed(closed) => {
                    self.trace.note_closed(&closed);
                    self.closed = Some(closed);
                }
            }
        }
    }

    /// Gives the outcome of a request to its claim. Without a claim, a failure is kept for the next flush, and a
    /// response is dropped.
    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        self.trace.note_ended(id, outcome.as_ref().map_err(|error| &**error));
        match self.claims.get_mut(&id) {
            Some(claim @ Claim::Waiting(_)) => {
                if let Claim::Waiting(waker) = mem::replace(claim, Claim::Ended(outcome)) {
                    self.wakes.extend(waker);
                }
            }
            Some(_) => {}
            // There is no claim. A response is dropped, and a failure is kept for the next flush.
            None => self.failures.extend(outcome.err().map(|error| *error)),
        }
    }

    /// Takes the failures that were not reported yet.
    pub(crate) fn take_failures(&mut self) -> Vec<CallError> {
        mem::take(&mut self.failures)
    }

    /// Ends everything that waits, if the connection has ended. Returns whether it has.
    pub(crate) fn finish(&mut self) -> bool {
        let Some(closed) = &self.closed else { return false };
        // Requests that wait for room have sent nothing, so they are refused, and do not count as failed.
        self.line.refuse(closed, &mut self.wakes);
        self.flushes.finish_all(&mut self.wakes);
        self.watchers.finish_all(&mut self.wakes);
        true
    }
}
