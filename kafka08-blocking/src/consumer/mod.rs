//! The consumer for many threads.

mod iterating;

use std::{fmt, time::Duration};

use kafka08_async::{
    AssignError, AssignmentStats, BootstrapError, CommitError, ConsumeError, ConsumerConfig, ConsumerEvent,
    ConsumerStats, EndAt, Messages, OffsetStore, StartAt,
    proto::{
        ids::{Offset, PartitionId, Text, TopicPartition},
        message::MessageError,
    },
};

pub use iterating::{MessageIter, SetIter};

use crate::threads::{Threads, block_on, block_on_within};

/// Reads partitions from their leaders, for any number of threads. Cloning returns another handle of the same consumer, and is
/// cheap.
///
/// [`Consumer::next`] returns what has come of the next partition, undecoded. Its messages are decoded where they are used, by
/// [`Messages::next_message`]. A thread of the consumer's own fetches ahead, and follows leaders.
///
/// All that the documentation of [`kafka08_async::Consumer`] says of several tasks, of what has passed, of epochs, memory and ends
/// holds here, with threads instead of tasks.
///
/// ```
/// use kafka08_blocking::{Consumer, ConsumerConfig, EndAt, OffsetStore, StartAt};
/// # use kafka08_broker::{BrokerConfig, Server};
/// # let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("access-log", 3))?;
/// # let broker = server.host_port();
///
/// let consumer = Consumer::connect([broker], ConsumerConfig::default())?;
/// consumer.assign("access-log", 0, StartAt::Earliest, EndAt::HighWatermark)?;
/// while let Some(mut messages) = consumer.next()? {
///     while let Some(message) = messages.next_message() {
///         println!("{:?}", message?.value);
///     }
///     consumer.commit("reports", OffsetStore::Kafka)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Consumer {
    consumer: kafka08_async::Consumer<Threads>,
}

impl Consumer {
    /// Connects to a cluster, of which some brokers are given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and starts the
    /// consumer's thread. The list replaces the brokers of the settings.
    ///
    /// *Time*: at most [`ClusterConfig::with_connect_timeout`](kafka08_async::ClusterConfig::with_connect_timeout).
    ///
    /// # Errors
    /// No broker answers. The error lists what happened at each address. Or the list is empty, or an entry is not a host and a
    /// port.
    pub fn connect<B: AsRef<str>>(
        brokers: impl IntoIterator<Item = B>,
        config: ConsumerConfig,
    ) -> Result<Self, BootstrapError> {
        // The time limit is kept by the consumer's thread, so this thread needs no timer and can be parked.
        Ok(Self { consumer: block_on(kafka08_async::Consumer::connect(brokers, config))? })
    }

    /// Reads a partition, from `start` to `end`. If it is read already, it begins anew, and what has come of it is dropped. The start
    /// is looked up in the background. A partition that does not exist is looked for again and again, and told by
    /// [`ConsumerEvent::Stalled`](kafka08_async::ConsumerEvent::Stalled).
    ///
    /// # Errors
    /// No broker accepts the name of the topic, or the consumer was closed.
    pub fn assign(
        &self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
        start: StartAt,
        end: EndAt,
    ) -> Result<(), AssignError> {
        self.consumer.assign(topic, partition, start, end)
    }

    /// Reads all partitions of a topic, from `start` to `end`, and waits until they are known. Returns those that are read because of
    /// this. A partition that appears later is read too: see [`kafka08_async::Consumer::assign_topic`].
    ///
    /// *Time*: at most [`ClusterConfig::with_call_timeout`](kafka08_async::ClusterConfig::with_call_timeout), and five seconds if
    /// brokers answer that there is no such topic. Reading creates none.
    ///
    /// # Errors
    /// The partitions are still not known, no broker accepts the name, another caller counts, or the consumer was closed.
    pub fn assign_topic(
        &self,
        topic: impl Into<Text>,
        start: StartAt,
        end: EndAt,
    ) -> Result<Vec<PartitionId>, AssignError> {
        // The time limit is kept by the consumer's thread, as in `connect`.
        block_on(self.consumer.assign_topic(topic, start, end))
    }

    /// Reads a topic no longer, except partitions that were assigned by name. What has passed uncommitted is forgotten: commit before.
    pub fn unassign_topic(&self, topic: &str) {
        self.consumer.unassign_topic(topic);
    }

    /// Reads a partition no longer. What has come of it and what has passed is dropped: commit before. Returns whether it was read.
    pub fn unassign(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        self.consumer.unassign(topic, partition)
    }

    /// Goes on at another place. What has come of the partition is dropped, and what has passed uncommitted is forgotten: commit
    /// before. Nothing older is taken after this. Returns whether the partition is read: otherwise this does nothing.
    pub fn seek(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>, to: StartAt) -> bool {
        self.consumer.seek(topic, partition, to)
    }

    /// Delivers and fetches nothing of a partition until [`Consumer::resume`]. What has come is kept. Returns whether it is read.
    pub fn pause(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        self.consumer.pause(topic, partition)
    }

