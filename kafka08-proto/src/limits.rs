//! Every bound that keeps a peer from making us allocate or a caller from making a broker hang.
//!
//! Those of [`Limits`] are settings. The constants are the wire's and the formats' own. Arrays need none: a count is believed
//! only as far as the bytes that are left could hold its elements, whose smallest size each layout knows.
//!
//! What one client's connection can hold, by its settings:
//!
//! | what | setting | default | memory at worst |
//! |---|---|---|---|
//! | a frame that is arriving | [`Limits::max_frame`] | 64 MiB | twice what has come of it, and 64 KiB; never what its length claims |
//! | memory of large frames, kept for the next ones | none: two frames | | the two largest that came; none after ten seconds of rest |
//! | answers that were received and not taken | [`max_in_flight`](crate::ClientConfig::with_max_in_flight) | 64 | as many as that, of `max_frame` each |
//! | requests staged to be written | [`max_staged`](crate::ClientConfig::with_max_staged) | 256 KiB | that and one request more, of [`Limits::max_request`] (100 MiB) at most |
//! | a compressed set that is being opened | [`Limits::max_inflated`] | 64 MiB | one and a half times that, in the [`Inflater`](crate::message::Inflater), not in the connection |
//! | ranges of requests with acks = 0 that nothing confirms | none: 1,024 | | 32 KiB |
//!
//! A server's end holds a frame that is arriving in the same way ([`ServerConfig::with_max_frame`], 100 MiB), and
//! [`with_max_staged`] bytes of answers (256 KiB) and [`with_max_open_calls`] answers more (1).
//!
//! [`ServerConfig::with_max_frame`]: crate::ServerConfig::with_max_frame
//! [`with_max_staged`]: crate::ServerConfig::with_max_staged
//! [`with_max_open_calls`]: crate::ServerConfig::with_max_open_calls

/// The longest string the wire can hold, in bytes of UTF-8: its length is a positive `i16`.
pub const MAX_TEXT: usize = i16::MAX as usize;

/// How deep compressed sets are opened: a set in a wrapper, and nothing inside that. Brokers of 0.8 flatten what they get.
/// 0.9.0.1 stores nested sets as they come; each is told as [`MessageProblem::Nested`](crate::message::MessageProblem::Nested).
pub const MAX_NESTING: usize = 1;

/// The most bytes that one byte of a snappy block can become, rounded up: three bytes can copy 64.
pub const SNAPPY_RATIO: usize = 22;

/// The most bytes that one byte of an LZ4 block can become. gzip, at 1032, needs no such bound: it is inflated step by step,
/// and its claim to a length stands at the end.
pub const LZ4_RATIO: usize = 255;

/// The bounds of one connection. Each is checked; none is a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest frame accepted from the peer, in bytes after the length prefix. Default 64 MiB: ours; a fetch asks for less.
    /// The brokers' own limit, on requests, is `socket.request.max.bytes`, 100 MiB.
    pub max_frame: usize,
    /// Largest request sent, in bytes after the length prefix. Default 104 857 600, as the brokers' default
    /// `socket.request.max.bytes`: a longer one makes them close the connection.
    pub max_request: usize,
    /// Largest entry of a produced set (12 bytes of offset and size, and the message), in bytes. Default 1 000 012, as the
    /// brokers' default `message.max.bytes`; `None` where it is not known, then the broker decides.
    pub max_message: Option<usize>,
    /// Most bytes that compressed entries may become: one of them, and all of a response together. Opening one holds at most
    /// one and a half times as much. Default 64 MiB, ours.
    pub max_inflated: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame: 64 << 20, max_request: 104_857_600, max_message: Some(1_000_012), max_inflated: 64 << 20 }
    }
}

impl Limits {
    /// Largest frame accepted from the peer, in bytes; more than `i32::MAX` cannot arrive.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Largest request sent, in bytes.
    #[must_use]
    pub fn with_max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Largest entry of a produced set, in bytes; `None`: the broker decides.
    #[must_use]
    pub fn with_max_message(mut self, bytes: Option<usize>) -> Self {
        self.max_message = bytes;
        self
    }

    /// Most bytes that the compressed entries of one response may become.
    #[must_use]
    pub fn with_max_inflated(mut self, bytes: usize) -> Self {
        self.max_inflated = bytes;
        self
    }
}
