//! Settings of a cluster.

use std::{fmt, sync::Arc, time::Duration};

use kafka08_proto::{
    ClientConfig, HostPort,
    ids::{NodeId, Text},
    limits::Limits,
    profile::Profile,
};

use crate::backoff::Backoff;

/// Decides whether and where to connect for a broker that metadata lists. `None` makes the broker unusable.
pub type EndpointFilter = Arc<dyn Fn(NodeId, HostPort) -> Option<HostPort> + Send + Sync>;

/// The shortest pause of any kind. What is due again at once would be done again within the same step, for ever.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How the release of each broker is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReleaseSetting {
    /// Each broker is probed on a connection of its own, when a request depends on its release.
    #[default]
    Probe,
    /// All brokers have this release.
    Is(Profile),
}

/// Settings of a [`Cluster`](crate::cluster::Cluster), also of the one that a producer owns.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClusterConfig {
    pub(crate) bootstrap: Vec<HostPort>,
    pub(crate) client: ClientConfig,
    pub(crate) release: ReleaseSetting,
    pub(crate) call_timeout: Duration,
    pub(crate) max_age: Duration,
    pub(crate) refresh_pause: Duration,
    pub(crate) retry_backoff: Backoff,
    pub(crate) reconnect_backoff: Backoff,
    pub(crate) connects_per_second: u32,
    pub(crate) max_idle: Duration,
    pub(crate) silence: Duration,
    pub(crate) endpoint_filter: Option<EndpointFilter>,
    pub(crate) seed: Option<u64>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            client: ClientConfig::default(),
            release: ReleaseSetting::default(),
            call_timeout: Duration::from_secs(60),
            max_age: Duration::from_secs(300),
            refresh_pause: Duration::from_millis(100),
            retry_backoff: Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) },
            reconnect_backoff: Backoff { first: Duration::from_millis(50), most: Duration::from_secs(10) },
            connects_per_second: 20,
            max_idle: Duration::from_secs(540),
            silence: Duration::from_secs(3),
            endpoint_filter: None,
            seed: None,
        }
    }
}

impl ClusterConfig {
    /// Sets the brokers to ask first. One that answers is enough. Default: none, so one must be set.
    #[must_use]
    pub fn with_bootstrap(mut self, brokers: impl IntoIterator<Item = HostPort>) -> Self {
        self.bootstrap = brokers.into_iter().collect();
        self
    }

    /// Sets the name of this client in the logs of brokers. Default: "kafka08".
    #[must_use]
    pub fn with_client_id(mut self, id: Option<Text>) -> Self {
        self.client = self.client.with_client_id(id);
        self
    }

    /// Sets the bounds of each connection.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.client = self.client.with_limits(limits);
        self
    }

    /// Sets how the release of brokers is known. Default: [`ReleaseSetting::Probe`].
    #[must_use]
    pub fn with_release(mut self, release: ReleaseSetting) -> Self {
        self.release = release;
        self
    }

    /// Sets how long one attempt of a request may take. The time for which the request lets the broker wait is added.
    /// Default: 30 s, as `socket.timeout.ms` of the 0.8 consumer.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.client = self.client.with_request_timeout(timeout);
        self
    }

    /// Sets how long connecting to one broker may take, which includes looking up its name. Default: 10 s. Chosen here.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.client = self.client.with_connect_timeout(timeout);
        self
    }

    /// Sets how long a call may take, with all its attempts, from the call on. Default: 60 s. Chosen here: two attempts
    /// fit.
    #[must_use]
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Sets the age at which metadata is asked for again. Default: 5 min, as `metadata.max.age.ms` of the Java client.
    #[must_use]
    pub fn with_metadata_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets the pause between two requests for metadata. At least 1 ms. Default: 100 ms, as `retry.backoff.ms` of the Java
    /// client.
    #[must_use]
    pub fn with_refresh_pause(mut self, pause: Duration) -> Self {
        self.refresh_pause = pause.max(SHORTEST_PAUSE);
        self
    }

    /// Sets the back-off before a request is sent again. Default: 100 ms to 1 s (`retry.backoff.ms` of the Java client,
    /// `retry.backoff.max.ms` of later ones). Both are at least 1 ms.
    #[must_use]
    pub fn with_retry_backoff(mut self, backoff: Backoff) -> Self {
        self.retry_backoff = at_least(backoff);
        self
    }

    /// Sets the back-off before a broker is connected to again. Default: 50 ms (`reconnect.backoff.ms` of the Java
    /// client) to 10 s (librdkafka). Both are at least 1 ms.
    #[must_use]
    pub fn with_reconnect_backoff(mut self, backoff: Backoff) -> Self {
        self.reconnect_backoff = at_least(backoff);
        self
    }

    /// Sets the most connection attempts in a second, to all brokers together. At least 1. Default: 20. Chosen here.
    #[must_use]
    pub fn with_connects_per_second(mut self, connects: u32) -> Self {
        self.connects_per_second = connects.max(1);
        self
    }

    /// Sets how long a connection may be idle before it is closed. Default: 9 min, because 0.8.2 closes idle
    /// connections after 10 min (`connections.max.idle.ms`).
    #[must_use]
    pub fn with_max_idle(mut self, idle: Duration) -> Self {
        self.max_idle = idle;
        self
    }

    /// Sets the time after which a broker that owes an answer counts as silent. Other brokers are then asked whether
    /// there is another leader. The time for which the request lets the broker wait is added. Default: 3 s. Chosen here.
    #[must_use]
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Sets a function that may refuse or change the endpoints that metadata lists, for example behind a port
    /// forwarding. Default: none.
    ///
    /// It is called when an answer lists an address that was not listed before, in the task or thread that moves the client's
    /// bytes, while the client is locked. So it must return soon, and must not use a handle of this client, which would wait for
    /// ever. If it panics, the client ends as if its task had been aborted.
    #[must_use]
    pub fn with_endpoint_filter(
        mut self,
        filter: impl Fn(NodeId, HostPort) -> Option<HostPort> + Send + Sync + 'static,
    ) -> Self {
        self.endpoint_filter = Some(Arc::new(filter));
        self
    }

    /// Sets the seed of all random choices: back-off, and the order in which brokers are tried. Default: the adapters
    /// choose another seed for each client, and without an adapter it is 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The seed of all random choices. `None` if [`ClusterConfig::with_seed`] has set none.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The seed, or 0.
    pub(crate) fn seed_or_zero(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Where to connect for a broker that metadata lists with this address. `None`: nowhere.
    pub(crate) fn filter(&self, node: NodeId, at: HostPort) -> Option<HostPort> {
        match &self.endpoint_filter {
            Some(filter) => filter(node, at),
            None => Some(at),
        }
    }

    /// How long a call may take, with all its attempts.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// How long connecting to one broker may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.client.connect_timeout()
    }

    /// The brokers that are asked first.
    #[must_use]
    pub fn bootstrap(&self) -> &[HostPort] {
        &self.bootstrap
    }
}

fn at_least(backoff: Backoff) -> Backoff {
    Backoff { first: backoff.first.max(SHORTEST_PAUSE), most: backoff.most.max(SHORTEST_PAUSE) }
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("bootstrap", &self.bootstrap)
            .field("client", &self.client)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}
