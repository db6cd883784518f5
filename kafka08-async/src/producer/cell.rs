//! The outcome of one batch, and who waits for it.

use std::{
    mem,
    ops::Range,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use kafka08_client::producer::Outcome;

use crate::{
    sync::{Mutex, MutexGuard, PoisonError},
    trace::of_producer::Opened,
    waker::keep_waker,
};

/// What a batch carries. The last clone that is dropped ends what is undecided.
#[derive(Clone, Debug, Default)]
pub(super) struct Completion(Arc<Guard>);

/// Deliveries keep the cell alive, and only batches keep the guard.
#[derive(Debug, Default)]
struct Guard {
    cell: Arc<Cell>,
    opened: Opened,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The batch is gone, so no more outcomes come. If the task has panicked, whoever waits finds the records lost.
        self.cell.seal();
    }
}

impl Completion {
    pub(super) fn cell(&self) -> &Arc<Cell> {
        &self.0.cell
    }

    /// When the batch was opened, if anybody is told.
    pub(super) fn opened(&self) -> &Opened {
        &self.0.opened
    }
}

/// The outcome of the records of one batch.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// All outcomes, after the batch has ended. They are read without the lock. Records of no range are lost: whoever
    /// knew their outcome is gone.
    ended: OnceLock<Vec<Arc<Part>>>,
    state: Mutex<State>,
}

/// The outcome of a range of records.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) records: Range<u32>,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Default)]
struct State {
    /// The outcomes that are known before the batch has ended.
    parts: Vec<Arc<Part>>,
    wakers: Vec<Option<Waker>>,
    /// Places in `wakers` that nobody has.
    free: Vec<usize>,
    /// How often all wakers were taken, so that an old place is not mistaken for a new one.
    round: u64,
}

/// Where the waker of a delivery is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    round: u64,
}

/// Which records a delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The record at this position.
    Record(u32),
    /// All of them, because they were appended as a set.
    Set,
}

/// What is known of the records of a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<P = Arc<Part>> {
    /// They have ended like this.
    Ended(P),
    /// The batch has ended without them.
    Lost,
}

impl Found {
    pub(super) fn as_ref(&self) -> Found<&Arc<Part>> {
        match self {
            Self::Ended(part) => Found::Ended(part),
            Self::Lost => Found::Lost,
        }
    }
}

impl Found<&Arc<Part>> {
    fn cloned(self) -> Found {
        match self {
            Self::Ended(part) => Found::Ended(Arc::clone(part)),
            Self::Lost => Found::Lost,
        }
    }
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records have ended.
    pub(super) fn end(&self, records: Range<u32>, outcome: Outcome) {
        let part = Arc::new(Part { records, outcome });
        let mut state = self.lock();
        state.parts.push(part);
        // All are woken, also those whose records have not ended: a batch ends in one part unless it was split, so a
        // list of wakers by record would cost more than it saves.
        let wakers = state.take_wakers();
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// The batch has ended, or nobody knows of it any more.
    fn seal(&self) {
        let mut state = self.lock();
        let parts = mem::take(&mut state.parts);
        // Set under the lock, so that whoever looks under the lock finds the outcomes in one of the two places.
        let _ = self.ended.set(parts);
        let wakers = state.take_wakers();
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// What has become of the records, if the batch has ended. Nothing is locked, and nothing is counted.
    #[inline]
    pub(super) fn ended(&self, of: Of) -> Option<Found<&Arc<Part>>> {
        Some(find_ended(self.ended.get()?, of))
    }

    /// What is known of the records, without waiting.
    pub(super) fn peek(&self, of: Of) -> Option<Found> {
        let state = self.lock();
        match self.ended(of) {
            Some(found) => Some(found.cloned()),
            None => find(&state.parts, of),
        }
    }

    /// What becomes of the records. If that is not known, `cx` is woken when it may be.
    pub(super) fn poll(&self, of: Of, place: &mut Option<Place>, cx: &Context<'_>) -> Poll<Found> {
        let mut state = self.lock();
        // Looked at again: the batch may have ended since the caller looked. Its wakers are taken already, so a waker that is
        // kept now would never be woken.
        let found = match self.ended(of) {
            Some(found) => Some(found.cloned()),
            None => find(&state.parts, of),
        };
        if let Some(found) = found {
            return Poll::Ready(found);
        }
        let replaced = state.wait(place, cx);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// A delivery is dropped.
    pub(super) fn leave(&self, place: Place) {
        let mut state = self.lock();
        let waker = state.leave(place);
        drop(state);
        drop(waker);
    }
}

impl State {
    fn take_wakers(&mut self) -> Vec<Option<Waker>> {
        self.round += 1;
        // The places are those of the list that is taken away.
        self.free.clear();
        mem::take(&mut self.wakers)
    }

    /// Keeps a waker. Returns the one that it replaces.
    fn wait(&mut self, place: &mut Option<Place>, cx: &Context<'_>) -> Option<Waker> {
        let round = self.round;
        let at = match place {
            Some(place) if place.round == round => place.at,
            _ => {
                let at = self.free.pop().unwrap_or_else(|| {
                    self.wakers.push(None);
                    self.wakers.len() - 1
                });
                *place = Some(Place { at, round });
                at
            }
        };
        keep_waker(self.wakers.get_mut(at)?, cx)
    }

    fn leave(&mut self, place: Place) -> Option<Waker> {
        // The place is now that of another delivery, or of nobody.
        if place.round != self.round {
            return None;
        }
        self.free.push(place.at);
        self.wakers.get_mut(place.at)?.take()
    }
}

fn find(parts: &[Arc<Part>], of: Of) -> Option<Found> {
    // A set that was sent in pieces is undecided until the last of them has ended.
    let Of::Record(index) = of else { return None };
    let part = parts.iter().find(|part| part.records.contains(&index))?;
    Some(Found::Ended(Arc::clone(part)))
}

fn find_ended(parts: &[Arc<Part>], of: Of) -> Found<&Arc<Part>> {
    let part = match of {
        Of::Record(index) => parts.iter().find(|part| part.records.contains(&index)),
        // A set that was sent in pieces has failed if one of them has.
        Of::Set => {
            let failed = parts.iter().find(|part| matches!(part.outcome, Outcome::Failed { .. }));
            // The pieces may end in any order. The offset of a set is that of its first message.
            failed.or_else(|| parts.iter().min_by_key(|part| part.records.start))
        }
    };
    part.map_or(Found::Lost, Found::Ended)
}
