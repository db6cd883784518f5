//! Typed claims to the answers of calls.

use std::{any::Any, fmt, marker::PhantomData};

use kafka08_proto::{
    api::{Request, RequestProblem},
    ids::TopicPartition,
};

use crate::error::CallFailure;

/// Names a call. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// The claim to the answer of one call.
pub struct Claim<R> {
    id: CallId,
    request: PhantomData<fn() -> R>,
}

/// The answer of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<R: Request> {
    /// What brokers have answered, put together. Partitions of which no broker gave a last word are missing.
    pub response: R::Response,
    /// The partitions of which no broker gave a last word, with the reason.
    pub failed: Vec<(TopicPartition, CallFailure)>,
}

/// The end of a call: an answer whose type the claim knows, or a failure.
pub struct Ended {
    pub(super) id: CallId,
    pub(super) outcome: Result<Box<dyn Any + Send>, CallFailure>,
}

/// A call that was not taken, with its request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused<R> {
    /// The request.
    pub request: R,
    /// Why it was not taken.
    pub why: RefusedWhy,
}

/// Why a call was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedWhy {
    /// The request would lose data or hang, or names what brokers do not accept.
    Problem(RequestProblem),
    /// The request is a produce with acks = 0, which is never answered. A producer sends such records.
    NoAnswer,
    /// Too many calls have not ended. Take events, then try again.
    Busy,
    /// The cluster was closed.
    Closed,
}

impl<R: Request<Response: Send + 'static> + 'static> Claim<R> {
    pub(super) fn new(id: CallId) -> Self {
        Self { id, request: PhantomData }
    }

    /// The call.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Takes the answer out of the end of this claim's call.
    ///
    /// # Errors
    /// [`Redeem::NotMine`] returns the end of another call. [`Redeem::Failed`] tells why the whole call has failed.
    pub fn redeem(self, ended: Ended) -> Result<Answer<R>, Redeem> {
        if ended.id != self.id {
            return Err(Redeem::NotMine(ended));
        }
        match ended.outcome {
            Ok(answer) => match answer.downcast::<Answer<R>>() {
                Ok(answer) => Ok(*answer),
                Err(answer) => Err(Redeem::NotMine(Ended { id: ended.id, outcome: Ok(answer) })),
            },
            Err(failure) => Err(Redeem::Failed(failure)),
        }
    }
}

/// Why a claim has no answer.
#[derive(Debug)]
pub enum Redeem {
    /// This is the end of another call.
    NotMine(Ended),
    /// The whole call has failed.
    Failed(CallFailure),
}

impl Ended {
    /// The call that has ended.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }
}

impl<R> fmt::Debug for Claim<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({:?})", self.id)
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ended({:?}, {})", self.id, if self.outcome.is_ok() { "answered" } else { "failed" })
    }
}
