//! How far a request had come when it ended.

use std::fmt;

use crate::ids::Api;

/// How far a request had come when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// No byte was written. The broker has not seen the request.
    NotSent,
    /// A part was written, and the rest never will be. A broker acts on whole requests only.
    PartlySent,
    /// The whole request was offered to a stream that has buffers of its own, such as a TLS layer. The stream has not
    /// reported that it took the last byte.
    Offered,
    /// The request was written. The broker had not yet answered this other request in front of it.
    Behind(Api),
    /// The request was written and the next to be answered. No byte of its response had arrived.
    Unanswered,
    /// The response had begun to arrive.
    Arriving {
        /// How many bytes of the response's frame had arrived.
        received: usize,
        /// How many bytes the frame has.
        of: usize,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("the request was not sent"),
            Self::PartlySent => f.write_str("only a part of the request was sent"),
            Self::Offered => f.write_str("the stream has not reported the request as sent"),
            Self::Behind(api) => write!(f, "the broker had not yet answered {api}, which was sent before"),
            Self::Unanswered => f.write_str("no answer had come"),
            Self::Arriving { received, of } => write!(f, "{received} of {of} bytes of its answer had come"),
        }
    }
}

/// What to do about a response that cannot be decoded. The same request would get the same bytes again.
pub(crate) const PROBE_IT: &str = "the peer may be no Kafka 0.8 broker: the probe tells its release";

impl Progress {
    /// What to do about a request that timed out at this point.
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
