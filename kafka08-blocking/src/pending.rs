//! The claim to an answer.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
};

use kafka08_proto::{api::Request, connection::Ticket, ids::CorrelationId};

/// The claim to the answer of a request that was sent: give it to [`Client::wait`](crate::Client::wait) or
/// [`Client::try_wait`](crate::Client::try_wait) of the client that made it.
///
/// Dropping it forgets the request, which is still sent: its answer is swallowed, and its place is free for another.
#[must_use = "dropping it forgets the answer; say send_and_forget if that is meant"]
pub struct Pending<R: Request> {
    ticket: Ticket<R>,
    dropped: Dropped,
}

/// Ids whose [`Pending`] was dropped, for their client to forget.
///
/// Shared and locked, because a `Pending` may be dropped on any thread; a lock is held for one push or one swap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped(Arc<Mutex<Vec<CorrelationId>>>);

impl Dropped {
    fn push(&self, id: CorrelationId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    pub(crate) fn take(&self) -> Vec<CorrelationId> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<R: Request> Pending<R> {
    pub(crate) fn new(ticket: Ticket<R>, dropped: Dropped) -> Self {
        Self { ticket, dropped }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.ticket.id()
    }

    pub(crate) fn ticket(&self) -> Ticket<R> {
        self.ticket
    }

    /// Whether the client that keeps this list made it.
    pub(crate) fn is_of(&self, dropped: &Dropped) -> bool {
        Arc::ptr_eq(&self.dropped.0, &dropped.0)
    }
}

impl<R: Request> Drop for Pending<R> {
    fn drop(&mut self) {
        // Also after its answer was taken: the client then no longer knows the id.
        self.dropped.push(self.ticket.id());
    }
}

impl<R: Request> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({:?})", self.id())
    }
}
