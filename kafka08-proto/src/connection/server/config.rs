//! Settings of a server's connection.

use std::time::Duration;

/// Settings of a [`ServerConnection`](super::ServerConnection).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    pub(super) max_frame: usize,
    pub(super) max_open_calls: usize,
    pub(super) max_staged: usize,
    pub(super) frame_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_frame: 104_857_600,
            // More is for proxies, which pass requests on and have no work of their own to do one by one.
            max_open_calls: 1,
            max_staged: 256 << 10,
            frame_timeout: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// Sets the largest request that is accepted, in bytes, not counting its length. Default: 104,857,600, as
    /// `socket.request.max.bytes` of the broker.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets how many calls may be open. While there are as many, nothing is read. A call is open until the transport has taken
    /// its response. Default: 1, as every 0.8 broker, which reads nothing from a connection until its response is written. At
    /// least 1.
    #[must_use]
    pub fn with_max_open_calls(mut self, calls: usize) -> Self {
        self.max_open_calls = calls.max(1);
        self
    }

    /// Sets how many bytes of responses may wait for the transport. While there are as many, no requests are read. Responses
    /// that wait behind an open call count too. Default: 256 KiB. No Kafka setting corresponds to it. At least 1.
    ///
    /// Calls that are open when the limit is reached can still be answered. So a connection holds at most this many bytes, plus
    /// one response for each call that may be open ([`ServerConfig::with_max_open_calls`]).
    #[must_use]
    pub fn with_max_staged(mut self, bytes: usize) -> Self {
        self.max_staged = bytes.max(1);
        self
    }

    /// Sets how long a request may take to arrive, from its first byte on. Time in which the server does not read is not
    /// counted. Default: 30 s. A broker waits for ever.
    #[must_use]
    pub fn with_frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = timeout;
        self
    }

    /// The largest request that is accepted, in bytes, not counting its length.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// How many calls may be open.
    #[must_use]
    pub fn max_open_calls(&self) -> usize {
        self.max_open_calls
    }

    /// How many bytes of responses may wait for the transport.
    #[must_use]
    pub fn max_staged(&self) -> usize {
        self.max_staged
    }

    /// How long a request may take to arrive, from its first byte on.
    #[must_use]
    pub fn frame_timeout(&self) -> Duration {
        self.frame_timeout
    }
}
