//! Claims to answers, and what waits for room, as futures.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use kafka08_proto::{
    api::Request,
    connection::{CallError, FlushError, ResponseFrame, SendError, Ticket},
    ids::CorrelationId,
};

use crate::{
    flushes::{self, Flushed},
    line,
    shared::Shared,
};

/// The answer to a request that was sent: a future, which may outlive the [`Client`](crate::Client).
///
/// It ends when the answer is here, at the request's deadline, or with the connection, whichever comes first.
///
/// # Cancel safety
/// Dropping it forgets the request: nothing is sent of it if nothing was, and its answer is swallowed otherwise. The
/// connection stays usable.
///
/// # Errors
/// The request has failed, or its answer is malformed; [`CallError::fate`] says whether the broker may have acted on it.
#[must_use = "dropping it forgets the answer; say send_and_forget if that is meant"]
pub struct Pending<R: Request> {
    ticket: Ticket<R>,
    frame: PendingFrame,
}

/// The answer, undecoded, to a request that was sent with [`Client::send_prepared`](crate::Client::send_prepared). As
/// [`Pending`] otherwise.
///
/// # Errors
/// The request has failed; [`CallError::fate`] says whether the broker may have acted on it.
#[must_use = "dropping it forgets the answer; say send_and_forget if that is meant"]
pub struct PendingFrame {
    shared: Arc<Shared>,
    id: CorrelationId,
    is_taken: bool,
}

impl<R: Request> Pending<R> {
    pub(crate) fn new(shared: &Arc<Shared>, ticket: Ticket<R>) -> Self {
        Self { ticket, frame: PendingFrame::new(shared, ticket.id()) }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.ticket.id()
    }
}

impl PendingFrame {
    pub(crate) fn new(shared: &Arc<Shared>, id: CorrelationId) -> Self {
        Self { shared: Arc::clone(shared), id, is_taken: false }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.id
    }

    /// The same claim, which decodes the answer.
    ///
    /// # Errors
    /// The request was one of another API: the claim comes back.
    pub fn typed<R: Request>(self) -> Result<Pending<R>, Self> {
        match self.shared.command(|state| state.connection.ticket(self.id)) {
            Some(ticket) => Ok(Pending { ticket, frame: self }),
            None => Err(self),
        }
    }
}

impl Future for PendingFrame {
    type Output = Result<ResponseFrame, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (outcome, _replaced) = self.shared.command(|state| state.poll_claim(self.id, cx));
        outcome.map(|outcome| {
            self.is_taken = true;
            outcome.map_err(|error| *error)
        })
    }
}

impl<R: Request> Future for Pending<R> {
    type Output = Result<R::Response, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let frame = ready!(Pin::new(&mut self.frame).poll(cx))?;
        let peer = self.frame.shared.config.peer();
        Poll::Ready(self.ticket.redeem(frame).map_err(|error| CallError::from_redeem(self.id(), peer, error)))
    }
}

impl Drop for PendingFrame {
    fn drop(&mut self) {
        if !self.is_taken {
            drop(self.shared.command(|state| state.drop_claim(self.id)));
        }
    }
}

impl fmt::Debug for PendingFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingFrame").field("id", &self.id).field("peer", &self.shared.config.peer()).finish()
    }
}

impl<R: Request> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("id", &self.id()).field("peer", &self.frame.shared.config.peer()).finish()
    }
}

/// A request that waits for room. Dropping it takes the request back.
pub(crate) struct Place<'a> {
    pub(crate) shared: &'a Shared,
    /// `None` when it has ended.
    pub(crate) number: Option<line::Number>,
}

impl Future for Place<'_> {
    type Output = Result<CorrelationId, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number.expect("it is polled until it is ready, and not after that");
        let (outcome, _replaced) = self.shared.command(|state| state.line.poll(number, cx));
        if outcome.is_ready() {
            self.number = None;
        }
        outcome
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            drop(self.shared.command(|state| state.abandon_number(number)));
        }
    }
}

/// A flush that waits.
pub(crate) struct Flush<'a> {
    pub(crate) shared: &'a Shared,
    /// `None` when it has ended.
    pub(crate) number: Option<flushes::Number>,
}

impl Future for Flush<'_> {
    type Output = Result<(), FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number.expect("it is polled until it is ready, and not after that");
        let limit = self.shared.config.request_timeout();
        let (flushed, _replaced) = self.shared.command(|state| {
            let (flushed, replaced) = state.flushes.poll(number, cx);
            // Failures are taken only when they are told.
            let flushed = flushed.map(|flushed| match (flushed, &state.closed) {
                (Flushed::TimedOut, None) => Err(FlushError::timed_out(limit, state.take_failures())),
                _ => FlushError::check(state.take_failures(), state.closed.clone()),
            });
            (flushed, replaced)
        });
        if flushed.is_ready() {
            self.number = None;
        }
        flushed
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            drop(self.shared.command(|state| state.flushes.abandon(number)));
        }
    }
}
