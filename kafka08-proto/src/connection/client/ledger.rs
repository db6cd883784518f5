//! The requests of a connection that have not ended, in the order of sending: who waits for what, until when.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Cancelled, Fate, MatchError};
use crate::{
    connection::Unconfirmed,
    error_code::ErrorCode,
    frame::{FrameNumber, SendQueue, Taken},
    ids::{Api, ApiKey, CorrelationId},
};

/// One request that has not ended.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CorrelationId,
    pub(super) api: Api,
    pub(super) frame: FrameNumber,
    pub(super) state: State,
    pub(super) awaits_response: bool,
    pub(super) changes_state: bool,
    pub(super) server_wait: Duration,
    /// `None`: so far away that the clock cannot say it.
    pub(super) deadline: Option<Instant>,
}

/// Whether somebody waits for a request's end. The last two are tombstones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Given up by the caller. No event will name it.
    Forgotten,
    /// Its deadline has passed, whether or not the caller had given it up.
    TimedOut,
}

impl Entry {
    /// What a failure means for a request that the broker may have seen in full.
    pub(super) fn fate_once_written(&self) -> Fate {
        if self.changes_state { Fate::MaybeApplied } else { Fate::NotApplied }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.state != State::TimedOut && self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The last byte has not been taken. Only the first may have been taken in part.
    unsent: VecDeque<Entry>,
    /// The last byte has been taken, and the answer has not come.
    awaiting: VecDeque<Entry>,
    unconfirmed: Unconfirmed,
    /// The sum over all entries.
    server_wait: Duration,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.unsent.len() + self.awaiting.len()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.awaiting.iter().chain(&self.unsent)
    }

