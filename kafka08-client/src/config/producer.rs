//! Settings of a producer.

use std::time::Duration;

use kafka08_proto::{
    api::MAX_WAIT,
    ids::{Acks, Millis},
    message::Codec,
};

use super::ClusterConfig;

/// Which failed batches a producer sends again.
///
/// Brokers of 0.8 do not recognize a batch that they already have. A policy is applied to the worst
/// [`Fate`](kafka08_proto::fate::Fate) of all attempts of a batch, not only to that of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RetryPolicy {
    /// A batch is sent once. Each record is stored at most once. A batch that is larger than a broker accepts is still
    /// sent in halves, because the broker has stored nothing of it.
    Never,
    /// A batch is sent again while it is certain that no broker has stored it. Each record is stored at most once.
    OnlyNotApplied,
    /// A batch is sent again until its delivery timeout has passed, also if a broker may have stored it. Records may be
    /// stored several times.
    #[default]
    AtLeastOnce,
}

/// Settings of a [`Producer`](crate::producer::Producer) and of its
/// [`Accumulator`](crate::accumulator::Accumulator).
///
/// ```
/// use kafka08_client::config::{ClusterConfig, ProducerConfig};
///
/// let brokers = ["broker1:9092".parse()?, "broker2:9092".parse()?];
/// let config = ProducerConfig::default().with_cluster(ClusterConfig::default().with_bootstrap(brokers));
/// assert_eq!(config.cluster().bootstrap().len(), 2);
/// # Ok::<(), kafka08_proto::ids::BadHostPort>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerConfig {
    pub(crate) cluster: ClusterConfig,
    pub(crate) acks: Acks,
    pub(crate) replica_wait: Duration,
    pub(crate) linger: Duration,
    pub(crate) batch_size: usize,
    pub(crate) buffer: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) compression: Option<Codec>,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_in_flight_per_partition: usize,
    pub(crate) max_requests_per_link: usize,
    pub(crate) max_request_size: usize,
    pub(crate) max_wait: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            cluster: ClusterConfig::default(),
            acks: Acks::ALL,
            replica_wait: Duration::from_secs(10),
            linger: Duration::from_millis(5),
            batch_size: 900 * 1024,
            buffer: 32 * 1024 * 1024,
            delivery_timeout: Duration::from_secs(120),
            compression: None,
            retry: RetryPolicy::default(),
            max_in_flight_per_partition: 1,
            max_requests_per_link: 5,
            max_request_size: 4 * 1024 * 1024,
            max_wait: Duration::from_secs(60),
        }
    }
}

impl ProducerConfig {
    /// Sets the settings of the cluster: its brokers, the timeout of a request, the back-offs. Default:
    /// [`ClusterConfig::default`], which has no brokers.
    #[must_use]
    pub fn with_cluster(mut self, cluster: ClusterConfig) -> Self {
        self.cluster = cluster;
        self
    }

    /// Sets how many replicas must have a batch before the broker answers. Default: [`Acks::ALL`], as librdkafka.
    ///
    /// With [`Acks::NONE`] brokers do not answer. Use no number above 1: a broker of 0.8.2 waits in vain for more
    /// replicas than the partition has.
    #[must_use]
    pub fn with_acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Sets how long a broker waits for replicas, if acks is neither 0 nor 1. When the time is over, the batch has
    /// failed and may still be stored. Rounded up to milliseconds, and at most 10 minutes, because brokers of 0.8.2
    /// close connections that are idle for longer. Default: 10 s, as `request.timeout.ms` of the Scala producer: two or
    /// three attempts fit into the delivery timeout.
    #[must_use]
    pub fn with_replica_wait(mut self, wait: Duration) -> Self {
        self.replica_wait = wait.min(MAX_WAIT.to_duration());
        self
    }

    /// Sets how long a batch waits for more records before it is sent. A batch that is full, or that is being flushed,
    /// does not wait. Zero sends each batch as soon as its partition has no other batch in flight. Default: 5 ms, as
    /// `linger.ms` of librdkafka.
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Sets the size in bytes at which a batch is full, before compression. A record that is larger gets a batch of its
    /// own. At least 1. Default: 900 KiB. Chosen here: it is below `message.max.bytes` of brokers, 1,000,012, which
    /// also limits a compressed batch.
    #[must_use]
    pub fn with_batch_size(mut self, bytes: usize) -> Self {
        self.batch_size = bytes.max(1);
        self
    }

