//! Settings of a connection.

use std::{sync::Arc, time::Duration};

use crate::{
    ids::{HostPort, Text},
    limits::Limits,
    profile::Profile,
};

/// Settings of a [`ClientConnection`](super::ClientConnection).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    pub(crate) peer: Option<Arc<HostPort>>,
    pub(crate) client_id: Option<Text>,
    pub(crate) profile: Profile,
    pub(crate) limits: Limits,
    pub(crate) request_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_in_flight: usize,
    pub(crate) max_staged: usize,
    pub(crate) first_sequence: u32,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            peer: None,
            client_id: Some(Text::from_static("kafka08")),
            profile: Profile::default(),
            limits: Limits::default(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_in_flight: 64,
            max_staged: 256 << 10,
            first_sequence: 0,
        }
    }
}

impl ClientConfig {
    /// Where the connection goes, for errors to name. A driver that connects sets it. Default: unknown.
    #[must_use]
    pub fn with_peer(mut self, peer: HostPort) -> Self {
        self.peer = Some(Arc::new(peer));
        self
    }

    /// What the broker calls this client in its logs and metrics; `None` sends null. Official clients use
    /// `a-z A-Z 0-9 . _ -` only. Default: "kafka08". Chosen here; Kafka's clients have an empty one.
    #[must_use]
    pub fn with_client_id(mut self, id: Option<Text>) -> Self {
        self.client_id = id;
        self
    }

    /// Which release the broker is of. Default: 0.8.2.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The connection's bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a request may take, from the call that sends it, not counting what the broker may rightly wait (a fetch's
    /// `max_wait`, a produce's `timeout`). Default: 30 s, as `socket.timeout.ms` of the 0.8 consumer.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long a driver may take to connect: to look the name up, and to try every address. Default: 10 s. Chosen here; no
    /// Kafka setting corresponds to it.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The most requests that may be unanswered or unsent at once; above it, sending is refused as busy. Default: 64. Chosen
    /// here: a broker processes one request of a connection at a time, so a larger value only lengthens its queue. At least 1.
    #[must_use]
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests.max(1);
        self
    }

    /// The number of staged bytes at which sending is refused as busy. One request may be larger than this. Default: 256 KiB.
    /// Chosen here; no Kafka setting corresponds to it. At least 1.
    #[must_use]
    pub fn with_max_staged(mut self, bytes: usize) -> Self {
        self.max_staged = bytes.max(1);
        self
    }

    /// Where the 27-bit sequence of the correlation ids begins. Default: 0. Other values are for tests of the wrap, and for
    /// captures in which connections should be told apart.
    #[must_use]
    pub fn with_first_sequence(mut self, sequence: u32) -> Self {
        self.first_sequence = sequence;
        self
    }

    /// Where the connection goes, if that was said.
    #[must_use]
    pub fn peer(&self) -> Option<&Arc<HostPort>> {
        self.peer.as_ref()
    }

    /// What the broker calls this client; `None` is null.
    #[must_use]
    pub fn client_id(&self) -> Option<&Text> {
        self.client_id.as_ref()
    }

    /// The number of staged bytes at which sending is refused as busy.
    #[must_use]
    pub fn max_staged(&self) -> usize {
        self.max_staged
    }

    /// Where the sequence of the correlation ids begins.
    #[must_use]
    pub fn first_sequence(&self) -> u32 {
        self.first_sequence
    }

    /// How long a request may take, unless it says otherwise.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// How long a driver may take to connect.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The most requests that may be unanswered or unsent at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// The release the broker is of.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The connection's bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Settings of a [`ServerConnection`](super::ServerConnection).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    pub(crate) max_frame: usize,
    pub(crate) max_open_calls: usize,
    pub(crate) max_staged: usize,
    pub(crate) frame_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_frame: 104_857_600,
            max_open_calls: 1,
            max_staged: 256 << 10,
            frame_timeout: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// The largest request accepted, in bytes, not counting its length. Default: 104,857,600, as the brokers'
    /// `socket.request.max.bytes`.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// How many calls may be open before no more is read. A call is open until the transport has taken its answer. Default:
    /// 1, as every 0.8 broker, which reads nothing from a connection until its answer is written. At least 1.
    #[must_use]
    pub fn with_max_open_calls(mut self, calls: usize) -> Self {
        self.max_open_calls = calls.max(1);
        self
    }

    /// The number of bytes of answers, not yet taken by the transport, at which no more requests are read. Answers that wait
    /// behind an open call count too. Default: 256 KiB; no Kafka setting corresponds to it. At least 1.
    ///
    /// Calls that are open when the limit is reached can still be answered, so a connection holds at most this much and
    /// [`ServerConfig::with_max_open_calls`] answers more.
    #[must_use]
    pub fn with_max_staged(mut self, bytes: usize) -> Self {
        self.max_staged = bytes.max(1);
        self
    }

    /// How long a request may take to arrive, from its first byte on; time in which the server does not read is not counted.
    /// Default: 30 s. Chosen here; a broker waits for ever.
    #[must_use]
    pub fn with_frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = timeout;
        self
    }

    /// The largest request accepted, in bytes, not counting its length.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// How many calls may be open before no more is read.
    #[must_use]
    pub fn max_open_calls(&self) -> usize {
        self.max_open_calls
    }

    /// The number of bytes of answers, not yet taken by the transport, at which no more requests are read.
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
