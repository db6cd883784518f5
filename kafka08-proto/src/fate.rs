//! Whether something that failed may have happened all the same.

use std::fmt;

/// Whether a broker may have acted on a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has not: sending the request again does nothing twice.
    NotApplied,
    /// It may have: sending it again may do it twice.
    MaybeApplied,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotApplied => "it can be sent again: that does nothing twice",
            Self::MaybeApplied => "the broker may have acted on it, and sending it again may do it twice",
        })
    }
}
