//! One request of the ledger.

use std::time::{Duration, Instant};

use crate::{
    fate::Fate,
    frame::{Span, Taken},
    ids::{Api, CorrelationId, Serial},
};

/// One request that has not ended.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CorrelationId,
    /// Its place in the order of sending.
    pub(super) serial: Serial,
    pub(super) api: Api,
    /// Where its frame lies among all bytes staged.
    pub(super) frame: Span,
    pub(super) state: State,
    pub(super) awaits_response: bool,
    pub(super) changes_state: bool,
    pub(super) server_wait: Duration,
    /// When it was asked for. Its time runs from here.
    pub(super) at: Instant,
    /// `None`: so far away that the clock cannot say it.
    pub(super) deadline: Option<Instant>,
}

/// Whether somebody waits for a request's end. A request whose state is not `Live` is a tombstone: no event will name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Given up by the caller.
    Forgotten,
    /// Its deadline has passed, whether or not the caller had given it up.
    TimedOut,
    /// Taken back before it was written. It stays in the list only until the list is tidied.
    Withdrawn,
}

impl Entry {
    /// What a failure means for a request that the broker may have seen in full.
    pub(super) fn fate_once_written(&self) -> Fate {
        if self.changes_state { Fate::MaybeApplied } else { Fate::NotApplied }
    }

    /// What a failure means for a request of whose frame this much was taken.
    pub(super) fn fate(&self, taken: Taken) -> Fate {
        match taken {
            // A stream that was offered all of it may have sent all of it.
            Taken::Offered | Taken::All => self.fate_once_written(),
            // A broker acts on whole frames only.
            Taken::Nothing | Taken::Some => Fate::NotApplied,
        }
    }

    /// Whether its deadline is still to come.
    pub(super) fn has_deadline(&self) -> bool {
        matches!(self.state, State::Live | State::Forgotten)
    }
}
