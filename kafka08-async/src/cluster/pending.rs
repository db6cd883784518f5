//! The futures of calls, of the first answer, and of the end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use kafka08_client::{
    cluster::{Answer, CallId, Claim, Redeem},
    error::{CallFailure, ClusterCallError, Unreachable},
};
use kafka08_proto::{api::Request, fate::Fate};

use super::shared::{Outcome, Shared};
use crate::waker::keep_waker;

/// A call that has not ended. Dropping the future gives up the call.
pub(super) struct Calling<'a, R: Request> {
    shared: &'a Shared,
    /// `None` after the call has ended.
    claim: Option<Claim<R>>,
    id: CallId,
    /// What is known of the request's effect if nobody tells.
    fate: Fate,
}

impl<'a, R: Request<Response: Send + 'static> + 'static> Calling<'a, R> {
    pub(super) fn new(shared: &'a Shared, claim: Claim<R>, changes_state: bool) -> Self {
        // The worst case. When the task is gone, nobody knows whether the request was written.
        let fate = if changes_state { Fate::MaybeApplied } else { Fate::NotApplied };
        Self { shared, id: claim.id(), claim: Some(claim), fate }
    }

    /// The machine's own error, without what a handle makes of it.
    fn poll_answer(&mut self, cx: &Context<'_>) -> Poll<Result<Answer<R>, CallFailure>> {
        let (outcome, _replaced) = self.shared.with(|state| state.poll_call(self.id, cx));
        let outcome = ready!(outcome);
        // From here on, dropping the future cancels nothing: the entry is gone, and so is the call in the machine.
        let claim = self.claim.take().expect("it is polled until it is ready, and not after that");
        Poll::Ready(match outcome {
            Outcome::Abandoned => Err(CallFailure::abandoned(self.fate)),
            Outcome::Ended(ended) => claim.redeem(ended).map_err(|error| match error {
                Redeem::Failed(failure) => failure,
                Redeem::NotMine(ended) => unreachable!("{ended:?} was kept under the id of the claim"),
            }),
        })
    }
}

impl<R: Request<Response: Send + 'static> + 'static> Future for Calling<'_, R> {
    type Output = Result<R::Response, ClusterCallError<R::Response>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.poll_answer(cx)) {
            Ok(Answer { response, failed, .. }) if failed.is_empty() => Ok(response),
            Ok(Answer { response, failed, .. }) => {
                Err(ClusterCallError::Partial { response: Box::new(response), failed })
            }
            Err(failure) => Err(ClusterCallError::Failed(Box::new(failure))),
        })
    }
}

impl<R: Request> Drop for Calling<'_, R> {
    fn drop(&mut self) {
        // A command, so that the task takes a turn: parts that are withdrawn may make room for those of other calls.
        if self.claim.is_some() {
            self.shared.command(|state| state.cancel(self.id)).wake();
        }
    }
}

/// Waits for the first answer of a broker, or for the news that none of them can be reached.
pub(super) struct Reaching<'a, R: Request>(pub(super) Calling<'a, R>);

/// Why no broker has answered.
pub(super) enum NotReached {
    Nobody(Arc<Unreachable>),
    Failed(CallFailure),
}

impl<R: Request<Response: Send + 'static> + 'static> Future for Reaching<'_, R> {
    type Output = Result<(), NotReached>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The answer comes first. A broker that has answered counts, even if all others have failed since.
        if let Poll::Ready(ended) = self.0.poll_answer(cx) {
            return Poll::Ready(ended.map(drop).map_err(NotReached::Failed));
        }
        // The machine would go on trying until the call's deadline. The look and the waker are under one lock, which
        // the task takes to find the waker. The answer is not missed between the two locks either, because
        // `poll_answer` has kept the waker too.
        let (unreachable, _replaced) = self.0.shared.with(|state| {
            let unreachable = state.machine.unreachable();
            let replaced = if unreachable.is_none() { keep_waker(&mut state.reaching, cx) } else { None };
            (unreachable, replaced)
        });
        match unreachable {
            Some(all) => Poll::Ready(Err(NotReached::Nobody(all))),
            None => Poll::Pending,
        }
    }
}

/// A wait for the end of the task.
pub(super) struct Ending<'a> {
    pub(super) shared: &'a Shared,
    pub(super) number: u64,
}

impl Future for Ending<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (ended, _replaced) = self.shared.with(|state| {
            // The end is looked at under the lock under which the waker is kept, so it cannot come in between.
            if state.phase.is_over() {
                (Poll::Ready(()), None)
            } else {
                (Poll::Pending, state.watchers.wait(self.number, cx))
            }
        });
        ended
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        drop(self.shared.with(|state| state.watchers.remove(self.number)));
    }
}
