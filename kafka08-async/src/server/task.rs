//! The task of one connection. It moves bytes, runs the handler, and handles deadlines.

use std::{
    future::poll_fn,
    io::ErrorKind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};
use futures_util::stream::{FuturesUnordered, Stream as _};
use kafka08_proto::{
    Connection as _, Disconnect, ServerEvent,
    connection::{Heard, RequestFrame, ServerCloseReason},
    ids::ConnectionId,
};

use super::{
    call::Call,
    shared::{Registry, Shared, State},
};
use crate::{
    Runtime,
    io::{Alarm, CLOSING, Driver, Overdue, READ_PER_TURN, STEPS_PER_TURN, timeout_at},
    trace::{self, Served},
    waker::keep_waker,
};

/// Why a connection has ended whose time was over.
const TIMED_OUT: ServerCloseReason =
    ServerCloseReason::Disconnected { how: Disconnect::Error(ErrorKind::TimedOut), heard: Heard::Frames };

pub(super) struct Task<Rt: Runtime, S, H, F> {
    driver: Driver<S>,
    guard: Guard,
    alarm: Alarm<Rt::Timer>,
    handler: Arc<H>,
    /// The futures of calls that the handler works on.
    running: FuturesUnordered<F>,
    overdue: Overdue,
    /// When bytes were moved last, or a call was given to the handler.
    moved_at: Instant,
    /// Whether the handler worked on a call in the last turn, so that the client had nothing to do.
    was_working: bool,
    /// Whether the connection was ended because its time was over.
    is_cut_off: bool,
    closed: Option<ServerCloseReason>,
}

/// Ends the connection when its task is dropped for any reason, so that calls cannot be answered any more.
struct Guard {
    id: ConnectionId,
    shared: Arc<Shared>,
    registry: Arc<Registry>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // After that, answering a call that is kept elsewhere is an error, and not a response that nobody writes.
        self.shared.command(|state| {
            state.connection.close();
            state.connection.handle_disconnect(Disconnect::Eof);
        });
        self.registry.note_connection_ended(self.id);
    }
}

