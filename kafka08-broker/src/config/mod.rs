//! Settings and limits.
//!
//! A setting has a setter, a getter, and its default in [`BrokerConfig::default`]. Defaults are Kafka's where a test can bear
//! them. They are shorter or smaller where a test would have to wait, or where one process has to hold what a cluster of
//! machines would.

mod behaviour;
mod limits;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use kafka08_proto::{HostPort, ids::NodeId, profile::Profile};

/// Settings of a broker, or of several brokers that form a cluster. The limits keep a hostile or forgotten client from
/// filling the memory of the process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerConfig {
    pub(crate) profiles: BTreeMap<NodeId, Profile>,
    pub(crate) advertised: Option<HostPort>,
    pub(crate) auto_create: bool,
    pub(crate) unclean_election: bool,
    pub(crate) retention_bytes: Option<usize>,
    pub(crate) topics: Vec<(String, u16)>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) profile: Profile,
    pub(crate) node: NodeId,
    pub(crate) brokers: u16,
    pub(crate) listen: SocketAddr,
    pub(crate) partitions: u16,
    pub(crate) replication: u16,
    pub(crate) min_insync: u16,
    pub(crate) offsets_partitions: u16,
    pub(crate) seed: u64,
    pub(crate) creation_delay: Duration,
    pub(crate) election_delay: Duration,
    pub(crate) metadata_delay: Duration,
    pub(crate) replication_lag: Duration,
    pub(crate) isr_lag: Duration,
    pub(crate) segment_bytes: usize,
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
    pub(crate) max_answer: usize,
    pub(crate) max_log_bytes: usize,
    pub(crate) max_unsent: usize,
    pub(crate) max_topics: usize,
    pub(crate) max_offsets: usize,
    pub(crate) max_partitions_per_request: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_connections: usize,
    pub(crate) frame_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) history_entries: usize,
    pub(crate) history_bytes: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            profiles: BTreeMap::new(),
            advertised: None,
            // As `auto.create.topics.enable` and `unclean.leader.election.enable` of 0.8.
            auto_create: true,
            unclean_election: true,
            retention_bytes: None,
            topics: Vec::new(),
            data_dir: None,
            profile: Profile::V0_8_2,
            node: NodeId(1),
            brokers: 1,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            // More than Kafka's 1 of each, so that a client that knows only one partition or one broker fails in its tests.
            partitions: 2,
            replication: 3,
            min_insync: 1,
            offsets_partitions: 50,
            seed: 0,
            // Long enough to be seen, so that a client must handle a topic without a leader, and short enough for a test.
            creation_delay: Duration::from_millis(20),
            // A session of ZooKeeper takes 6 s to end, which no test wants to wait for.
            election_delay: Duration::from_millis(100),
            metadata_delay: Duration::ZERO,
            replication_lag: Duration::ZERO,
            // The following three are Kafka's own.
            isr_lag: Duration::from_secs(10),
            segment_bytes: 1 << 30,
            max_message: 1_000_012,
            // From here on the limits keep one process small. Eight times a message of the largest size is room for a batch.
            max_frame: 8 << 20,
            // Half of `max_unsent`, so that one client cannot fill it with one answer.
            max_answer: 32 << 20,
            max_log_bytes: 256 << 20,
            max_unsent: 64 << 20,
            max_topics: 10_000,
            max_offsets: 100_000,
            max_partitions_per_request: 4096,
            max_waiting: 100_000,
            max_connections: 256,
            frame_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            history_entries: 1024,
            history_bytes: 4 << 20,
        }
    }
}

impl BrokerConfig {
    /// Sets the release of one broker, for a cluster of several releases.
    #[must_use]
    pub fn with_profile_of(mut self, node: NodeId, profile: Profile) -> Self {
        self.profiles.insert(node, profile);
        self
    }

    /// Sets the address of the first broker in Metadata responses. The other brokers have the ports that follow. Default: the
    /// address at which a broker listens, or 127.0.0.1 and its port if it listens at every address.
    #[must_use]
    pub fn with_advertised(mut self, host_port: HostPort) -> Self {
        self.advertised = Some(host_port);
        self
    }

    /// Lets Metadata create no topics, as with `auto.create.topics.enable=false`. By default, Metadata creates the topics of
    /// its request, as in Kafka. [`BrokerConfig::with_topic`] still creates topics.
    #[must_use]
    pub fn without_auto_create(mut self) -> Self {
        self.auto_create = false;
        self
    }

    /// Elects no leader that is not in sync, as with `unclean.leader.election.enable=false`, so that no message that was
    /// acknowledged by all replicas is lost. By default such a replica becomes leader if no other is left, as in Kafka 0.8.
    #[must_use]
    pub fn without_unclean_election(mut self) -> Self {
        self.unclean_election = false;
        self
    }

    /// Sets the size that retention leaves of each log, in bytes, as `log.retention.bytes`: whole segments are deleted.
    /// Default: no limit for each log; see [`BrokerConfig::with_max_log_bytes`].
    #[must_use]
    pub fn with_retention_bytes(mut self, bytes: usize) -> Self {
        self.retention_bytes = Some(bytes);
        self
    }

    /// Adds a topic that exists, with leaders, when the brokers start.
    #[must_use]
    pub fn with_topic(mut self, name: impl Into<String>, partitions: u16) -> Self {
        self.topics.push((name.into(), partitions));
        self
    }

    /// Keeps logs, topics and offsets in a directory, so that a server that is started with it later has them again. Logs are in
    /// the layout of Kafka 0.8: `kafka.tools.DumpLogSegments` reads them. Created if it does not exist. With several brokers,
    /// each has a directory in it. Only one process may use it. Default: none, and everything is forgotten at the end.
    ///
    /// A message is written before its response, and survives the end of the process. Offsets in ZooKeeper are written once a
    /// second and at the end.
    #[must_use]
    pub fn with_data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// The directory of logs, topics and offsets.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// The address in Metadata responses. `None` stands for the address at which a broker listens.
    #[must_use]
    pub fn advertised(&self) -> Option<&HostPort> {
        self.advertised.as_ref()
    }

    /// Whether Metadata creates the topics of its request.
    #[must_use]
    pub fn auto_create(&self) -> bool {
        self.auto_create
    }

    /// Whether a replica that is not in sync may become leader.
    #[must_use]
    pub fn unclean_election(&self) -> bool {
        self.unclean_election
    }

    /// The size that retention leaves of each log, in bytes.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<usize> {
        self.retention_bytes
    }

    /// The topics that exist when the brokers start, and the number of their partitions.
    #[must_use]
    pub fn topics(&self) -> &[(String, u16)] {
        &self.topics
    }

    /// The release of a broker.
    #[must_use]
    pub fn profile_of(&self, node: NodeId) -> Profile {
        self.profiles.get(&node).copied().unwrap_or(self.profile)
    }

    /// The ids of the brokers, in ascending order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let first = self.node.0;
        (0..i32::from(self.brokers)).map(move |n| NodeId(first.saturating_add(n)))
    }
}
