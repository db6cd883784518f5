//! The task that owns the stream. It moves bytes, handles deadlines, and wakes the futures whose wait is over.

use std::{
    future::poll_fn,
    io::ErrorKind,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Buf as _;
use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::{Connection as _, Disconnect};

use super::shared::{Phase, Shared, State};
use crate::{
    Runtime,
    io::{Alarm, CLOSING, Driver, Overdue, READ_PER_TURN, STEPS_PER_TURN, timeout_at},
    waker::keep_waker,
};

/// The number of staged bytes from which on the task writes at once. With fewer bytes, the task lets other tasks run
/// once, so that their requests are written together. A larger number would save few writes, and large values would
/// leave the processor's cache before they are written.
const WRITE_FROM: usize = 16 << 10;

pub(crate) struct Task<Rt: Runtime, S> {
    driver: Driver<S>,
    guard: Guard,
    alarm: Alarm<Rt::Timer>,
    /// Whether the task has let other tasks run once since a request was staged.
    has_yielded: bool,
    overdue: Overdue,
    /// Memory for the wakers of a turn. Empty between turns.
    wakes: Vec<Waker>,
}

/// Ends everything that waits when the task is dropped for any reason.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What the task does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Takes another turn, after other tasks have run.
    Turn,
    /// Waits until the stream is ready, a handle calls, or the timer fires.
    Sleep,
    /// Ends, because the connection has ended.
    End,
}

