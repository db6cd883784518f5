//! Mistakes that can be planted, one at a time, to show that the simulation notices each of them.
//!
//! Compiled with `--cfg kafka08_canary` only. No release has any of this.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU8, Ordering},
};

pub use self::Canary::*;

/// The planted mistake, as its number. 0 stands for none.
static PLANTED: AtomicU8 = AtomicU8::new(0);

macro_rules! canaries {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// A mistake that can be planted. Each is what someone could have written at its place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Canary {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Canary {
            /// All mistakes.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What the mistake is.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)+
                }
            }
        }
    };
}

canaries! {
    /// The bytes of a frame that has not arrived in full are forgotten.
    ForgetsLeftovers,
    /// An answer with any id is taken for that of the oldest request.
    SkipsIdCheck,
    /// A request that was written in part is told as one that may have been applied.
    TornMayBeApplied,
    /// A request that was written and not answered is told as one that was not applied.
    UnansweredIsNotApplied,
    /// A batch that was sent counts as delivered, also if its request fails.
    DeliversOnSend,
    /// A request that has timed out is never forgotten.
    LeaksAtTimeout,
    /// The next frame takes the place of the rest of one that was written in part and has expired.
    ReusesBufferAtExpiry,
    /// A broker that leads no more counts as one that has appended nothing, also if it waited for replicas.
    NotLeaderIsNotApplied,
    /// The next batch of a partition is sent while the one before it waits to be sent again.
    ReordersOnRetry,
    /// What was not written when a connection ends counts as written, if it has no answer.
    CloseIsWritten,
    /// The batches of a partition without a leader are dropped.
    WipesOnEmptyMetadata,
    /// Only the leader is asked to acknowledge, where all replicas are to.
    AsksOnlyTheLeader,
    /// The offset that is told is one too high.
    ShiftsOffsets,
    /// A batch that may have been applied before is told twice.
    TellsTwice,
    /// All partitions of a request get the messages of the last one.
    MixesPartitions,
    /// An empty key is written as null.
    EmptyKeyIsNull,
    /// One request more than allowed may be in flight.
    ExceedsLimit,
    /// A link is connected at once, whatever has failed before.
    ConnectsAtOnce,
    /// Two requests in a row get one id.
    RepeatsIds,
    /// The end of a back-off is never noticed.
    NeverTriesAgain,
    /// A producer that is closed goes on behind its deadline.
    ClosesLate,
    /// Leaders are looked up again after the first failure of a batch, and not after those that follow.
    LooksUpOnce,
    /// A batch that was opened at a later time than it is now has waited for too long.
    ExpiresAtJumps,
    /// An accumulator that is dropped keeps its share of the room that all of a process have together.
    KeepsRoom,
    /// Draws differ from run to run.
    DrawsAtRandom,
    /// The offset behind a set of messages is one too high.
    LeavesOneOut,
    /// A set that was taken counts as passed.
    PassesWhenTaken,
    /// A seek begins no new epoch.
    KeepsEpoch,
    /// The end of a partition that has failed is told twice.
    FailsTwice,
    /// The end of a partition is taken for the offset of its last message.
    EndsLate,
    /// A partition that was found through its topic is found again when its leader moves.
    ListsTwice,
    /// The offset of the last message that has passed is stored, and not the one behind it.
    StoresTheLast,
}

thread_local! {
    static KEPT: Cell<usize> = const { Cell::new(0) };
}

/// The bytes that accumulators have kept which were dropped in this run. A run has its own thread, as a process has its own
/// statics.
#[must_use]
pub fn kept() -> usize {
    KEPT.get()
}

/// Keeps the bytes of an accumulator that is dropped.
pub fn keep(bytes: usize) {
    KEPT.set(KEPT.get().saturating_add(bytes));
}

/// Begins another run, to which nothing of the one before is known.
pub fn begin_run() {
    KEPT.set(0);
}

/// Plants a mistake in place of the one before. `None` plants none.
pub fn plant(canary: Option<Canary>) {
    PLANTED.store(canary.map_or(0, Canary::number), Ordering::Relaxed);
}

impl Canary {
    const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Whether this mistake is planted.
    #[must_use]
    pub fn is_planted(self) -> bool {
        PLANTED.load(Ordering::Relaxed) == self.number()
    }

    /// The first value if this mistake is planted, the second one if not.
    #[must_use]
    pub fn pick<T>(self, planted: T, sound: T) -> T {
        if self.is_planted() { planted } else { sound }
    }
}