    /// Sets how many bytes of records are held at most: in open batches, in batches that wait, and in batches in
    /// flight. Partitions that cannot be sent to at the moment get half of it together. Default: 32 MiB, as
    /// `buffer.memory` of the Java producer.
    #[must_use]
    pub fn with_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Sets the time after which a batch fails, from the time at which it was opened. A batch that is being sent at
    /// this time fails, and may still be stored. Default: 120 s, as `delivery.timeout.ms` of the Java producer.
    #[must_use]
    pub fn with_delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Sets the codec of batches. A batch that compression does not make smaller is sent uncompressed. Message sets
    /// that were appended as sets are sent as they are. Default: none, as all clients of Kafka.
    ///
    /// Brokers before 0.8.2 do not know lz4. Log compaction of 0.8 fails on compressed batches.
    #[must_use]
    pub fn with_compression(mut self, codec: Option<Codec>) -> Self {
        self.compression = codec;
        self
    }

    /// Sets which failed batches are sent again. Default: [`RetryPolicy::AtLeastOnce`], as the clients of 0.8.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many batches of one partition may be in flight at the same time. At least 1. Default: 1. Chosen here,
    /// so that retries keep the order of records: with more, a batch that is sent again is stored behind a later one.
    #[must_use]
    pub fn with_max_in_flight_per_partition(mut self, batches: usize) -> Self {
        self.max_in_flight_per_partition = batches.max(1);
        self
    }

    /// Sets how many requests may be unanswered on one connection. They are for different partitions. At least 1.
    /// Default: 5, as `max.in.flight.requests.per.connection` of the Java producer.
    #[must_use]
    pub fn with_max_requests_per_link(mut self, requests: usize) -> Self {
        self.max_requests_per_link = requests.max(1);
        self
    }

    /// Sets the size in bytes of the batches that one request has together. A single batch that is larger is sent
    /// alone; a single record that is larger is refused. Default: 4 MiB. Chosen here: brokers accept 100 MiB, and
    /// smaller requests let several partitions make progress over a slow connection.
    #[must_use]
    pub fn with_max_request_size(mut self, bytes: usize) -> Self {
        self.max_request_size = bytes.max(1);
        self
    }

    /// Sets how long a handle waits for a topic whose partitions are not known, from the call on. An accumulator itself
    /// does not wait. Default: 60 s, as `max.block.ms` of the Java producer.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How long a handle waits for a topic.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// The settings of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterConfig {
        &self.cluster
    }

    /// How many replicas must have a batch before the broker answers.
    #[must_use]
    pub fn acks(&self) -> Acks {
        self.acks
    }

    /// How long a broker waits for replicas.
    #[must_use]
    pub fn replica_wait(&self) -> Duration {
        self.replica_wait
    }

    /// How long a batch waits for more records.
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger
    }

    /// The size in bytes at which a batch is full.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// How many bytes of records are held at most.
    #[must_use]
    pub fn buffer(&self) -> usize {
        self.buffer
    }

    /// The time from the opening of a batch after which it fails.
    #[must_use]
    pub fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
    }

    /// The codec of batches.
    #[must_use]
    pub fn compression(&self) -> Option<Codec> {
        self.compression
    }

    /// Which failed batches are sent again.
    #[must_use]
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// How many batches of one partition may be in flight.
    #[must_use]
    pub fn max_in_flight_per_partition(&self) -> usize {
        self.max_in_flight_per_partition
    }

    /// How many requests may be unanswered on one connection.
    #[must_use]
    pub fn max_requests_per_link(&self) -> usize {
        self.max_requests_per_link
    }

    /// The size in bytes of the batches that one request has together.
    #[must_use]
    pub fn max_request_size(&self) -> usize {
        self.max_request_size
    }

    /// The wait for replicas, as it is encoded.
    pub(crate) fn replica_wait_millis(&self) -> Millis {
        Millis::try_from(self.replica_wait).unwrap_or(MAX_WAIT)
    }

    /// The size in bytes of the largest entry that can be sent.
    pub(crate) fn max_entry(&self) -> usize {
        let message = self.cluster.client.limits().max_message.unwrap_or(usize::MAX);
        self.buffer.min(self.max_request_size).min(message)
    }
}