    /// The request that the peer is to answer next.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries().next()
    }

    pub(super) fn knows(&self, id: CorrelationId) -> bool {
        self.entries().any(|entry| entry.id == id)
    }

    pub(super) fn live_mut(&mut self, id: CorrelationId) -> Option<&mut Entry> {
        let mut entries = self.awaiting.iter_mut().chain(&mut self.unsent);
        entries.find(|entry| entry.id == id && entry.state == State::Live)
    }

    pub(super) fn push(&mut self, now: Instant, timeout: Duration, mut entry: Entry) {
        /// What the wire can ask for. The cap keeps a caller's own request type from overflowing the sum.
        const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);
        entry.server_wait = entry.server_wait.min(LONGEST_WAIT);
        self.server_wait += entry.server_wait;
        entry.deadline = now.checked_add(timeout.saturating_add(self.server_wait));
        self.unsent.push_back(entry);
    }

    /// Whether [`Ledger::promote`] would report something.
    pub(super) fn has_written_news(&self, queue: &SendQueue) -> bool {
        let mut written = self.unsent.iter().take_while(|entry| queue.taken(entry.frame) == Taken::All);
        written.any(|entry| !entry.awaits_response && entry.state == State::Live)
    }

    /// Moves on what was written; reports requests that end thereby.
    pub(super) fn promote(&mut self, queue: &SendQueue, mut written: impl FnMut(CorrelationId)) {
        while let Some(entry) = self.unsent.pop_front_if(|entry| queue.taken(entry.frame) == Taken::All) {
            if entry.awaits_response {
                self.awaiting.push_back(entry);
                continue;
            }
            self.server_wait -= entry.server_wait;
            self.unconfirmed.push(entry.id, entry.frame);
            if entry.state == State::Live {
                written(entry.id);
            }
        }
    }

    /// Matches a response with the request first in line.
    pub(super) fn answer(&mut self, got: CorrelationId, body: &[u8]) -> Result<Entry, MatchError> {
        let Some(expected) = self.awaiting.front().map(|entry| entry.id) else {
            return Err(MatchError::Unsolicited { got });
        };
        match self.awaiting.pop_front_if(|entry| entry.id == got || is_quirk(entry.api, got, body)) {
            Some(entry) => {
                self.server_wait -= entry.server_wait;
                self.unconfirmed.confirm_before(entry.frame);
                Ok(entry)
            }
            None if self.awaiting.iter().any(|entry| entry.id == got) => Err(MatchError::OutOfOrder { got, expected }),
            None => Err(MatchError::Unknown { got, expected }),
        }
    }

    pub(super) fn cancel(&mut self, id: CorrelationId, queue: &mut SendQueue) -> Cancelled {
        let untouched = |entry: &Entry| entry.id == id && queue.taken(entry.frame) == Taken::Nothing;
        if let Some(index) = self.unsent.iter().position(|entry| entry.state == State::Live && untouched(entry)) {
            self.withdraw(index, queue);
            return Cancelled::Withdrawn;
        }
        match self.live_mut(id) {
            Some(entry) => {
                entry.state = State::Forgotten;
                Cancelled::Abandoned
            }
            None => Cancelled::NotOutstanding,
        }
    }

    fn withdraw(&mut self, index: usize, queue: &mut SendQueue) {
        if let Some(entry) = self.unsent.remove(index) {
            self.server_wait -= entry.server_wait;
            queue.withdraw(entry.frame);
        }
    }

    /// Ends what is due. Returns the id of a request that was partly written: nothing may follow it.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        queue: &mut SendQueue,
        mut failed: impl FnMut(CorrelationId, Fate),
    ) -> Option<CorrelationId> {
        for entry in self.awaiting.iter_mut().filter(|entry| entry.is_due(now)) {
            if entry.state == State::Live {
                failed(entry.id, entry.fate_once_written());
            }
            entry.state = State::TimedOut;
        }
        let mut torn = None;
        let mut index = 0;
        while let Some(entry) = self.unsent.get_mut(index) {
            if !entry.is_due(now) {
                index += 1;
                continue;
            }
            if entry.state == State::Live {
                failed(entry.id, Fate::NotApplied);
            }
            if queue.taken(entry.frame) == Taken::Nothing {
                self.withdraw(index, queue);
            } else {
                entry.state = State::TimedOut;
                torn = Some(entry.id);
                index += 1;
            }
        }
        torn
    }

    /// The first deadline that has not passed yet.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries().filter(|entry| entry.state != State::TimedOut).filter_map(|entry| entry.deadline).min()
    }

    /// Whether the request first in line has timed out, so that nothing behind it can be answered for now.
    pub(super) fn is_stalled(&self) -> bool {
        self.awaiting.front().is_some_and(|entry| entry.state == State::TimedOut)
    }

    /// The request first in line, if it has timed out and no live one is left.
    pub(super) fn hopeless(&self) -> Option<CorrelationId> {
        let first = self.awaiting.front().filter(|entry| entry.state == State::TimedOut)?;
        let is_live = |entry: &Entry| entry.state == State::Live;
        (!self.entries().any(is_live)).then_some(first.id)
    }

    /// Empties the ledger: every live request with what its failure means.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (CorrelationId, Fate)> {
        let written = std::mem::take(&mut self.awaiting);
        let unsent = std::mem::take(&mut self.unsent);
        self.server_wait = Duration::ZERO;
        let written = written.into_iter().map(|entry| (entry.fate_once_written(), entry));
        // A broker acts on whole frames only, so what was written in part was not applied.
        let unsent = unsent.into_iter().map(|entry| (Fate::NotApplied, entry));
        written.chain(unsent).filter(|(_, entry)| entry.state == State::Live).map(|(fate, entry)| (entry.id, fate))
    }

    pub(super) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    pub(super) fn take_unconfirmed(&mut self) -> Unconfirmed {
        std::mem::take(&mut self.unconfirmed)
    }
}

/// Whether this is the one legal answer with another id: 0.8.2 drops the id when ConsumerMetadata fails inside
/// (`ConsumerMetadataRequest.handleError`), and says code 15.
fn is_quirk(api: Api, got: CorrelationId, body: &[u8]) -> bool {
    const CODE: [u8; 2] = ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE.0.to_be_bytes();
    api.key == ApiKey::CONSUMER_METADATA && got == CorrelationId(0) && body.starts_with(&CODE)
}
