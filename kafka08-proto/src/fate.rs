//! Whether a broker may have applied a request that failed.

use std::fmt;

/// Whether a broker may have applied a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The broker has not applied the request, or the request changes nothing. Sending the request again is safe.
    NotApplied,
    /// The broker may have applied the request. If the request is sent again, the broker may apply the request twice.
    MaybeApplied,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotApplied => "the request can safely be sent again",
            Self::MaybeApplied => "the broker may have acted on the request, and sending it again may apply it twice",
        })
    }
}
