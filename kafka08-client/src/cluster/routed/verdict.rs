//! What an error code means, by the brokers that a request is for.
//!
//! Whether a code is temporary is the same for all requests, and is read from the table of error codes. What is out of date
//! depends on the request: a group's commit does not go to the leader of the partition, and a fetch has no coordinator.

use kafka08_proto::error_code::{ErrorCode, NextStep};

use super::{Stale, Verdict};

impl Verdict {
    /// The partition is asked for again, and the broker was asked rightly.
    pub(super) const AGAIN: Self = Self::Again { stale: Stale::Nothing };

    /// The verdict on a code of a partition's leader.
    pub(super) fn of_leader(code: ErrorCode) -> Self {
        Self::by_table(code, NextStep::RefreshMetadata, Stale::Leader)
    }

    /// The verdict on a code of a group's coordinator.
    pub(super) fn of_coordinator(code: ErrorCode) -> Self {
        Self::by_table(code, NextStep::FindCoordinator, Stale::Coordinator)
    }

    /// The verdict on a code of a broker that was as good as any other.
    pub(super) fn of_any(code: ErrorCode) -> Self {
        if code.is_retriable() { Self::AGAIN } else { Self::Final }
    }

    /// Asks again after a temporary code. `stale` is out of date if the table says `look_up`.
    fn by_table(code: ErrorCode, look_up: NextStep, stale: Stale) -> Self {
        // `Retry::Limited` is not told apart from `Retry::Yes`: the deadline of the call bounds both, and the pause between
        // attempts grows.
        if code.is_retriable() && code.next_step() == look_up { Self::Again { stale } } else { Self::of_any(code) }
    }
}
