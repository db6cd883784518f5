//! What is checked, by name.

use std::{env, sync::OnceLock};

/// A promise of the clients.
///
/// The environment variable `CLIENTS_EXCEPT` lists promises that are not checked, separated by commas: to look for more
/// behind a fault that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// No call outlives its deadline.
    Deadline,
    /// No call waits when the stream has ended.
    Prompt,
    /// No call waits when nothing can be written any more and no answer is due.
    Mute,
    /// A request is not written after its deadline, and does not time out before it.
    InTime,
    /// What the peer receives is whole frames, in order, each of a request that was sent.
    Frames,
    /// A request that the peer received whole was not told `NotApplied`, if it changes the broker's state.
    Fate,
    /// An answer is told to the one who asked.
    Answer,
    /// Each acks = 0 request that was accepted is told failed or unconfirmed, or a later answer confirms it.
    Account,
    /// The reason of the end is what happened.
    Reason,
    /// The connection's task ends with its last handle.
    TaskEnds,
}

impl Promise {
    /// Panics if it is broken.
    #[track_caller]
    pub(super) fn check(self, holds: bool, why: impl FnOnce() -> String) {
        assert!(holds || self.is_excepted(), "{self:?}: {}", why());
    }

    fn is_excepted(self) -> bool {
        static EXCEPT: OnceLock<String> = OnceLock::new();
        let name = format!("{self:?}");
        EXCEPT
            .get_or_init(|| env::var("CLIENTS_EXCEPT").unwrap_or_default())
            .split(',')
            .any(|excepted| excepted.eq_ignore_ascii_case(&name))
    }
}
