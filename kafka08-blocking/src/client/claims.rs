//! Requests that a caller may wait for.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
};

use kafka08_proto::{adapter::CallError, connection::ResponseFrame, ids::CorrelationId};

/// How a request has ended. The error is boxed because it is rare and large, and outcomes are moved often.
pub(super) type Outcome = Result<ResponseFrame, Box<CallError>>;

/// The requests that a caller may wait for, and the outcomes of those that have ended.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_id: HashMap<CorrelationId, Option<Outcome>, BuildHasherDefault<Spread>>,
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

/// Spreads ids, which count up, over the buckets of a map. The client chooses the ids, so a peer cannot make them
/// collide.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i32(i32::from(*byte)));
    }

    fn write_i32(&mut self, id: i32) {
        // 2^64 divided by the golden ratio. Successive multiples of this number lie far apart.
        self.0 = (self.0.rotate_left(32) ^ u64::from(id.cast_unsigned())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, hash::BuildHasher as _};

    use super::*;

    #[test]
    fn ids_that_count_up_fall_into_different_buckets() {
        // A map chooses the bucket by the lowest bits of a hash, and compares the seven highest before it compares ids.
        let hashes: Vec<_> =
            (0..1024).map(|id| BuildHasherDefault::<Spread>::default().hash_one(CorrelationId(id))).collect();
        let lowest: BTreeSet<_> = hashes.iter().map(|hash| hash & 1023).collect();
        let highest: BTreeSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!((lowest.len(), highest.len()), (1024, 128));
    }
}
