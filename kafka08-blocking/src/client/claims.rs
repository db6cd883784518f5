//! Requests that a caller may wait for.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::BuildHasherDefault,
};

use kafka08_async::id_hasher::IdHasher;
use kafka08_proto::{adapter::CallError, connection::ResponseFrame, ids::CorrelationId};

/// How a request has ended. The error is boxed because it is rare and large, and outcomes are moved often.
pub(super) type Outcome = Result<ResponseFrame, Box<CallError>>;

/// The requests that a caller may wait for, and the outcomes of those that have ended.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_id: HashMap<CorrelationId, Option<Outcome>, BuildHasherDefault<IdHasher>>,
}

/// What [`Claims::give_up`] has found.
pub(super) enum GivenUp {
    /// The request has not ended.
    Waiting,
    /// The request had ended with this outcome.
    Ended(Outcome),
    /// There was no such claim.
    Unknown,
}

impl Claims {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, id: CorrelationId) {
        self.by_id.insert(id, None);
    }

    /// Stores the outcome of a request. Returns the outcome if the request has no claim.
    pub(super) fn end(&mut self, id: CorrelationId, outcome: Outcome) -> Option<Outcome> {
        match self.by_id.get_mut(&id) {
            Some(claim) => {
                *claim = Some(outcome);
                None
            }
            None => Some(outcome),
        }
    }

    /// Removes a claim if its request has ended, and returns the outcome. If there is no such claim, the outcome is an
    /// error, because no response can arrive for it.
    pub(super) fn take(&mut self, id: CorrelationId) -> Option<Outcome> {
        match self.by_id.entry(id) {
            Entry::Occupied(mut claim) => {
                // A claim whose request has not ended stays, because the caller asks again after the next turn.
                let outcome = claim.get_mut().take()?;
                claim.remove();
                Some(outcome)
            }
            Entry::Vacant(_) => Some(Err(Box::new(CallError::NotOutstanding(id)))),
        }
    }

    pub(super) fn give_up(&mut self, id: CorrelationId) -> GivenUp {
        match self.by_id.remove(&id) {
            Some(None) => GivenUp::Waiting,
            Some(Some(outcome)) => GivenUp::Ended(outcome),
            None => GivenUp::Unknown,
        }
    }

    /// Removes all claims. Returns the failures, in the order of the ids.
    pub(super) fn give_up_all(&mut self) -> Vec<CallError> {
        let mut ended: Vec<_> = self.by_id.drain().filter_map(|(id, outcome)| Some((id, outcome?.err()?))).collect();
        // The map has no order, and callers compare the list with what they have sent.
        ended.sort_unstable_by_key(|(id, _)| *id);
        ended.into_iter().map(|(_, error)| *error).collect()
    }
}
