//! Settings of what the brokers do.
//!
//! None of these settings makes a broker misbehave: every value is one that a real cluster could show. What a real cluster
//! does not do is the business of rules.

use std::{net::SocketAddr, time::Duration};

use kafka08_proto::{ids::NodeId, profile::Profile};

use super::BrokerConfig;

impl BrokerConfig {
    /// Sets the release that every broker behaves as. Default: 0.8.2.
    #[must_use]
    pub fn with_profile(mut self, value: Profile) -> Self {
        self.profile = value;
        self
    }

    /// Sets the id of the first broker. The others have the ids that follow. Default: 1.
    #[must_use]
    pub fn with_node(mut self, value: NodeId) -> Self {
        self.node = value;
        self
    }

    /// Sets the number of brokers. Default: 1. At least 1.
    #[must_use]
    pub fn with_brokers(mut self, value: u16) -> Self {
        self.brokers = value.max(1);
        self
    }

    /// Sets the address at which the first broker listens. If its port is not 0, the other brokers have the ports that follow.
    /// Default: 127.0.0.1 and a free port for each. There is no authentication. If you set another address, everyone who can
    /// reach it can read and write everything.
    #[must_use]
    pub fn with_listen(mut self, value: SocketAddr) -> Self {
        self.listen = value;
        self
    }

    /// Sets the number of partitions of a topic that Metadata creates. Default: 2. Kafka's `num.partitions` is 1. At least 1.
    #[must_use]
    pub fn with_partitions(mut self, value: u16) -> Self {
        self.partitions = value.max(1);
        self
    }

    /// Sets the number of replicas of a topic that Metadata creates. If there are fewer brokers, each has one. Default: 3. Kafka's
    /// `default.replication.factor` is 1.
    #[must_use]
    pub fn with_replication(mut self, value: u16) -> Self {
        self.replication = value.max(1);
        self
    }

    /// Sets how many replicas must be in sync for a produce with acks -1, as `min.insync.replicas` of 0.8.2. Default: 1.
    /// Earlier releases have no such setting, and ignore it here.
    #[must_use]
    pub fn with_min_insync(mut self, value: u16) -> Self {
        self.min_insync = value;
        self
    }

    /// Sets the number of partitions of `__consumer_offsets`, in which 0.8.2 stores offsets. Default: 50, as
    /// `offsets.topic.num.partitions`. At least 1.
    #[must_use]
    pub fn with_offsets_partitions(mut self, value: u16) -> Self {
        self.offsets_partitions = value.max(1);
        self
    }

    /// Sets the seed of every choice that the brokers make: the order of the entries in answers, the first leader of a topic, the
    /// lag of replicas, and rules with a probability. Default: 0. The same seed, requests and times give the same answers.
    #[must_use]
    pub fn with_seed(mut self, value: u64) -> Self {
        self.seed = value;
        self
    }

    /// Sets how long a new topic has no leader. Until then Metadata answers LeaderNotAvailable, and other requests answer
    /// UnknownTopicOrPartition. The request that creates the topic always gets LeaderNotAvailable. Default: 20 ms. A real
    /// broker was seen to take 12 to 50 ms.
    #[must_use]
    pub fn with_creation_delay(mut self, value: Duration) -> Self {
        self.creation_delay = value;
        self
    }

    /// Sets after what time the controller notices that a broker was killed, and elects other leaders. Default: 100 ms. With
    /// Kafka's defaults it is 6 s, `zookeeper.session.timeout.ms`.
    #[must_use]
    pub fn with_election_delay(mut self, value: Duration) -> Self {
        self.election_delay = value;
        self
    }

    /// Sets how long a change takes to reach the metadata of each broker. Default: none. Until then Metadata
    /// names the old leaders, which answer NotLeaderForPartition.
    #[must_use]
    pub fn with_metadata_delay(mut self, value: Duration) -> Self {
        self.metadata_delay = value;
        self
    }

    /// Sets the longest time after which a follower fetches what its leader has appended. Each time is drawn from the seed.
    /// Default: none, so a follower has every message at once.
    #[must_use]
    pub fn with_replication_lag(mut self, value: Duration) -> Self {
        self.replication_lag = value;
        self
    }

    /// Sets after what time a follower that is behind leaves the set of in-sync replicas. Default: 10 s, as
    /// `replica.lag.time.max.ms`.
    #[must_use]
    pub fn with_isr_lag(mut self, value: Duration) -> Self {
        self.isr_lag = value;
        self
    }

    /// Sets the size at which a log starts a new segment, in bytes. ListOffsets finds times by segments. Default: 1 GiB, as
    /// `log.segment.bytes`.
    #[must_use]
    pub fn with_segment_bytes(mut self, value: usize) -> Self {
        self.segment_bytes = value;
        self
    }

    /// The release that every broker behaves as, unless it has one of its own.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The id of the first broker.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The number of brokers.
    #[must_use]
    pub fn brokers(&self) -> u16 {
        self.brokers
    }

    /// The address at which the first broker listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The number of partitions of a topic that Metadata creates.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// The number of replicas of a topic that Metadata creates.
    #[must_use]
    pub fn replication(&self) -> u16 {
        self.replication
    }

    /// How many replicas must be in sync for a produce with acks -1.
    #[must_use]
    pub fn min_insync(&self) -> u16 {
        self.min_insync
    }

    /// The number of partitions of `__consumer_offsets`.
    #[must_use]
    pub fn offsets_partitions(&self) -> u16 {
        self.offsets_partitions
    }

    /// The seed of every choice.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How long a new topic has no leader.
    #[must_use]
    pub fn creation_delay(&self) -> Duration {
        self.creation_delay
    }

    /// After what time a killed broker is noticed.
    #[must_use]
    pub fn election_delay(&self) -> Duration {
        self.election_delay
    }

    /// How long a change takes to reach the metadata of each broker.
    #[must_use]
    pub fn metadata_delay(&self) -> Duration {
        self.metadata_delay
    }

    /// The longest time after which a follower fetches.
    #[must_use]
    pub fn replication_lag(&self) -> Duration {
        self.replication_lag
    }

    /// After what time a follower that is behind is not in sync.
    #[must_use]
    pub fn isr_lag(&self) -> Duration {
        self.isr_lag
    }

    /// The size at which a log starts a new segment, in bytes.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }
}
