//! Limits on the memory that a peer can make this crate allocate, and on sizes that a broker does not accept.
//!
//! The fields of [`Limits`] are settings. The constants are limits of the protocol and of the compression formats.
//! Arrays need no limit: the decoder rejects an array if the rest of the body is too short for its element count.
//!
//! The memory that one client connection can use, and the setting that limits each part:
//!
//! | what | setting | default | most memory |
//! |---|---|---|---|
//! | an incomplete frame | [`Limits::max_frame`] | 64 MiB | twice the bytes received so far, plus 64 KiB; the frame's length prefix reserves no memory |
//! | buffers of earlier large frames, kept for later frames | none: two buffers | | the two largest frames received; nothing after ten idle seconds |
//! | responses received but not yet taken by the caller | [`max_in_flight`](crate::ClientConfig::with_max_in_flight) | 64 | `max_in_flight` responses of `max_frame` each |
//! | requests waiting to be written | [`max_staged`](crate::ClientConfig::with_max_staged) | 256 KiB | `max_staged` plus one request of at most [`Limits::max_request`] (100 MiB) |
//! | a compressed set during decompression | [`Limits::max_inflated`] | 64 MiB | one and a half times `max_inflated`, in the [`Inflater`](crate::message::Inflater) and not in the connection |
//! | ranges of unconfirmed requests with acks = 0 | none: 1,024 | | 32 KiB |
//!
//! A server connection stores an incomplete frame in the same way ([`ServerConfig::with_max_frame`], default 100 MiB).
//! In addition, the server connection holds [`with_max_staged`] bytes of responses (default: 256 KiB) and
//! [`with_max_open_calls`] more responses (default: 1).
//!
//! [`ServerConfig::with_max_frame`]: crate::ServerConfig::with_max_frame
//! [`with_max_staged`]: crate::ServerConfig::with_max_staged
//! [`with_max_open_calls`]: crate::ServerConfig::with_max_open_calls

/// The longest string that can be encoded, in bytes of UTF-8. The length field of a string is an `i16`.
pub const MAX_TEXT: usize = i16::MAX as usize;

/// The number of levels of compressed sets that are decompressed.
///
/// A compressed set inside another one is reported as
/// [`MessageProblem::Nested`](crate::message::MessageProblem::Nested).
// Brokers of 0.8 flatten nested sets, so their logs contain no nested set. 0.9.0.1 stores nested sets unchanged.
// Without a limit, a small set could be nested so deeply that a recursive reader overflows its stack.
pub const MAX_NESTING: usize = 1;

/// The maximum number of bytes that one byte of a snappy block can expand to, rounded up.
// A copy element of three bytes produces at most 64 bytes.
pub const SNAPPY_RATIO: usize = 22;

/// The maximum number of bytes that one byte of an LZ4 block can expand to.
// Each byte of a match length adds 255. gzip can reach 1032 but needs no such limit: gzip data has no length field at
// its start, and is decompressed step by step within the budget.
pub const LZ4_RATIO: usize = 255;

/// The limits of one connection. All of them are enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame that is accepted from the peer, in bytes after the length prefix.
    ///
    /// Default: 64 MiB. No Kafka setting limits a response. The client refuses to send a fetch whose response could be
    /// larger.
    pub max_frame: usize,
    /// The largest request that is sent, in bytes after the length prefix. A broker closes the connection if a request
    /// is larger than the broker's limit.
    ///
    /// Default: 104 857 600, the default of the brokers' `socket.request.max.bytes`.
    pub max_request: usize,
    /// The largest entry of a produced set, in bytes: 12 bytes of offset and size, and the message. With `None`, only
    /// the broker checks the size.
    ///
    /// Default: 1 000 012, the default of the brokers' `message.max.bytes`.
    pub max_message: Option<usize>,
    /// The maximum total size of the compressed entries of one response after decompression, in bytes. Decompressing
    /// one entry needs at most one and a half times as much memory.
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

    /// Sets the largest entry of a produced set, in bytes. With `None`, only the broker checks the size.
    #[must_use]
    pub fn with_max_message(mut self, bytes: Option<usize>) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the maximum total size of the compressed entries of one response after decompression, in bytes.
    #[must_use]
    pub fn with_max_inflated(mut self, bytes: usize) -> Self {
        self.max_inflated = bytes;
        self
    }
}