    /// Goes on with a partition that was paused. Returns whether the partition is read.
    pub fn resume(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        self.consumer.resume(topic, partition)
    }

    /// The offset that the next set of a partition begins with. `None` if it is not read, or its start is not known yet.
    #[must_use]
    pub fn position(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Option<Offset> {
        self.consumer.position(topic, partition)
    }

    /// How many offsets the position is behind the high watermark, as it was last told. `None` if one of the two is not known.
    #[must_use]
    pub fn lag(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Option<u64> {
        self.consumer.lag(topic, partition)
    }

    /// The error at which a caller has stopped, if the partition is read no further because of it, and the offset to seek to, to leave the
    /// entry out.
    #[must_use]
    pub fn halted_at(
        &self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
    ) -> Option<(MessageError, Offset)> {
        self.consumer.halted_at(topic, partition)
    }

    /// The partitions that are read.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.consumer.partitions()
    }

    /// Whether nothing will come any more: each partition has reached its end, has failed, or has halted.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.consumer.is_finished()
    }

    /// Waits for the next set of messages: of the partition whose turn it is, the oldest one. `None` if nothing will come: each
    /// partition has reached its end, has failed or has halted, nothing is assigned yet, or the consumer was closed.
    ///
    /// # Errors
    /// A partition is read no further, which is told once, to one caller. The others go on: call again. Or the consumer's thread is
    /// gone.
    pub fn next(&self) -> Result<Option<Messages>, ConsumeError> {
        block_on(self.consumer.next())
    }

    /// [`Consumer::next`], for a time: also `None` if nothing has come in it. Then [`Consumer::is_finished`] and
    /// [`Consumer::is_closed`] return false.
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub fn next_within(&self, within: Duration) -> Result<Option<Messages>, ConsumeError> {
        block_on_within(self.consumer.next(), within).unwrap_or(Ok(None))
    }

    /// Waits for what else there is to tell: starts, resets, ends, stalls, errors at which callers have stopped. `None` after the
    /// end of the consumer.
    ///
    /// Each goes to one caller. Of those that nobody takes, the latest 1,024 are kept: see [`Consumer::lost_events`].
    pub fn next_event(&self) -> Option<ConsumerEvent> {
        block_on(self.consumer.next_event())
    }

    /// [`Consumer::next_event`], for a time: also `None` if nothing was told in it.
    pub fn next_event_within(&self, within: Duration) -> Option<ConsumerEvent> {
        block_on_within(self.consumer.next_event(), within).flatten()
    }

    /// The next event, without waiting.
    #[must_use]
    pub fn try_next_event(&self) -> Option<ConsumerEvent> {
        self.consumer.try_next_event()
    }

    /// How many events have gone because nobody has taken them.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.consumer.lost_events()
    }

    /// The offsets up to which everything has passed, of the partitions of which something has.
    #[must_use]
    pub fn committable(&self) -> Vec<(TopicPartition, Offset)> {
        self.consumer.committable()
    }

    /// Commits what has passed, as [`Consumer::committable`] is now. The two stores do not know of each other.
    ///
    /// *Time*: [`ClusterConfig::with_call_timeout`](kafka08_async::ClusterConfig::with_call_timeout), after the one of the group that
    /// is in flight. A commit that a broker refuses for a time is sent again.
    ///
    /// # Errors
    /// The offsets of some partitions were not stored, or perhaps not. The error lists them. The others were.
    pub fn commit(&self, group: impl Into<Text>, store: OffsetStore) -> Result<(), CommitError> {
        block_on(self.consumer.commit(group, store))
    }

    /// Commits offsets by name, also of partitions that are not read here. Each is that of the next message to read. See
    /// [`Consumer::commit`].
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub fn commit_offsets(
        &self,
        group: impl Into<Text>,
        store: OffsetStore,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<(), CommitError> {
        block_on(self.consumer.commit_offsets(group, store, offsets))
    }

    /// Reads no more, for all handles, waits for the commits that were asked for and the last one of
    /// [`ConsumerConfig::with_interval_commit`](kafka08_async::ConsumerConfig::with_interval_commit), and ends when all connections are
    /// closed. What has not ended when `within` is over fails. A second call can only shorten the time.
    ///
    /// # Errors
    /// The last commit has not stored some offsets, or perhaps not. Commits that callers wait for tell their own failures.
    pub fn close(&self, within: Duration) -> Result<(), CommitError> {
        // Its thread goes on for as long as it may take, also if this one is not there any more.
        block_on(self.consumer.close(within))
    }

    /// Whether the consumer reads nothing more: it was closed, or its thread has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.consumer.is_closed()
    }

    /// What the consumer has done, as of the last turn of its thread.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        self.consumer.stats()
    }

    /// What is assigned, how far it is behind, and what waits to be taken. Looks at each partition.
    #[must_use]
    pub fn assignment_stats(&self) -> AssignmentStats {
        self.consumer.assignment_stats()
    }

    /// The consumer's settings.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        self.consumer.config()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consumer.fmt(f)
    }
}
