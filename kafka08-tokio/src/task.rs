//! The task that owns the stream and the protocol's state.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io::ErrorKind,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use kafka08_proto::{
    ClientConnection, ClientEvent, Connection as _, Disconnect,
    connection::{CallError, Closed, SendError},
    ids::CorrelationId,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, Sleep, sleep, timeout},
};

use crate::{
    command::{CallNumber, Command, Outcome},
    driver::Driver,
};

/// How long a stream may take to shut down after the connection is over: TLS says goodbye, and may wait for an answer.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// The ends of the channels that the task keeps.
pub(crate) struct Channels {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) cancels: mpsc::UnboundedReceiver<CallNumber>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) closed: watch::Sender<Option<Closed>>,
}

pub(crate) struct Task<S> {
    driver: Driver<S>,
    connection: ClientConnection,
    channels: Channels,
    waiting: BTreeMap<CorrelationId, Waiting>,
    flushes: Vec<oneshot::Sender<Result<(), CallError>>>,
    closes: Vec<oneshot::Sender<Closed>>,
    /// Failures of requests that nobody waits for, for the next flush.
    unclaimed: Option<CallError>,
    phase: Phase,
    /// Runs while nothing but the stream's own buffer keeps the connection from closing.
    linger: Option<Pin<Box<Sleep>>>,
}

struct Waiting {
    number: CallNumber,
    answer: oneshot::Sender<Outcome>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No handle is left: what is staged leaves, and what is in flight is answered; then it closes.
    Abandoned,
    /// `close` was called: what is staged leaves; then it closes.
    Closing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    pub(crate) fn new(stream: S, connection: ClientConnection, channels: Channels) -> Self {
        Self {
            driver: Driver::new(stream),
            connection,
            channels,
            waiting: BTreeMap::new(),
            flushes: Vec::new(),
            closes: Vec::new(),
            unclaimed: None,
            phase: Phase::Open,
            linger: None,
        }
    }

    pub(crate) async fn run(mut self) {
        while !self.connection.is_over() {
            poll_fn(|cx| self.poll(cx)).await;
            self.close_if_done();
            self.take_events();
            self.answer_flushes();
        }
        self.refuse_the_rest();
        let mut stream = self.driver.into_stream();
        // A stream that cannot say goodbye is dropped without.
        let _ = timeout(SHUTDOWN, stream.shutdown()).await;
    }