impl<Rt: Runtime, S: AsyncRead + AsyncWrite + Unpin> Task<Rt, S> {
    pub(crate) fn new(driver: Driver<S>, shared: Arc<Shared>) -> Self {
        let alarm = Alarm::new();
        Self { driver, guard: Guard(shared), alarm, has_yielded: false, overdue: Overdue::default(), wakes: Vec::new() }
    }

    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        let Self { driver, guard: _guard, .. } = self;
        // A stream that does not close in time is dropped.
        let _ = timeout_at::<Rt, _>(Rt::now().checked_add(CLOSING), driver.close()).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.guard.0);
        let mut state = shared.lock();
        let mut next = self.turn(cx, &mut state);
        if next == Next::Sleep && self.sleep(cx, &state).is_ready() {
            next = Next::Turn;
        }
        let replaced = if next == Next::Sleep { keep_waker(&mut state.task, cx) } else { None };
        mem::swap(&mut self.wakes, &mut state.wakes);
        let notes = state.trace.take();
        // Wakers run code of other executors, which may call this client, so the lock is released first.
        drop(state);
        drop(replaced);
        shared.teller.tell(notes);
        self.wakes.drain(..).for_each(Waker::wake);
        match next {
            Next::End => Poll::Ready(()),
            Next::Sleep => Poll::Pending,
            // The task returns to the scheduler, so that other tasks run between two turns, and the runtime can stop
            // this task.
            Next::Turn => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Reads, handles deadlines and writes once.
    fn turn(&mut self, cx: &mut Context<'_>, state: &mut State) -> Next {
        let now = Rt::now();
        state.trace.note_time(now);
        state.take_events();
        // Reading comes first, so that a response that has arrived in time is found before its deadline takes effect.
        // Also, a late response may keep the connection alive if it is read before the last claim behind it is given
        // up.
        let has_read_all = self.read(cx, state, now);
        // Cancelling comes after reading, because a request whose response has arrived has ended, and needs no cancel.
        state.cancel_dropped();
        state.take_events();
        // Deadlines are handled before writing, so that expired requests are not written.
        if self.overdue.takes_effect(state.connection.poll_timeout(), now, has_read_all) {
            state.connection.handle_timeout(now);
            state.take_events();
        }
        self.expire(state, now);
        state.serve(now);
        let mut next = if has_read_all { Next::Sleep } else { Next::Turn };
        if self.may_write(state) {
            if !self.write(cx, state, now) {
                next = Next::Turn;
            }
        } else {
            next = Next::Turn;
        }
        self.close_if_done(state, now);
        if state.finish() { Next::End } else { next }
    }

    /// Reads the available bytes, up to a limit. Returns whether it has read all of them.
    fn read(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant) -> bool {
        let mut bytes = 0;
        for _ in 0..STEPS_PER_TURN {
            // The limit exists because the state is locked meanwhile.
            if bytes >= READ_PER_TURN {
                return false;
            }
            if !state.connection.wants_read() {
                return true;
            }
            match self.driver.read(cx, now, &mut state.connection) {
                Poll::Pending => return Rt::is_pending_true(),
                Poll::Ready(n) => bytes += n,
            }
            self.note_failure(state);
            state.take_events();
        }
        false
    }

    /// Ends the waits for room, for flushes and for the close whose deadlines have passed. No response can end such a
    /// wait, so reading all bytes first is not necessary.
    fn expire(&mut self, state: &mut State, now: Instant) {
        state.line.expire(now, &mut state.wakes);
        state.flushes.expire(now, &mut state.wakes);
        if state.close_by.is_some_and(|deadline| deadline <= now) && !self.is_flushed(state) {
            // Requests that are not written fail. Bytes that the stream keeps have no deadline in the connection.
            state.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
            state.take_events();
        }
    }

    /// Whether to write now. Otherwise the task writes after other tasks have run once.
    fn may_write(&mut self, state: &mut State) -> bool {
        let (_, queue) = state.connection.buffers();
        if !state.has_fresh || self.has_yielded || queue.remaining() >= WRITE_FROM || !state.connection.wants_write() {
            state.has_fresh = false;
            self.has_yielded = false;
            return true;
        }
        self.has_yielded = true;
        false
    }

    /// Writes as much as the stream takes. Returns false if more can be done without waiting.
    fn write(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant) -> bool {
        for _ in 0..STEPS_PER_TURN {
            // The stream is flushed before it is given more bytes than the first flush waits for.
            let lets_go = self.driver.needs_flush()
                && (!state.connection.wants_write() || state.flushes.is_first_taken(&state.connection));
            if lets_go && self.driver.flush(cx, &mut state.connection).is_pending() {
                return true;
            }
            self.note_failure(state);
            if !self.driver.needs_flush() {
                state.flushes.finish(&state.connection, &mut state.wakes);
            }
            if !state.connection.wants_write() {
                return true;
            }
            if self.driver.write(cx, &mut state.connection).is_pending() {
                return true;
            }
            self.note_failure(state);
            state.take_events();
            state.serve(now);
        }
        false
    }

    /// Keeps the stream's first failure, for the errors of the requests that fail because of it.
    fn note_failure(&self, state: &mut State) {
        if state.error.is_none() {
            state.error = self.driver.error().cloned();
        }
    }

    /// Whether all staged bytes were written, and the stream's own buffer was flushed. Also true if this can never
    /// happen, because writing has failed.
    fn is_flushed(&self, state: &State) -> bool {
        !state.connection.wants_write() && !self.driver.needs_flush()
    }

    fn close_if_done(&mut self, state: &mut State, now: Instant) {
        state.take_events();
        let may_end = match state.phase {
            Phase::Open => false,
            Phase::Abandoned => state.connection.in_flight() == 0 && state.dropped.is_empty(),
            Phase::Closing => true,
        };
        if !may_end || state.closed.is_some() {
            return;
        }
        if self.is_flushed(state) {
            // The connection is closed only now, because closing drops staged requests.
            state.connection.close();
            state.take_events();
        } else if state.close_by.is_none() {
            // No deadline of a request is left. The stream's own buffer gets the timeout of one request.
            state.close_by = now.checked_add(state.connection.config().request_timeout());
        }
    }

    /// Sets the timer. Ready if a deadline has passed already.
    fn sleep(&mut self, cx: &mut Context<'_>, state: &State) -> Poll<()> {
        let deadlines = [
            state.connection.poll_timeout(),
            state.line.next_deadline(),
            state.flushes.next_deadline(),
            state.close_by,
        ];
        // The timer is set to the earliest deadline that can end a wait.
        self.alarm.poll(cx, deadlines.into_iter().flatten().min())
    }
}
