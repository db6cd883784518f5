//! Flushes: what each still waits for.

use std::collections::VecDeque;

use crate::{
    accumulator::{BatchId, FlushId},
    links::Token,
};

/// A flush that is not over.
#[derive(Debug)]
struct Flush {
    /// `None` is the flush of a close.
    id: Option<FlushId>,
    /// The first batch that it does not wait for.
    before: BatchId,
    /// With acks 0, after its batches have ended: what was sent before this token has to be confirmed.
    mark: Option<Token>,
}

/// All flushes, in the order of the calls.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    waiting: VecDeque<Flush>,
    /// The counters at the end of the last flush.
    failed: u64,
    unconfirmed: u64,
}

/// What the first flush waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// There is no flush.
    None,
    /// For this batch, or an earlier one.
    Batches { before: BatchId },
    /// For the confirmation of what was sent before this token.
    Confirmation(Token),
}

impl Flushes {
    pub(super) fn begin(&mut self, id: Option<FlushId>, before: BatchId) {
        self.waiting.push_back(Flush { id, before, mark: None });
    }

    pub(super) fn first(&self) -> Waits {
        match self.waiting.front() {
            None => Waits::None,
            Some(Flush { mark: Some(mark), .. }) => Waits::Confirmation(*mark),
            Some(Flush { before, .. }) => Waits::Batches { before: *before },
        }
    }

    /// All batches of the first flush have ended. What was sent before `mark` has to be confirmed.
    pub(super) fn confirm(&mut self, mark: Token) {
        if let Some(first) = self.waiting.front_mut() {
            first.mark = Some(mark);
        }
    }

    /// Ends the first flush. Returns its name, and what was counted since the last one was over.
    pub(super) fn end(&mut self, failed: u64, unconfirmed: u64) -> Option<(FlushId, u64, u64)> {
        // A close is nobody's flush, so it does not count.
        let id = self.waiting.pop_front()?.id?;
        let since = (failed - self.failed, unconfirmed - self.unconfirmed);
        (self.failed, self.unconfirmed) = (failed, unconfirmed);
        Some((id, since.0, since.1))
    }
}
