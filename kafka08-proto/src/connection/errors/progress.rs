//! How far a request had come when it ended.

use std::fmt;

use crate::ids::Api;

/// How far a request had come when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Nothing of it was written: the broker never saw it.
    NotSent,
    /// Part of it was written, and the rest never will be. A broker acts on whole requests only.
    PartlySent,
    /// All of it was given to a stream that has buffers of its own, such as TLS, and the stream has not reported that it
    /// took the last byte.
    Offered,
    /// It was written, and the broker was still to answer a request in front of it.
    Behind(Api),
    /// It was written and first in line, and no byte of its answer had come.
    Unanswered,
    /// Its answer had begun to arrive.
    Arriving {
        /// Bytes of the answer's frame that had come.
        received: usize,
        /// Bytes that the frame has.
        of: usize,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("it was not sent"),
            Self::PartlySent => f.write_str("only part of it was sent"),
            Self::Offered => f.write_str("it was not reported as sent"),
            Self::Behind(api) => write!(f, "the broker had yet to answer {api} in front of it"),
            Self::Unanswered => f.write_str("no answer had come"),
            Self::Arriving { received, of } => write!(f, "{received} of {of} bytes of its answer had come"),
        }
    }
}

impl Progress {
    /// What to do about a request that timed out like this.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::NotSent | Self::PartlySent | Self::Offered => {
                "the peer does not read, or the network is too slow for what was staged in front of it"
            }
            Self::Behind(_) => "raise the timeout, or use another connection for requests that may wait long",
            Self::Unanswered => {
                "the broker is overloaded or unreachable, the timeout is too short, or the peer does not speak Kafka 0.8"
            }
            Self::Arriving { .. } => "raise the timeout, or ask for less at once",
        }
    }
}
