//! The bounds on memory that a peer can cause to be allocated, and on values that would make a broker hang.
//!
//! The fields of [`Limits`] are settings. The constants are bounds of the protocol and of the compression formats.
//! Arrays need no limit, because an array that claims more elements than the rest of its body can hold is an error.
//!
//! The memory that one client connection can hold, by its settings:
//!
//! | what | setting | default | most memory |
//! |---|---|---|---|
//! | a frame that is incomplete | [`Limits::max_frame`] | 64 MiB | twice the bytes received of it, and 64 KiB; not what its length claims |
//! | memory of earlier large frames, kept for later ones | none: two frames | | the two largest that arrived; nothing after ten idle seconds |
//! | answers that were received and not taken | [`max_in_flight`](crate::ClientConfig::with_max_in_flight) | 64 | that many answers of `max_frame` each |
//! | requests staged to be written | [`max_staged`](crate::ClientConfig::with_max_staged) | 256 KiB | that and one more request, of at most [`Limits::max_request`] (100 MiB) |
//! | a compressed set that is being opened | [`Limits::max_inflated`] | 64 MiB | one and a half times that, in the [`Inflater`](crate::message::Inflater) and not in the connection |
//! | ranges of unconfirmed requests with acks = 0 | none: 1,024 | | 32 KiB |
//!
//! A server connection holds an incomplete frame in the same way ([`ServerConfig::with_max_frame`], default 100 MiB).
//! In addition it holds [`with_max_staged`] bytes of answers (default: 256 KiB) and [`with_max_open_calls`] more
//! answers (default: 1).
//!
//! [`ServerConfig::with_max_frame`]: crate::ServerConfig::with_max_frame
//! [`with_max_staged`]: crate::ServerConfig::with_max_staged
//! [`with_max_open_calls`]: crate::ServerConfig::with_max_open_calls

/// The longest string that can be encoded, in bytes of UTF-8. The length of a string is a positive `i16`.
pub const MAX_TEXT: usize = i16::MAX as usize;

/// The number of levels of compressed sets that are opened.
///
/// A compressed set inside another one is reported as
/// [`MessageProblem::Nested`](crate::message::MessageProblem::Nested).
// Brokers of 0.8 flatten nested sets, so their logs hold none. 0.9.0.1 stores them as they come. Without a bound, a
// small set could be nested deeply enough to overflow the stack of a reader that recurses.
pub const MAX_NESTING: usize = 1;

/// The most bytes that one byte of a snappy block can expand to, rounded up.
// A copy element of three bytes produces at most 64 bytes.
pub const SNAPPY_RATIO: usize = 22;

/// The most bytes that one byte of an LZ4 block can expand to.
// A byte of a match length adds 255. gzip can reach 1032 and needs no bound: it does not claim its length in front, and
// is inflated step by step within the budget.
pub const LZ4_RATIO: usize = 255;

/// The limits of one connection. Each of them is enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame that is accepted from the peer, in bytes after the length prefix.
    ///
    /// Default: 64 MiB. No Kafka setting limits a response. A fetch whose response could be larger is
    /// refused.
    pub max_frame: usize,
    /// The largest request that is sent, in bytes after the length prefix. A broker closes the connection on a longer
    /// one.
    ///
    /// Default: 104 857 600, as the brokers' `socket.request.max.bytes`.
    pub max_request: usize,
    /// The largest entry of a produced set, in bytes: 12 bytes of offset and size, and the message. `None` leaves the
    /// check to the broker.
    ///
    /// Default: 1 000 012, as the brokers' `message.max.bytes`.
    pub max_message: Option<usize>,
    /// The most bytes that the compressed entries of one response may expand to, together. Opening one entry takes at
    /// most one and a half times as much memory.
    ///
    /// Default: 64 MiB. No Kafka setting corresponds to it.
    pub max_inflated: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame: 64 << 20, max_request: 104_857_600, max_message: Some(1_000_012), max_inflated: 64 << 20 }
    }
}

impl Limits {
    /// Sets the largest frame that is accepted from the peer, in bytes. Values above `i32::MAX` have no effect.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets the largest request that is sent, in bytes.
    #[must_use]
    pub fn with_max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Sets the largest entry of a produced set, in bytes. `None` leaves the check to the broker.
    #[must_use]
    pub fn with_max_message(mut self, bytes: Option<usize>) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the most bytes that the compressed entries of one response may expand to, together.
    #[must_use]
    pub fn with_max_inflated(mut self, bytes: usize) -> Self {
        self.max_inflated = bytes;
        self
    }
}
