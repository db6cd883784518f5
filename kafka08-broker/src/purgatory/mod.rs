//! Requests that wait: a fetch for messages, a produce for replicas (`RequestPurgatory`).
//!
//! A partition knows which requests wait for it, so that a produce looks at those alone.
//!
//! This module owns the table of waits. It does not decide when a wait is over: [`apis`](crate::apis) asks the state for
//! that, and takes the wait out. An id is not used again, so a timer or a partition may name a wait that has ended, and then
//! finds nothing.

use std::collections::BTreeMap;

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset},
};

use crate::{
    groups::{Committed, OffsetKey},
    state::Tp,
    timers::TimerKey,
    wire::{FetchPart, Place, Places, Produced},
};

/// Names a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaitId(u64);

/// A fetch that waits for messages.
#[derive(Clone, Debug)]
pub(crate) struct WaitingFetch {
    pub(crate) replica: NodeId,
    pub(crate) min_bytes: i64,
    /// How many bytes count towards `min_bytes` so far. It grows with each produce, so nothing is read while it is too small.
    pub(crate) have: i64,
    pub(crate) parts: Places<FetchPart>,
}

/// What became of one partition of a produce that waits.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) tp: Option<Tp>,
    /// The answer for this partition, unless it is still pending when the time is over.
    pub(crate) produced: Produced,
    /// The offset that replicas have to reach. `None` if the item waits no more.
    pub(crate) pending: Option<Offset>,
}

/// What to do when the replicas have the messages.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// Answer a produce.
    Produce,
    /// Put the offsets into the coordinator's cache, and answer a commit.
    Commit { tp: Tp, answers: Vec<(Place, ErrorCode)>, offsets: Vec<(OffsetKey, Committed)> },
}

/// A produce that waits for replicas.
#[derive(Clone, Debug)]
pub(crate) struct WaitingProduce {
    /// How many replicas must have the messages: -1 and below ask for all that are in sync.
    pub(crate) acks: i16,
    /// Every partition of the request, with those that failed at once: the answer names them all.
    pub(crate) items: Vec<Item>,
    pub(crate) purpose: Purpose,
}

/// What a request waits for.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    Fetch(WaitingFetch),
    Produce(WaitingProduce),
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Wait<C> {
    pub(crate) caller: C,
    pub(crate) what: Waiting,
    /// `None` if the request waits for ever.
    pub(crate) timer: Option<TimerKey>,
}

/// All requests that wait. `C` names the call to answer.
#[derive(Debug)]
pub(crate) struct Purgatory<C> {
    waits: BTreeMap<WaitId, Wait<C>>,
    /// The id of the next wait.
    next: u64,
}

impl<C> Purgatory<C> {
    pub(crate) fn new() -> Self {
        Self { waits: BTreeMap::new(), next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.waits.len()
    }

    /// The id that the next request gets.
    pub(crate) fn next_id(&self) -> WaitId {
        WaitId(self.next)
    }

    pub(crate) fn add(&mut self, caller: C, what: Waiting, timer: Option<TimerKey>) -> WaitId {
        let id = self.next_id();
        self.next += 1;
        // Ids ascend, so requests of one partition are answered in the order in which they began to wait.
        self.waits.insert(id, Wait { caller, what, timer });
        id
    }

    pub(crate) fn get_mut(&mut self, id: WaitId) -> Option<&mut Wait<C>> {
        self.waits.get_mut(&id)
    }

    pub(crate) fn put_back(&mut self, id: WaitId, wait: Wait<C>) {
        self.waits.insert(id, wait);
    }

    pub(crate) fn remove(&mut self, id: WaitId) -> Option<Wait<C>> {
        self.waits.remove(&id)
    }
}