impl<Rt, S, H, F> Task<Rt, S, H, F>
where
    Rt: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Call) -> F,
    F: Future<Output = ()>,
{
    pub(super) fn new(
        driver: Driver<S>,
        id: ConnectionId,
        shared: Arc<Shared>,
        registry: Arc<Registry>,
        handler: Arc<H>,
    ) -> Self {
        Self {
            driver,
            guard: Guard { id, shared, registry },
            alarm: Alarm::new(),
            handler,
            running: FuturesUnordered::new(),
            overdue: Overdue::default(),
            moved_at: Rt::now(),
            was_working: false,
            is_cut_off: false,
            closed: None,
        }
    }

    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        let Self { driver, guard, mut alarm, mut running, closed, .. } = self;
        if let Some(reason) = &closed {
            trace::served(guard.id, Served::Ended(reason));
            if let Some(hook) = &guard.registry.config.on_end {
                hook(guard.id, reason);
            }
        }
        // A stream that does not close in time is dropped.
        let _ = timeout_at::<Rt, _>(Rt::now().checked_add(CLOSING), driver.close()).await;
        // A request that has arrived is served, also if its client has left without waiting for the response.
        poll_fn(|cx| {
            let stop_by = guard.shared.wait_for_command(cx);
            while let Poll::Ready(finished) = Pin::new(&mut running).poll_next(cx) {
                if finished.is_none() {
                    return Poll::Ready(());
                }
            }
            let is_late = stop_by.is_some_and(|by| by <= Rt::now()) || alarm.poll(cx, stop_by).is_ready();
            if is_late { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.guard.shared);
        let mut calls = Vec::new();
        let mut state = shared.lock();
        let moves_on = self.turn(cx, &mut state, &mut calls);
        let is_over = state.connection.is_over() && !self.driver.needs_flush();
        // Read before the handlers run. What they change wakes the task, and the next turn reads it again.
        let deadline = self.deadline(&state);
        // Handlers answer their calls in the polls below, and must wake the task.
        let replaced = keep_waker(&mut state.task, cx);
        // Handlers are code of others, and lock the state to answer.
        drop(state);
        drop(replaced);
        // Also if the connection is over: the last requests of a client may have come with its end.
        for request in calls {
            self.running.push((self.handler)(Call::new(request, Arc::clone(&shared))));
        }
        if is_over {
            return Poll::Ready(());
        }
        while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(cx) {}
        if moves_on || self.alarm.poll(cx, deadline).is_ready() {
            // The task returns to the scheduler, so that other tasks run between two turns.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads, handles deadlines and writes once. Returns whether more can be done without waiting.
    fn turn(&mut self, cx: &mut Context<'_>, state: &mut State, calls: &mut Vec<RequestFrame>) -> bool {
        let now = Rt::now();
        // The time in which the handler worked must not count as rest.
        if self.was_working {
            self.moved_at = now;
        }
        let has_read_all = self.read(cx, state, now, calls);
        let did_want_read = state.connection.wants_read();
        // Reading comes first, so that a request that has arrived in time is not too slow.
        if self.overdue.takes_effect(state.connection.poll_timeout(), now, has_read_all) {
            state.connection.handle_timeout(now);
        }
        // Before writing, so that the last responses of a connection that is closed now are written in this turn.
        self.end_if_due(state, now);
        self.take_events(state, calls);
        let has_written_all = self.write(cx, state, now, calls);
        self.was_working = state.open > 0;
        // A response that was written may let the connection read again. The stream has no waker for that yet.
        let wants_read_again = !did_want_read && state.connection.wants_read();
        !has_read_all || !has_written_all || wants_read_again
    }

    /// Reads the available bytes, up to a limit. Returns whether it has read all of them.
    fn read(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant, calls: &mut Vec<RequestFrame>) -> bool {
        let mut bytes = 0;
        for _ in 0..STEPS_PER_TURN {
            self.take_events(state, calls);
            if bytes >= READ_PER_TURN {
                return false;
            }
            if state.stop_by.is_some() || !state.connection.wants_read() {
                return true;
            }
            match self.driver.read(cx, now, &mut state.connection) {
                Poll::Pending => return Rt::is_pending_true(),
                Poll::Ready(n) => bytes += n,
            }
            self.moved_at = now;
        }
        false
    }

    /// Writes as much as the stream takes, up to a limit. Returns whether nothing can be done without waiting.
    fn write(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant, calls: &mut Vec<RequestFrame>) -> bool {
        for _ in 0..STEPS_PER_TURN {
            let is_staged = state.connection.wants_write();
            if !is_staged && !self.driver.needs_flush() {
                return true;
            }
            // Staged bytes come first: one flush is enough for all of them.
            let step = if is_staged {
                self.driver.write(cx, &mut state.connection)
            } else {
                self.driver.flush(cx, &mut state.connection)
            };
            if step.is_pending() {
                return true;
            }
            self.moved_at = now;
            // A response that was written makes room for a call, whose request may be here already.
            self.take_events(state, calls);
        }
        false
    }

    fn take_events(&mut self, state: &mut State, calls: &mut Vec<RequestFrame>) {
        // A server that stops gives out no more requests, and waits for those that are open.
        while state.stop_by.is_none() || state.open == 0 || self.is_cut_off {
            match state.connection.poll_event() {
                Some(ServerEvent::Request(_)) if state.stop_by.is_some() => state.connection.close(),
                Some(ServerEvent::Request(request)) => {
                    state.open += 1;
                    calls.push(request);
                }
                // For the connection, a cut is an end that this side has chosen.
                Some(ServerEvent::Closed(_)) if self.is_cut_off => self.closed = Some(TIMED_OUT),
                Some(ServerEvent::Closed(reason)) => self.closed = Some(reason),
                None => return,
            }
        }
    }

    /// Ends the connection if the server stops and nothing is left to do, or if its time is over.
    fn end_if_due(&mut self, state: &mut State, now: Instant) {
        if state.stop_by.is_some() && state.open == 0 {
            state.connection.close();
        }
        let is_stopped = state.stop_by.is_some_and(|by| by <= now);
        if !self.is_cut_off && (is_stopped || self.idle_by(state).is_some_and(|by| by <= now)) {
            self.is_cut_off = true;
            if is_stopped {
                self.guard.registry.note_cut_off();
            }
            // Requests that have arrived are not served, because nobody can take the responses.
            state.connection.close();
            state.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
            self.driver.give_up();
        }
    }

    /// The time at which the connection has rested for too long. `None` while only the handler can go on.
    fn idle_by(&self, state: &State) -> Option<Instant> {
        let waits_for_client = state.open == 0 || state.connection.wants_write() || self.driver.needs_flush();
        let by = self.moved_at.checked_add(self.guard.registry.config.idle_timeout);
        by.filter(|_| waits_for_client)
    }

    fn deadline(&self, state: &State) -> Option<Instant> {
        [state.connection.poll_timeout(), state.stop_by, self.idle_by(state)].into_iter().flatten().min()
    }
}
