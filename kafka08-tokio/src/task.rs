//! The task that owns the stream: moves bytes, tells the time, and wakes those whose waiting is over.

use std::{
    future::poll_fn,
    io::ErrorKind,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_proto::{Connection as _, Disconnect};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    task::coop::has_budget_remaining,
    time::{Sleep, sleep_until, timeout},
};

use crate::{
    driver::Driver,
    line::keep_waker,
    shared::{Phase, Shared, State, now},
};

/// How long a stream may take to shut down after the connection is over: TLS says goodbye, and may wait for an answer.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Bytes staged from which on the task writes at once. With less it first lets other tasks run once, so that what they send
/// leaves in the same write. More would gain little for each write, and large values would leave the cache before they are
/// written.
const WRITE_FROM: usize = 16 << 10;

/// Bytes that one turn reads, and reads and writes of one turn: the state is locked meanwhile, and other tasks wait for it.
const READ_PER_TURN: usize = 256 << 10;
const STEPS_PER_TURN: usize = 64;

/// Turns in a row that did not come to the end of what is here, after which a deadline that has come counts all the same. They
/// read more than a socket's buffer holds (`tcp_rmem`: 6 MiB), so an answer that was here in time beats its deadline, and a peer
/// that sends without pause cannot put deadlines off.
const LAST_TURNS: usize = 32;

pub(crate) struct Task<S> {
    driver: Driver<S>,
    guard: Guard,
    timer: Timer,
    /// The task has let others run once since something was staged.
    has_yielded: bool,
    /// Turns in a row in which a deadline had come and more was to be read.
    overdue: usize,
    /// Memory for those whom a turn wakes; empty between turns.
    wakes: Vec<Waker>,
}

/// Ends everything that waits when the task is dropped, however that comes about.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another turn, after other tasks have run.
    Turn,
    /// Nothing, until the stream is ready, a handle calls, or the timer fires.
    Sleep,
    /// The connection is over.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    pub(crate) fn new(driver: Driver<S>, shared: Arc<Shared>) -> Self {
        let timer = Timer { sleep: None, until: None };
        Self { driver, guard: Guard(shared), timer, has_yielded: false, overdue: 0, wakes: Vec::new() }
    }

    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        self.guard.0.has_ended.send_replace(true);
        let Self { driver, guard: _guard, .. } = self;
        // A stream that cannot say goodbye is dropped without.
        let _ = timeout(SHUTDOWN, driver.into_stream().shutdown()).await;
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
        // Wakers run code of other executors, which may call into this client: nothing is locked meanwhile.
        drop(state);
        drop(replaced);
        self.wakes.drain(..).for_each(Waker::wake);
        match next {
            Next::End => Poll::Ready(()),
            Next::Sleep => Poll::Pending,
            // Through the scheduler, so that other tasks run between two turns, and the runtime can stop this one.
            Next::Turn => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Moves what moves, and ends what is due.
    fn turn(&mut self, cx: &mut Context<'_>, state: &mut State) -> Next {
        let now = now();
        state.take_events();
        // First what has come: an answer that is here beats its deadline, and a late one saves the connection before the
        // last claim behind it is given up.
        let has_read_all = self.read(cx, state, now);
        // After reading: an answer that is here already ends its request, and there is nothing left to cancel.
        state.cancel_dropped();
        state.take_events();
        // Before writing: what has expired is not sent.
        if state.connection.poll_timeout().is_none_or(|deadline| deadline > now) {
            self.overdue = 0;
        } else if has_read_all || self.overdue >= LAST_TURNS {
            self.overdue = 0;
            state.connection.handle_timeout(now);
            state.take_events();
        } else {
            self.overdue += 1;
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

    /// Reads what is here. Returns whether nothing more is.
    fn read(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant) -> bool {
        let mut bytes = 0;
        for _ in 0..STEPS_PER_TURN {
            // The lock is held meanwhile.
            if bytes >= READ_PER_TURN {
                return false;
            }
            if !state.connection.wants_read() {
                return true;
            }
            match self.driver.read(cx, now, &mut state.connection) {
                // A stream whose budget is used up is not asked, and says that it has nothing.
                Poll::Pending => return has_budget_remaining(),
                Poll::Ready(n) => bytes += n,
            }
            self.note_failure(state);
            state.take_events();
        }
        false
    }

    /// Ends the waits that are due and that nothing which arrives could end.
    fn expire(&mut self, state: &mut State, now: Instant) {
        state.line.expire(now, &mut state.wakes);
        state.flushes.expire(now, &mut state.wakes);
        if state.close_by.is_some_and(|deadline| deadline <= now) && !self.is_flushed(state) {
            // What is not written fails; what the stream keeps to itself has no deadline of its own.
            state.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
            state.take_events();
        }
    }

    /// Whether to write now, and not after other tasks have run once.
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

    /// Writes what the stream takes. Returns false if there is more to do without waiting.
    fn write(&mut self, cx: &mut Context<'_>, state: &mut State, now: Instant) -> bool {
        for _ in 0..STEPS_PER_TURN {
            // What a flush waits for is let go before the stream is given more.
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

    /// Keeps the stream's first failure, for the errors of the requests that end with it.
    fn note_failure(&self, state: &mut State) {
        if state.error.is_none() {
            state.error = self.driver.error().cloned();
        }
    }

    /// Whether everything staged has left, also from the stream's own buffer, or never will.
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
            // Only now: closing drops what is staged.
            state.connection.close();
            state.take_events();
        } else if state.close_by.is_none() {
            // Nothing in flight has a deadline any more; the stream's own buffer gets the time of one request.
            state.close_by = now.checked_add(state.connection.config().request_timeout());
        }
    }

    /// Sets the timer. Ready if a deadline has come already.
    fn sleep(&mut self, cx: &mut Context<'_>, state: &State) -> Poll<()> {
        let deadlines = [
            state.connection.poll_timeout(),
            state.line.next_deadline(),
            state.flushes.next_deadline(),
            state.close_by,
        ];
        // The earliest of everything that can end a wait.
        self.timer.poll(cx, deadlines.into_iter().flatten().min())
    }
}

/// A timer that is set anew only for an earlier deadline. With a later one it fires once for nothing, which is cheaper than
/// setting it with each request.
struct Timer {
    /// Made in the first turn, which runs inside of a runtime.
    sleep: Option<Pin<Box<Sleep>>>,
    until: Option<Instant>,
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let at = tokio::time::Instant::from_std(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if self.until.is_none_or(|until| deadline < until) {
            sleep.as_mut().reset(at);
            self.until = Some(deadline);
        }
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.until = None;
        }
        fired
    }
}
