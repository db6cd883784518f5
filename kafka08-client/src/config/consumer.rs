//! Where a consumer starts, where it ends, and what it does with messages that it cannot read.

use std::time::Duration;

use kafka08_proto::{
    api::MAX_WAIT,
    ids::{Offset, Text, Timestamp},
};

use super::ClusterConfig;

/// Where a partition is read from.
///
/// The offset is looked up once, and told with its event. Before that, messages that come in behind [`StartAt::Latest`] are in
/// front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first offset of the log.
    Earliest,
    /// The end of the log: only messages that are written from now on.
    Latest,
    /// This offset. If the log does not have it, [`Reset`] decides.
    Offset(Offset),
    /// At or before this time. Brokers of 0.8 compare it with the times at which segments of the log were last written, so it may
    /// be far before. If the log begins later, it is read from its beginning.
    Time(Timestamp),
    /// What a group has committed.
    Committed {
        /// The group.
        group: Text,
        /// Where it has committed.
        store: OffsetStore,
        /// What to do if it has committed nothing.
        otherwise: Reset,
    },
    /// What a group has committed, in Kafka or in ZooKeeper: the larger of the two offsets. For groups on their way from one store
    /// to the other, as with `dual.commit.enabled` of the 0.8.2 consumer. Commit to both meanwhile, with one commit for each store.
    ///
    /// Both stores have to answer. An error in one of them is waited out, and is never taken for "nothing". If one store has
    /// nothing, the other one's offset counts. In a cluster whose brokers are all older than 0.8.2, groups can have no offsets in
    /// Kafka, so those in ZooKeeper count alone. Brokers before 0.8.1 have neither, which fails.
    LargerCommitted {
        /// The group.
        group: Text,
        /// What to do if it has committed nothing in either store.
        otherwise: Reset,
    },
}

/// Where reading a partition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EndAt {
    /// It goes on with what will be written.
    #[default]
    Never,
    /// In front of this offset.
    Offset(Offset),
    /// In front of the high watermark, as it is when the start is looked up: what was in the log at that time.
    HighWatermark,
}

/// What to do if there is no offset to go on from: the log does not have it any more, or nothing was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Reset {
    /// Read from the first offset of the log.
    Earliest,
    /// Read from the end of the log.
    Latest,
    /// Stop reading the partition, and tell so.
    #[default]
    Fail,
}

/// Where groups commit their offsets. The two do not know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OffsetStore {
    /// Kafka: version 1, at the coordinator of the group. Since 0.8.2.
    Kafka,
    /// ZooKeeper: version 0, through any broker. Since 0.8.1.
    ZooKeeper,
}

/// What a reader does at a message that cannot be read: damaged, compressed with an unknown codec, of a later format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CorruptPolicy {
    /// It stops there. The partition is read no further until somebody seeks.
    #[default]
    Stop,
    /// It goes on behind the message.
    Skip,
}

/// Settings of a [`Consumer`](crate::consumer::Consumer) and of its [`Assignment`](crate::assignment::Assignment).
///
/// ```
/// use kafka08_client::config::{ClusterConfig, ConsumerConfig, Reset};
///
/// let brokers = ["broker1:9092".parse()?, "broker2:9092".parse()?];
/// let cluster = ClusterConfig::default().with_bootstrap(brokers);
/// let config = ConsumerConfig::default().with_cluster(cluster).with_reset(Reset::Earliest);
/// assert_eq!(config.reset(), Reset::Earliest);
/// # Ok::<(), kafka08_proto::ids::BadHostPort>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerConfig {
    pub(crate) cluster: ClusterConfig,
    pub(crate) max_wait: Duration,
    pub(crate) partition_bytes: usize,
    pub(crate) room: usize,
    pub(crate) reset: Reset,
    pub(crate) corrupt: CorruptPolicy,
    pub(crate) stall_after: Duration,
    pub(crate) interval_commit: Option<IntervalCommit>,
}

/// What is committed every so often.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntervalCommit {
    /// The group.
    pub group: Text,
    /// Where it commits.
    pub store: OffsetStore,
    /// The time from one commit to the next.
    pub every: Duration,
}

/// The shortest time between two commits. Each looks at all partitions.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            cluster: ClusterConfig::default(),
            max_wait: Duration::from_millis(500),
            partition_bytes: 1024 * 1024,
            room: 64 * 1024 * 1024,
            reset: Reset::default(),
            corrupt: CorruptPolicy::default(),
            stall_after: Duration::from_secs(30),
            interval_commit: None,
        }
    }
}

impl ConsumerConfig {
    /// Sets the settings of the cluster: its brokers, the timeout of a request, the back-offs, the limits. Default:
    /// [`ClusterConfig::default`], which has no brokers.
    #[must_use]
    pub fn with_cluster(mut self, cluster: ClusterConfig) -> Self {
        self.cluster = cluster;
        self
    }

