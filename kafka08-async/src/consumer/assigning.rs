//! What is read.

use std::future::poll_fn;

use kafka08_client::{
    assignment::Wake,
    config::{EndAt, StartAt},
};
use kafka08_proto::{
    ids::{Offset, PartitionId, Text, TopicPartition},
    message::MessageError,
};

use super::{
    AssignError, Consumer,
    shared::{Desk, Shared},
};
use crate::Runtime;

impl<Rt: Runtime> Consumer<Rt> {
    /// Reads all partitions of a topic, from `start` to `end`, and waits until they are known. Returns those that are read because of
    /// this. If the topic is assigned already, the partitions that were found through it begin anew.
    ///
    /// A partition that appears later is read too, from its first message, or from what the group of a [`StartAt::Committed`] has
    /// committed there. It is found within
    /// [`ClusterConfig::with_metadata_max_age`](kafka08_client::config::ClusterConfig::with_metadata_max_age), and told by
    /// [`ConsumerEvent::Assigned`](kafka08_client::consumer::ConsumerEvent::Assigned). What was said of a partition by name stays.
    ///
    /// The call ends within [`ClusterConfig::with_call_timeout`](kafka08_client::config::ClusterConfig::with_call_timeout), and after
    /// five seconds if brokers answer that there is no such topic. Reading creates none.
    ///
    /// # Errors
    /// The partitions are still not known, no broker accepts the name, another caller has said what is to be read of the topic, or the
    /// consumer was closed. This call assigns nothing then.
    ///
    /// # Cancel safety
    /// The topic stays assigned if this future is dropped after it was polled.
    pub async fn assign_topic(
        &self,
        topic: impl Into<Text>,
        start: StartAt,
        end: EndAt,
    ) -> Result<Vec<PartitionId>, AssignError> {
        let (shared, topic) = (&**self.shared(), topic.into());
        let (now, limit) = (Rt::now(), self.config().cluster().call_timeout());
        let number = shared.command(|desk, news| {
            if desk.is_closed() {
                return Err(AssignError::Closed);
            }
            let wake = desk.assignment.assign_topic(topic.clone(), start, end);
            let wake = wake.map_err(|problem| AssignError::Name { topic: topic.to_string(), problem })?;
            desk.change(news, |_| wake);
            desk.failures.forget_unassigned(&desk.assignment);
            desk.listings.replace(&topic, news);
            // Under the same lock: the task cannot find the partitions before somebody waits for them.
            Ok(desk.listings.begin(topic, now, limit))
        })?;
        let listing = Listing { shared, number };
        poll_fn(|cx| listing.shared.command(|desk, news| desk.listings.poll(listing.number, cx, news))).await
    }
}

/// A wait for the partitions of a topic.
struct Listing<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        self.shared.command(|desk, news| desk.listings.forget(self.number, news));
    }
}

impl<Rt> Consumer<Rt> {
    /// Reads a partition, from `start` to `end`. If it is read already, it begins anew, and what has come of it is dropped.
    ///
    /// The start is looked up in the background, and told by
    /// [`ConsumerEvent::Started`](kafka08_client::consumer::ConsumerEvent::Started). A partition that does not exist is looked for
    /// again and again, and told by [`ConsumerEvent::Stalled`](kafka08_client::consumer::ConsumerEvent::Stalled).
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
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, news| {
            if desk.is_closed() {
                return Err(AssignError::Closed);
            }
            let topic = of.topic.to_string();
            let wake = desk.assignment.assign(of.clone(), start, end);
            let wake = wake.map_err(|problem| AssignError::Name { topic, problem })?;
            desk.failures.forget(&of);
            desk.change(news, |_| wake);
            Ok(())
        })
    }

    /// Reads a topic no longer, nor the partitions that were found through it. Those that were assigned by name stay. What has come
    /// and was not taken is dropped, and what has passed and was not committed is forgotten: commit before.
    pub fn unassign_topic(&self, topic: &str) {
        self.shared().command(|desk, news| {
            desk.change(news, |assignment| assignment.unassign_topic(topic));
            desk.failures.forget_unassigned(&desk.assignment);
            desk.listings.replace(topic, news);
        });
    }

    /// Reads a partition no longer. What has come of it is dropped, and what has passed and was not committed is forgotten: commit
    /// before. Returns whether it was read.
    pub fn unassign(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, news| {
            let wake = desk.assignment.unassign(&of);
            desk.failures.forget_unassigned(&desk.assignment);
            desk.change(news, |_| wake);
            wake == Wake::Yes
        })
    }

    /// Goes on at another place. What has come of the partition is dropped, and nothing older is taken after this, no failure
    /// either. What has passed and was not committed is forgotten: commit before. Returns whether the partition is read: otherwise
    /// this does nothing.
    pub fn seek(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>, to: StartAt) -> bool {
        self.change_read(topic, partition, |desk, of| {
            desk.failures.forget(of);
            desk.assignment.seek(of, to)
        })
    }

    /// Delivers nothing of a partition until [`Consumer::resume`], and fetches nothing more. What has come is kept. Returns whether
    /// the partition is read.
    pub fn pause(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        self.change_read(topic, partition, |desk, of| desk.assignment.pause(of))
    }

    /// Goes on with a partition that was paused. Returns whether the partition is read.
    pub fn resume(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> bool {
        self.change_read(topic, partition, |desk, of| desk.assignment.resume(of))
    }

    /// Changes a partition, if it is read. Returns whether it is.
    fn change_read(
        &self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
        change: impl FnOnce(&mut Desk, &TopicPartition) -> Wake,
    ) -> bool {
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, news| {
            let is_read = desk.assignment.is_assigned(&of);
            if is_read && change(desk, &of) == Wake::Yes {
                news.call();
            }
            is_read
        })
    }

    /// The offset that the next set of a partition begins with. `None` if it is not read, or its start is not known yet.
    #[must_use]
    pub fn position(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Option<Offset> {
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, _| desk.assignment.position(&of))
    }

    /// How many offsets the position is behind the high watermark, as it was last told. Log compaction leaves gaps, so there
    /// may be fewer messages. `None` if one of the two is not known.
    #[must_use]
    pub fn lag(&self, topic: impl Into<Text>, partition: impl Into<PartitionId>) -> Option<u64> {
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, _| desk.assignment.lag(&of))
    }

    /// The error at which a caller has stopped, if the partition is read no further because of it, and the offset to seek to, to leave the
    /// entry out.
    #[must_use]
    pub fn halted_at(
        &self,
        topic: impl Into<Text>,
        partition: impl Into<PartitionId>,
    ) -> Option<(MessageError, Offset)> {
        let of = TopicPartition::new(topic, partition);
        self.shared().command(|desk, _| desk.assignment.halted_at(&of))
    }

    /// The partitions that are read.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.shared().command(|desk, _| desk.assignment.partitions().cloned().collect())
    }

    /// Whether nothing will come any more: each partition has reached its end, has failed, or has halted. True before anything is
    /// assigned. A failure may still have to be told by [`Consumer::next`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared().command(|desk, _| desk.assignment.is_finished())
    }
}
