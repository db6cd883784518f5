//! One request of the ledger.

use std::time::{Duration, Instant};

use crate::{
    error_code::ErrorCode,
    fate::Fate,
    frame::{Span, Taken},
    ids::{Api, ApiKey, CorrelationId, Serial},
};

/// One request that has not ended.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CorrelationId,
    /// The place of the request in the order of sending.
    pub(super) serial: Serial,
    pub(super) api: Api,
    /// Where the frame lies in the stream of all staged bytes.
    pub(super) frame: Span,
    pub(super) state: State,
    pub(super) awaits_response: bool,
    pub(super) changes_state: bool,
    pub(super) server_wait: Duration,
    /// The time of the call, from which the timeout runs.
    pub(super) at: Instant,
    /// `None` if the clock cannot represent a time so far away.
    pub(super) deadline: Option<Instant>,
}

/// The state of a request. A request that is not `Live` is a tombstone: no event will name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// The caller has given up the response.
    Forgotten,
    /// The deadline has passed.
    TimedOut,
    /// The request was withdrawn. It stays in the list until the list is tidied.
    Withdrawn,
}

impl Entry {
    /// The fate of a failed request that the broker may have received completely.
    pub(super) fn fate_once_written(&self) -> Fate {
        #[cfg(kafka08_canary)]
        if crate::canary::UnansweredIsNotApplied.is_planted() {
            return Fate::NotApplied;
        }
        if self.changes_state { Fate::MaybeApplied } else { Fate::NotApplied }
    }

    /// The fate of a failed request of whose frame this much was taken.
    pub(super) fn fate(&self, taken: Taken) -> Fate {
        #[cfg(kafka08_canary)]
        let taken = crate::canary::TornMayBeApplied.pick(if taken == Taken::Some { Taken::All } else { taken }, taken);
        match taken {
            // A stream that was offered all of it may have sent all of it.
            Taken::Offered | Taken::All => self.fate_once_written(),
            // A broker acts on whole frames only.
            Taken::Nothing | Taken::Some => Fate::NotApplied,
        }
    }

    /// Whether the request still has a deadline.
    pub(super) fn has_deadline(&self) -> bool {
        matches!(self.state, State::Live | State::Forgotten)
    }
}

/// Why nothing may be written behind a request that has timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// A part of it was written.
    Torn(CorrelationId),
    /// It cannot be withdrawn, because there are too many ranges of unconfirmed requests.
    Full(CorrelationId),
}

/// The two lists of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Awaiting,
    Unsent,
}

/// Whether this is the one response that may have another correlation id: 0.8.2 writes 0 when ConsumerMetadata fails in the
/// broker (`ConsumerMetadataRequest.handleError`), with code 15.
pub(super) fn is_quirk(api: Api, got: CorrelationId, body: &[u8]) -> bool {
    const CODE: [u8; 2] = ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE.0.to_be_bytes();
    api.key == ApiKey::CONSUMER_METADATA && got == CorrelationId(0) && body.starts_with(&CODE)
}