    /// Sets how long a broker may wait for messages before it answers that there are none. Brokers before 0.8.2 also wait with
    /// errors, so they get at most 100 ms, as `fetch.wait.max.ms` of the Scala consumer. Default: 500 ms, as
    /// `fetch.wait.max.ms` of librdkafka.
    #[must_use]
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait.min(MAX_WAIT.to_duration());
        self
    }

    /// Sets how many bytes of one partition one fetch asks for at most. For a message that is larger, as many as it has. At least 4 KiB.
    /// Default: 1 MiB, as `max.partition.fetch.bytes` of the Java consumer.
    #[must_use]
    pub fn with_partition_bytes(mut self, bytes: usize) -> Self {
        self.partition_bytes = bytes.max(4096);
        self
    }

    /// Sets how many bytes may have come or be on their way that nobody has taken. It is divided among the brokers, and each has
    /// at least 8 KiB for each of its partitions. Half of it is divided among the partitions, so that none stops the others. One
    /// message that is larger may exceed it, of each broker and of each partition that is paused with such a message. Default:
    /// 64 MiB, as `queued.max.messages.kbytes` of librdkafka.
    #[must_use]
    pub fn with_room(mut self, bytes: usize) -> Self {
        self.room = bytes;
        self
    }

    /// Sets what to do if a log does not have the offset that a partition is to be read from. Default: [`Reset::Fail`]. Chosen
    /// here: every other choice skips or repeats messages.
    #[must_use]
    pub fn with_reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// Sets what a reader does at a message that cannot be read. Default: [`CorruptPolicy::Stop`].
    #[must_use]
    pub fn with_corrupt(mut self, policy: CorruptPolicy) -> Self {
        self.corrupt = policy;
        self
    }

    /// Sets after what time without an answer a partition is told as
    /// [`ConsumerEvent::Stalled`](crate::consumer::ConsumerEvent::Stalled). Reading goes on by itself. Default: 30 s.
    #[must_use]
    pub fn with_stall_after(mut self, time: Duration) -> Self {
        self.stall_after = time;
        self
    }

    /// Has what has passed committed every so often, at least 10 ms apart. Default: never, so callers commit. `auto.commit.enable` of
    /// the Scala consumer is on, with 60 s.
    ///
    /// What a caller has passed without a gap is committed, and never more. Callers note it when they finish or drop a set, or by
    /// `tell_passed` in the middle of it. So after a crash, a set that was begun is done again as a whole, and later sets of its
    /// partition with it, even if other callers have finished these. `with_partition_bytes` bounds the size of a set.
    ///
    /// Partitions that have come no further since the last commit that was stored are left out for an hour. Then the same offset is
    /// stored again, because brokers of 0.8.2 forget it after a day. What was not stored is told as
    /// [`ConsumerEvent::NotCommitted`](crate::consumer::ConsumerEvent::NotCommitted), and tried again at the next interval. A
    /// consumer that is closed in good order commits a last time, see
    /// [`Consumer::close_by`](crate::consumer::Consumer::close_by). A partition that is unassigned is not: commit before.
    #[must_use]
    pub fn with_interval_commit(mut self, group: impl Into<Text>, store: OffsetStore, every: Duration) -> Self {
        self.interval_commit = Some(IntervalCommit { group: group.into(), store, every: every.max(SHORTEST_INTERVAL) });
        self
    }

    /// What is committed every so often, if anything is.
    #[must_use]
    pub fn interval_commit(&self) -> Option<&IntervalCommit> {
        self.interval_commit.as_ref()
    }

    /// The settings of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterConfig {
        &self.cluster
    }

    /// How long a broker may wait for messages.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// How many bytes of one partition one fetch asks for at most.
    #[must_use]
    pub fn partition_bytes(&self) -> usize {
        self.partition_bytes
    }

    /// How many bytes may have come or be on their way that nobody has taken.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// What to do if a log does not have an offset.
    #[must_use]
    pub fn reset(&self) -> Reset {
        self.reset
    }

    /// What a reader does at a message that cannot be read.
    #[must_use]
    pub fn corrupt(&self) -> CorruptPolicy {
        self.corrupt
    }

    /// After what time without an answer a partition is told as stalled.
    #[must_use]
    pub fn stall_after(&self) -> Duration {
        self.stall_after
    }

    /// The most bytes of messages that one response can have: the limit of a frame, less what is around them.
    pub(crate) fn max_fetch(&self) -> usize {
        let frame = self.cluster.client.limits().max_frame;
        frame.saturating_sub((frame / 2).min(64 * 1024)).min(1 << 30)
    }
}
