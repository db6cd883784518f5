//! The claim to an answer, as a future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use kafka08_proto::{
    Fate,
    api::Request,
    connection::{CallError, CloseReason, RequestError, Ticket},
    ids::CorrelationId,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::command::{CallNumber, Outcome};

/// The answer to a request that was sent: a future, which may outlive the [`Client`](crate::Client).
///
/// Dropping it forgets the request: nothing more is sent of it if nothing was, and its answer is swallowed otherwise.
///
/// # Errors
/// The request has failed, or its answer is malformed; [`CallError::fate`] says whether the broker may have acted on it.
#[must_use = "dropping it forgets the answer; say send_and_forget if that is meant"]
pub struct Pending<R: Request> {
    ticket: Ticket<R>,
    claim: Claim,
}

/// What holds a request alive from before it has an id. It holds only receivers, so that dropping it tears nothing.
pub(crate) struct Claim {
    pub(crate) number: CallNumber,
    pub(crate) answer: oneshot::Receiver<Outcome>,
    /// Never waits.
    pub(crate) cancels: mpsc::UnboundedSender<CallNumber>,
    /// The place among those in flight, kept until the answer is taken.
    pub(crate) _slot: OwnedSemaphorePermit,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // First this, so that a task that has not seen the request yet sees that nobody waits.
        self.answer.close();
        // A task that is gone has nothing to cancel; neither has one that has answered.
        let _ = self.cancels.send(self.number);
    }
}

impl<R: Request> Pending<R> {
    pub(crate) fn new(ticket: Ticket<R>, claim: Claim) -> Self {
        Self { ticket, claim }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.ticket.id()
    }
}

impl<R: Request> Future for Pending<R> {
    type Output = Result<R::Response, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.ticket.id();
        Pin::new(&mut self.claim.answer).poll(cx).map(|answer| {
            // The task ends its requests before it ends, unless it is aborted or its runtime goes down.
            let gone = CallError::Failed {
                id,
                error: RequestError::Closed(CloseReason::Local),
                fate: Fate::MaybeApplied,
                io: None,
            };
            let frame = answer.unwrap_or(Err(gone))?;
            self.ticket.redeem(frame).map_err(|error| CallError::from_redeem(id, error))
        })
    }
}

impl<R: Request> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({:?})", self.id())
    }
}
