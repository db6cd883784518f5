//! Settings and limits.

use std::{net::SocketAddr, time::Duration};

use kafka08_proto::{HostPort, ids::NodeId};

/// Settings of a broker. The limits keep a hostile or forgotten client from filling the memory of the process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerConfig {
    pub(crate) node: NodeId,
    pub(crate) listen: SocketAddr,
    pub(crate) advertised: Option<HostPort>,
    pub(crate) auto_create: bool,
    pub(crate) partitions: u16,
    pub(crate) leaderless_answers: u32,
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
    pub(crate) max_log_bytes: usize,
    pub(crate) max_topics: usize,
    pub(crate) max_partitions_per_request: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_connections: usize,
    pub(crate) frame_timeout: Duration,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            node: NodeId(1),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertised: None,
            auto_create: true,
            partitions: 2,
            leaderless_answers: 1,
            max_message: 1_000_012,
            max_frame: 8 << 20,
            max_log_bytes: 256 << 20,
            max_topics: 10_000,
            max_partitions_per_request: 4096,
            max_waiting: 10_000,
            max_connections: 256,
            frame_timeout: Duration::from_secs(30),
        }
    }
}

impl BrokerConfig {
    /// Sets the broker's id. Default: 1.
    #[must_use]
    pub fn with_node(mut self, node: NodeId) -> Self {
        self.node = node;
        self
    }

    /// Sets the address at which the server listens. Default: 127.0.0.1 and a free port. There is no authentication. If
    /// you set another address, everyone who can reach it can read and write everything.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the address in Metadata responses. Default: the address at which the broker listens.
    #[must_use]
    pub fn with_advertised(mut self, host_port: HostPort) -> Self {
        self.advertised = Some(host_port);
        self
    }

    /// Lets only [`Broker::create_topic`](crate::Broker::create_topic) create topics, and not Metadata, as with
    /// `auto.create.topics.enable=false`. By default, Metadata creates the topics of its request, as in Kafka.
    #[must_use]
    pub fn without_auto_create(mut self) -> Self {
        self.auto_create = false;
        self
    }

    /// Sets the number of partitions of a topic that Metadata creates. Default: 2. Kafka's `num.partitions` is 1.
    #[must_use]
    pub fn with_partitions(mut self, partitions: u16) -> Self {
        self.partitions = partitions.max(1);
        self
    }

    /// Sets how many Metadata responses say that a new topic has no leader. The response that creates the topic counts
    /// too. Default: 1, which is the minimum of a real broker. Set it to 0 for clients that give up at the first such
    /// response, and to a larger number to test how a client waits for a leader.
    #[must_use]
    pub fn with_leaderless_answers(mut self, answers: u32) -> Self {
        self.leaderless_answers = answers;
        self
    }

    /// Sets the maximum size of an entry of a produced set, in bytes. A produce with a larger entry is answered with
    /// MessageSizeTooLarge, even if the entry becomes too large only when the broker compresses it again with its
    /// offsets. Default: 1,000,012, as Kafka's `message.max.bytes`.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the maximum size of a request, in bytes. The connection of a larger request is closed as soon as its length
    /// is read. Default: 8 MiB. Kafka's `socket.request.max.bytes` is 100 MiB.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets the maximum number of bytes of messages in all topics together. If more are produced, the oldest messages
    /// of the largest partition are removed, as by retention. Default: 256 MiB.
    #[must_use]
    pub fn with_max_log_bytes(mut self, bytes: usize) -> Self {
        self.max_log_bytes = bytes;
        self
    }

    /// Sets the maximum number of topics. One more topic is answered with error code -1. Default: 10,000.
    #[must_use]
    pub fn with_max_topics(mut self, topics: usize) -> Self {
        self.max_topics = topics;
        self
    }

    /// Sets the maximum number of partitions that one request may name. The connection of a larger request is closed.
    /// Default: 4,096.
    #[must_use]
    pub fn with_max_partitions_per_request(mut self, partitions: usize) -> Self {
        self.max_partitions_per_request = partitions;
        self
    }

    /// Sets the maximum number of requests that wait for data or replicas. One more request is answered at once.
    /// Default: 10,000.
    #[must_use]
    pub fn with_max_waiting(mut self, requests: usize) -> Self {
        self.max_waiting = requests;
        self
    }

    /// Sets the maximum number of connections. One more connection is closed as soon as it is made. Default: 256.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets how long a request may take to arrive, from its first byte on. After that, the connection is closed.
    /// Default: 30 s. Kafka's broker waits without a limit.
    #[must_use]
    pub fn with_frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = timeout;
        self
    }

    /// The broker's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The address at which the server listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The address in Metadata responses. `None` stands for the address at which the broker listens.
    #[must_use]
    pub fn advertised(&self) -> Option<&HostPort> {
        self.advertised.as_ref()
    }

    /// Whether Metadata creates the topics of its request.
    #[must_use]
    pub fn auto_create(&self) -> bool {
        self.auto_create
    }

    /// The number of partitions of a topic that Metadata creates.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// How many Metadata responses say that a new topic has no leader.
    #[must_use]
    pub fn leaderless_answers(&self) -> u32 {
        self.leaderless_answers
    }

    /// The maximum size of an entry of a produced set, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.max_message
    }

    /// The maximum size of a request, in bytes.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// The maximum number of bytes of messages in all topics together.
    #[must_use]
    pub fn max_log_bytes(&self) -> usize {
        self.max_log_bytes
    }

    /// The maximum number of topics.
    #[must_use]
    pub fn max_topics(&self) -> usize {
        self.max_topics
    }

    /// The maximum number of partitions that one request may name.
    #[must_use]
    pub fn max_partitions_per_request(&self) -> usize {
        self.max_partitions_per_request
    }

    /// The maximum number of requests that wait for data or replicas.
    #[must_use]
    pub fn max_waiting(&self) -> usize {
        self.max_waiting
    }

    /// The maximum number of connections.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// How long a request may take to arrive.
    #[must_use]
    pub fn frame_timeout(&self) -> Duration {
        self.frame_timeout
    }
}
