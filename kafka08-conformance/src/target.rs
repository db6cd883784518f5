//! The broker to judge.

use std::time::Duration;

use kafka08_proto::profile::Profile;

use crate::notation::Variables;

/// A broker to judge: its address, its release, and the settings that its answers depend on.
///
/// The settings start with the defaults of the release. Give those that the broker has: a check that depends on another
/// value is skipped, and the report says why.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) address: String,
    pub(crate) release: Profile,
    pub(crate) settings: Variables,
    pub(crate) workers: usize,
    pub(crate) time_limit: Duration,
}

impl Target {
    /// A broker of this release at `host:port`, with the settings that Kafka has by default.
    #[must_use]
    pub fn new(address: impl Into<String>, release: Profile) -> Self {
        let mut settings = Variables::default();
        // KafkaConfig of each release.
        settings.set_number("message_max", 1_000_012);
        settings.set_number("request_max", 104_857_600);
        // A set larger than this would not fit into a request either, so that its checks are skipped by default.
        settings.set_number("segment_max", 1 << 30);
        // Release 0.8.0 has no such limit, and no check of it.
        settings.set_number("metadata_max", if release == Profile::V0_8_1 { 1024 } else { 4096 });
        settings.set_number("metadata_half", if release == Profile::V0_8_1 { 512 } else { 2048 });
        settings.set_number("partitions", 1);
        // Yes and no are 1 and 0, because conditions compare numbers.
        settings.set_number("auto_create", 1);
        settings.set_number("strict", 0);
        settings.set_number("brokers", 1);
        settings.set_number("fresh", 0);
        settings.set_text("client", b"c");
        settings.set_text("strict_topic", b"");
        Self { address: address.into(), release, settings, workers: 16, time_limit: Duration::from_secs(10) }
    }

    /// Sets the number of partitions of a topic that is made automatically. Default: 1, as `num.partitions` of Kafka.
    #[must_use]
    pub fn with_partitions(self, partitions: i32) -> Self {
        self.with("partitions", partitions.into())
    }

    /// Sets `message.max.bytes`, in bytes. Default: 1,000,012, as Kafka.
    #[must_use]
    pub fn with_message_max_bytes(self, bytes: i32) -> Self {
        self.with("message_max", bytes.into())
    }

    /// Sets `socket.request.max.bytes`, in bytes. Default: 104,857,600, as Kafka.
    #[must_use]
    pub fn with_request_max_bytes(self, bytes: i32) -> Self {
        self.with("request_max", bytes.into())
    }

    /// Sets `log.segment.bytes`, in bytes. Default: 1 GiB, as Kafka. The checks of sets that are larger than a segment need
    /// at most 16 MiB.
    #[must_use]
    pub fn with_segment_bytes(self, bytes: i32) -> Self {
        self.with("segment_max", bytes.into())
    }

    /// Sets `offset.metadata.max.bytes`. Default: 4096, as 0.8.2, or 1024, as 0.8.1.
    #[must_use]
    pub fn with_offset_metadata_max_bytes(self, bytes: i32) -> Self {
        // Two settings, because the notation cannot divide. A character outside of the basic plane counts as two units.
        self.with("metadata_max", bytes.into()).with("metadata_half", i64::from(bytes) / 2)
    }

    /// Names a topic of one replica whose own `min.insync.replicas` is 2 or more. Default: none, because Metadata cannot make one:
    /// the checks of it are skipped.
    #[must_use]
    pub fn with_strict_topic(mut self, name: &str) -> Self {
        self.settings.set_text("strict_topic", name.as_bytes());
        self.with("strict", 1)
    }

    /// Sets the number of brokers of the cluster. Default: 1. Most checks need a broker that leads every partition, and are
    /// skipped if there are more.
    #[must_use]
    pub fn with_brokers(self, brokers: i32) -> Self {
        self.with("brokers", brokers.into())
    }

    /// Says that the cluster has never had a topic. Some answers differ until it has one. Checks of these answers are skipped
    /// unless this is called.
    #[must_use]
    pub fn with_fresh_cluster(self) -> Self {
        self.with("fresh", 1)
    }

    /// Says that Metadata does not make topics: `auto.create.topics.enable` is false. Nearly all checks need a topic, and are
    /// skipped.
    #[must_use]
    pub fn without_auto_create(self) -> Self {
        self.with("auto_create", 0)
    }

    /// Sets how many checks run at the same time, at least 1. Default: 16. Chosen here.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Sets how long a check waits for answers, all of them together. Default: 10 s. Chosen here.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The release that the broker is judged as.
    #[must_use]
    pub fn release(&self) -> Profile {
        self.release
    }

    fn with(mut self, name: &str, value: i64) -> Self {
        self.settings.set_number(name, value);
        self
    }
}