    /// Ready when something has happened.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // First what has come: a late answer saves the connection before the last claim behind it is given up.
        if self.driver.read_what_is_here(cx, &mut self.connection) {
            return Poll::Ready(());
        }
        let mut happened = false;
        while let Poll::Ready(Some(number)) = self.channels.cancels.poll_recv(cx) {
            self.cancel(number);
            happened = true;
        }
        // Not taking commands is the backpressure: they wait in their channel, and their callers with them.
        while self.phase == Phase::Open && self.connection.can_send() {
            match self.channels.commands.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.phase = Phase::Abandoned,
                Poll::Ready(Some(command)) => self.execute(command),
            }
            happened = true;
        }
        happened |= self.driver.poll(cx, &mut self.connection).is_ready();
        happened |= self.give_up_if_mute();
        happened |= self.poll_linger(cx).is_ready();
        if happened { Poll::Ready(()) } else { Poll::Pending }
    }

    fn execute(&mut self, command: Command) {
        match command {
            // Nobody waits any more: the request is skipped.
            Command::Send { answer, .. } if answer.is_closed() => {}
            Command::Forget { started, .. } if started.is_closed() => {}
            Command::Send { prepared, at, number, started, answer } => {
                let sent = self.connection.send(at, &prepared);
                if let Ok(id) = sent {
                    self.waiting.insert(id, Waiting { number, answer });
                }
                // If nobody listens, the claim was dropped, and its cancel is on its way.
                let _ = started.send(sent);
            }
            Command::Forget { prepared, at, started } => {
                let sent = self.connection.send(at, &prepared);
                if let (Ok(id), kafka08_proto::connection::Reply::Expected) = (&sent, prepared.reply()) {
                    self.connection.forget(*id);
                }
                // What is forgotten need not be told.
                let _ = started.send(sent);
            }
            Command::Flush(done) => self.flushes.push(done),
            Command::Close(done) => {
                self.closes.push(done);
                self.phase = Phase::Closing;
            }
        }
    }

    fn cancel(&mut self, number: CallNumber) {
        let found = self.waiting.iter().find(|(_, waiting)| waiting.number == number).map(|(id, _)| *id);
        // One that is not found has ended, or is still in its channel and will be skipped.
        if let Some(id) = found {
            self.waiting.remove(&id);
            self.connection.cancel(id);
        }
    }

    /// Ends a connection on which nothing can be written and no answer is due. Returns whether it did.
    fn give_up_if_mute(&mut self) -> bool {
        match self.driver.error() {
            Some(error)
                if !self.driver.can_write() && self.connection.in_flight() == 0 && !self.connection.is_over() =>
            {
                let kind = error.kind();
                self.connection.handle_disconnect(Disconnect::Error(kind));
                true
            }
            _ => false,
        }
    }

    /// Ends a connection that is to close and whose stream does not let go of what it has taken: no request has a deadline
    /// for that any more, so it gets the time of one.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_held_up = self.phase != Phase::Open
            && !self.connection.is_over()
            && self.connection.in_flight() == 0
            && !self.driver.is_flushed(&self.connection);
        if !is_held_up {
            self.linger = None;
            return Poll::Pending;
        }
        let limit = self.connection.config().request_timeout();
        ready!(self.linger.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        self.connection.handle_disconnect(Disconnect::Error(ErrorKind::TimedOut));
        Poll::Ready(())
    }

    fn close_if_done(&mut self) {
        let is_done = match self.phase {
            Phase::Open => false,
            Phase::Abandoned => self.connection.in_flight() == 0 && self.driver.is_flushed(&self.connection),
            Phase::Closing => self.driver.is_flushed(&self.connection),
        };
        if is_done {
            self.connection.close();
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event(Instant::now().into_std()) {
            match event {
                ClientEvent::Response(frame) => self.end(frame.id, Ok(frame)),
                ClientEvent::Written(_) => {}
                ClientEvent::Failed { id, error, fate } => {
                    let io = self.driver.error().map(Arc::clone);
                    self.end(id, Err(CallError::Failed { id, error, fate, io }));
                }
                ClientEvent::Closed(closed) => drop(self.channels.closed.send_replace(Some(closed))),
            }
        }
    }

    fn end(&mut self, id: CorrelationId, outcome: Outcome) {
        match self.waiting.remove(&id) {
            // One whose caller has just left is dropped with its answer.
            Some(waiting) => drop(waiting.answer.send(outcome)),
            None => self.unclaimed = self.unclaimed.take().or_else(|| outcome.err()),
        }
    }

    fn answer_flushes(&mut self) {
        let closed = self.channels.closed.borrow().clone();
        if self.flushes.is_empty() || (closed.is_none() && !self.driver.is_flushed(&self.connection)) {
            return;
        }
        let error = self.unclaimed.take().or_else(|| closed.map(CallError::Closed));
        for done in mem::take(&mut self.flushes) {
            // Who no longer waits need not be told.
            let _ = done.send(error.clone().map_or(Ok(()), Err));
        }
    }

    /// The connection is over: whatever is still asked for is refused.
    fn refuse_the_rest(&mut self) {
        self.channels.slots.close();
        self.channels.commands.close();
        let closed = self.channels.closed.borrow().clone();
        while let Ok(command) = self.channels.commands.try_recv() {
            // Who no longer waits need not be told.
            match command {
                Command::Send { started, .. } | Command::Forget { started, .. } => {
                    let _ = started.send(Err(SendError::Closed));
                }
                Command::Flush(done) => self.flushes.push(done),
                Command::Close(done) => self.closes.push(done),
            }
        }
        self.answer_flushes();
        for done in mem::take(&mut self.closes) {
            if let Some(closed) = closed.clone() {
                let _ = done.send(closed);
            }
        }
    }
}
