//! Every bound that keeps a peer from making us allocate or a caller from making a broker hang.

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
    /// Most bytes that compressed entries may become: one of them, and all of a response together. Default 64 MiB, ours.
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
