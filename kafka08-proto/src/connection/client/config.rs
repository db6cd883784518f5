//! Settings of a client's connection.

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
    pub(in crate::connection) peer: Option<Arc<HostPort>>,
    pub(in crate::connection) client_id: Option<Text>,
    pub(in crate::connection) profile: Profile,
    pub(in crate::connection) limits: Limits,
    pub(in crate::connection) request_timeout: Duration,
    pub(in crate::connection) connect_timeout: Duration,
    pub(in crate::connection) max_in_flight: usize,
    pub(in crate::connection) max_staged: usize,
    pub(in crate::connection) first_sequence: u32,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            peer: None,
            client_id: Some(Text::from_static("kafka08")),
            profile: Profile::default(),
            limits: Limits::default(),
            // A produce may wait 10 s for replicas and a fetch longer; both add that to it.
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_in_flight: 64,
            max_staged: 256 << 10,
            first_sequence: 0,
        }
    }
}

impl ClientConfig {
    /// Sets the address of the broker, which errors name. A driver that connects sets it. Default: none.
    #[must_use]
    pub fn with_peer(mut self, peer: HostPort) -> Self {
        self.peer = Some(Arc::new(peer));
        self
    }

    /// Sets the name of this client in the logs and metrics of the broker. `None` sends null. Official clients use
    /// `a-z A-Z 0-9 . _ -` only. Default: "kafka08". Kafka's own clients send an empty name.
    #[must_use]
    pub fn with_client_id(mut self, id: Option<Text>) -> Self {
        self.client_id = id;
        self
    }

    /// Sets the release of the broker. Requests that this release does not know are refused before they are sent. Default:
    /// 0.8.2. [`Probe`](crate::probe::Probe) finds out the release.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets the bounds of the connection.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long a request may take, from the call that sends it. The time for which this request and all requests in front
    /// of it let the broker wait is added (`max_wait` of a fetch, `timeout` of a produce). Default: 30 s, as `socket.timeout.ms`
    /// of the 0.8 consumer.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets how long a driver may take to connect, which includes looking up the name and trying every address. Default: 10 s. No Kafka setting
    /// corresponds to it.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how many requests may be in flight. Tombstones, and events that were not taken yet, count too. At this number,
    /// sending is refused as busy. Default: 64; a broker processes one request of a connection at a time, so a larger value only
    /// lengthens its queue. At least 1.
    #[must_use]
    pub fn with_max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests.max(1);
        self
    }

    /// Sets the number of staged bytes at which sending is refused as busy. One request may be larger than this. Default: 256 KiB.
    /// No Kafka setting corresponds to it. At least 1.
    #[must_use]
    pub fn with_max_staged(mut self, bytes: usize) -> Self {
        self.max_staged = bytes.max(1);
        self
    }

    /// Sets the first number of a correlation id's sequence. The low 27 bits of an id count the requests, and the high bits name
    /// the API. Default: 0. Other values are for tests of the overflow, and to tell connections apart in a packet capture.
    #[must_use]
    pub fn with_first_sequence(mut self, sequence: u32) -> Self {
        self.first_sequence = sequence;
        self
    }

    /// The address of the broker, if it was set.
    #[must_use]
    pub fn peer(&self) -> Option<&Arc<HostPort>> {
        self.peer.as_ref()
    }

    /// The name of this client. `None` is null.
    #[must_use]
    pub fn client_id(&self) -> Option<&Text> {
        self.client_id.as_ref()
    }

    /// The number of staged bytes at which sending is refused as busy.
    #[must_use]
    pub fn max_staged(&self) -> usize {
        self.max_staged
    }

    /// The first number of the sequence of correlation ids.
    #[must_use]
    pub fn first_sequence(&self) -> u32 {
        self.first_sequence
    }

    /// How long a request may take that has no timeout of its own.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// How long a driver may take to connect.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How many requests may be unanswered or unsent at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// The release of the broker.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The bounds of the connection.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
