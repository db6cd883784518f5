//! The claim to a response.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use kafka08_async::Undecoded;
use kafka08_proto::{
    api::Request,
    ids::{Api, ConnectionId, CorrelationId},
};

/// The claim to the response of a request that was sent. Pass it to [`Client::wait`](crate::Client::wait) or
/// [`Client::try_wait`](crate::Client::try_wait) of the client that returned it.
///
/// `R` is the type of the request, or [`Undecoded`] if [`Client::send_prepared`](crate::Client::send_prepared) has sent
/// it.
///
/// Dropping the claim gives up the response, and makes room for another claim. The request is still sent. If it fails
/// before it was written, [`Client::flush`](crate::Client::flush) lists the failure.
#[must_use = "dropping it gives up the response; use `send_and_forget` if that is intended"]
pub struct Pending<R> {
    connection: ConnectionId,
    id: CorrelationId,
    api: Api,
    /// `None` once the client has taken the response.
    dropped: Option<Dropped>,
    request: PhantomData<fn() -> R>,
}

/// The ids of requests whose [`Pending`] was dropped, until their client gives them up.
///
/// The list is behind a lock, because a `Pending` may be dropped on any thread. The lock is held only for one push or
/// one swap. The list is never longer than the number of claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped(Arc<Mutex<Vec<CorrelationId>>>);

impl Dropped {
    fn push(&self, id: CorrelationId) {
        // The list is valid even if another thread has panicked, because it holds only ids.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn take(&self) -> Vec<CorrelationId> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<R> Pending<R> {
    pub(crate) fn new(connection: ConnectionId, id: CorrelationId, api: Api, dropped: Dropped) -> Self {
        Self { connection, id, api, dropped: Some(dropped), request: PhantomData }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.id
    }

    /// The request's key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Ends the claim without giving up the response, because the response was taken or can never be taken.
    pub(crate) fn settle(mut self) {
        self.dropped = None;
    }
}

impl Pending<Undecoded> {
    /// Returns the same claim with the type of the request, so that [`Client::wait`](crate::Client::wait) decodes the
    /// response.
    ///
    /// # Errors
    /// The request has another key or version. The error returns the claim.
    pub fn typed<R: Request>(mut self) -> Result<Pending<R>, Self> {
        if self.api != R::API {
            return Err(self);
        }
        let dropped = self.dropped.take();
        Ok(Pending { connection: self.connection, id: self.id, api: self.api, dropped, request: PhantomData })
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.push(self.id);
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("connection", &self.connection)
            .field("id", &self.id)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use kafka08_proto::{api::MetadataRequest, ids::ApiKey};

    use super::*;

    fn claim(dropped: &Dropped) -> Pending<MetadataRequest> {
        Pending::new(ConnectionId(0), CorrelationId(1), Api::v0(ApiKey::METADATA), dropped.clone())
    }

    #[test]
    fn a_claim_that_is_dropped_is_told_and_one_whose_answer_was_taken_is_not() {
        let dropped = Dropped::default();
        claim(&dropped).settle();
        assert!(dropped.is_empty());
        drop(claim(&dropped));
        assert_eq!(dropped.take(), [CorrelationId(1)]);
        assert!(dropped.is_empty());
    }
    #[test]
    fn a_claim_prints_whose_answer_it_waits_for() {
        let shown = format!("{:?}", claim(&Dropped::default()));
        assert_eq!(shown, "Pending { connection: 0, id: 1, api: Metadata v0, .. }");
    }
}
