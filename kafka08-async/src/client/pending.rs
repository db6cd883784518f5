//! The futures of responses, of requests that wait for room, and of flushes.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use kafka08_proto::{
    adapter::{CallError, FlushError},
    api::Request,
    connection::{Closed, ResponseFrame, SendError},
    ids::{Api, CorrelationId},
};

use super::{
    flushes::{self, Flushed},
    line,
    shared::Shared,
};

/// The claim to the response of a request that was sent. It is a future, and may outlive the [`Client`](crate::Client).
///
/// The future ends when the response has arrived, at the deadline of the request, or with the connection, whichever
/// comes first. `R` is the type of the request, or [`Undecoded`] if
/// [`Client::send_prepared`](crate::Client::send_prepared) has sent it.
///
/// # Cancel safety
/// Dropping the future gives up the request. If no byte of the request was written, it is withdrawn. Otherwise its
/// response is dropped. The connection can still be used.
///
/// # Errors
/// The request has failed, or its response is malformed. [`CallError::fate`] says whether the broker may have acted on
/// the request.
#[must_use = "dropping it gives up the request; use `send_and_forget` if you do not need the response"]
pub struct Pending<R> {
    claim: Claim,
    api: Api,
    request: PhantomData<fn() -> R>,
}

/// Takes the place of the request's type if a request was sent by
/// [`Client::send_prepared`](crate::Client::send_prepared). The response is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecoded {}

/// The place of a response among those of its connection.
struct Claim {
    shared: Arc<Shared>,
    id: CorrelationId,
    is_settled: bool,
}

impl<R> Pending<R> {
    pub(crate) fn new(shared: &Arc<Shared>, id: CorrelationId, api: Api) -> Self {
        let claim = Claim { shared: Arc::clone(shared), id, is_settled: false };
        Self { claim, api, request: PhantomData }
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.claim.id
    }

    /// The request's key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }
}

impl Pending<Undecoded> {
    /// Returns the same claim with the type of the request, so that the response is decoded.
    ///
    /// # Errors
    /// The request has another key or version. The error returns the claim.
    pub fn typed<R: Request>(self) -> Result<Pending<R>, Self> {
        let Self { claim, api, .. } = self;
        if api == R::API {
            Ok(Pending { claim, api, request: PhantomData })
        } else {
            Err(Self { claim, api, request: PhantomData })
        }
    }
}

impl Future for Pending<Undecoded> {
    type Output = Result<ResponseFrame, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (outcome, _replaced) = self.claim.shared.command(|state| state.poll_claim(self.claim.id, cx));
        let outcome = ready!(outcome);
        self.claim.is_settled = true;
        Poll::Ready(outcome.map_err(|error| *error))
    }
}

impl<R: Request> Future for Pending<R> {
    type Output = Result<R::Response, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.claim.id;
        let ((outcome, _replaced), ticket) =
            self.claim.shared.command(|state| (state.poll_claim(id, cx), state.connection.ticket::<R>(id)));
        let outcome = ready!(outcome);
        // From now on, dropping the claim gives nothing up.
        self.claim.is_settled = true;
        let frame = outcome.map_err(|error| *error)?;
        let ticket = ticket.expect("the id was given for this request's API");
        Poll::Ready(ticket.redeem(frame).map_err(|error| {
            let peer = self.claim.shared.config.peer();
            CallError::from_redeem(id, peer, error)
        }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A claim whose response was taken has freed its place already.
        if !self.is_settled {
            drop(self.shared.command(|state| state.drop_claim(self.id)));
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("peer", &self.claim.shared.config.peer())
            .field("id", &self.id())
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// A request that waits for room. Dropping the future withdraws the request.
pub(crate) struct Place<'a> {
    pub(crate) shared: &'a Shared,
    /// `None` after the request has ended.
    pub(crate) number: Option<line::Number>,
}

impl Future for Place<'_> {
    type Output = Result<CorrelationId, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number.expect("it is polled until it is ready, and not after that");
        let (outcome, _replaced) = self.shared.command(|state| state.line.poll(number, cx));
        // Dropping this future must not give up a request that was sent.
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

/// A flush that has not ended.
pub(crate) struct Flush<'a> {
    pub(crate) shared: &'a Shared,
    /// `None` after the flush has ended.
    pub(crate) number: Option<flushes::Number>,
}

impl Future for Flush<'_> {
    type Output = Result<(), FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number.expect("it is polled until it is ready, and not after that");
        let limit = self.shared.config.request_timeout();
        let (flushed, _replaced) = self.shared.command(|state| {
            let (flushed, replaced) = state.flushes.poll(number, cx);
            // Failures are taken only when they are returned.
            let flushed = flushed.map(|flushed| match flushed {
                Flushed::TimedOut if state.closed.is_none() => Err(FlushError::timed_out(limit, state.take_failures())),
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

/// A wait for the end of the connection.
pub(crate) struct End<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) number: u64,
}

impl Future for End<'_> {
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (closed, _replaced) = self.shared.command(|state| match &state.closed {
            Some(closed) => (Poll::Ready(closed.clone()), None),
            None => (Poll::Pending, state.watchers.wait(self.number, cx)),
        });
        closed
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        drop(self.shared.command(|state| state.watchers.remove(self.number)));
    }
}
