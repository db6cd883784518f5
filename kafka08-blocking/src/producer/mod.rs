//! The producer for many threads.

mod delivery;

use std::{fmt, time::Duration};

use kafka08_async::{
    AppendError, BootstrapError, Partitioner, ProducerConfig, ProducerStats, Record, SendError, SendSetError,
    Undelivered,
    proto::{ids::PartitionId, message::MessageSet},
};

pub use delivery::Delivery;

use crate::threads::{Threads, block_on};

/// Sends records to the leaders of their partitions, for any number of threads. Cloning returns another handle of the same
/// producer, and is cheap.
///
/// [`Producer::send`] copies a record into the batch of its partition and returns a [`Delivery`], which ends with the record's
/// offset, or with the reason why it was not stored. A thread of the producer's own sends the batches.
///
/// *Back-pressure and order* are those of [`kafka08_async::Producer`]: while the buffer is full, [`Producer::send`] blocks.
///
/// *Ends.* Each record ends once: by its delivery, whether somebody waits for it or not, and in the counts of
/// [`Producer::flush`]. When the last handle is dropped, the producer closes in the background: what was appended is still sent,
/// within [`ProducerConfig::with_delivery_timeout`]. Dropping never blocks. Call [`Producer::close`] to know that everything has
/// ended before the program does.
///
/// ```
/// use std::time::Duration;
///
/// use kafka08_blocking::{Producer, ProducerConfig, Record, proto::ids::Acks};
/// # use kafka08_broker::{BrokerConfig, Server};
/// # let server = Server::start(BrokerConfig::default().with_brokers(3))?;
/// # let broker = server.host_port();
///
/// let producer = Producer::connect([broker], ProducerConfig::default().with_acks(Acks::LEADER))?;
/// let delivery = producer.send(Record::to("access-log").key("session-7").value("GET /"))?;
/// let at = delivery.wait()?;
/// println!("{} at {:?}", at.to, at.offset);
/// producer.close(Duration::from_secs(10))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Producer {
    producer: kafka08_async::Producer<Threads>,
}

impl Producer {
    /// Connects to a cluster, of which some brokers are given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and starts the
    /// producer's thread. The list replaces the brokers of the settings.
    ///
    /// *Time*: at most
    /// [`ClusterConfig::with_connect_timeout`](kafka08_async::ClusterConfig::with_connect_timeout). One broker that answers is
    /// enough, and the others of the cluster are found through it.
    ///
    /// # Errors
    /// No broker answers. The error lists what happened at each address. Or the list is empty, or an entry is not a host and a
    /// port.
    pub fn connect<B: AsRef<str>>(
        brokers: impl IntoIterator<Item = B>,
        config: ProducerConfig,
    ) -> Result<Self, BootstrapError> {
        // The time limit is kept by the producer's thread, so this thread needs no timer and can be parked.
        Ok(Self { producer: block_on(kafka08_async::Producer::connect(brokers, config))? })
    }

    /// [`Producer::connect`] with another partitioner. A function of [`Partitioner::Custom`] runs while the producer is locked,
    /// so it must not use the producer.
    ///
    /// # Errors
    /// As [`Producer::connect`].
    pub fn connect_with<B: AsRef<str>>(
        brokers: impl IntoIterator<Item = B>,
        config: ProducerConfig,
        partitioner: Partitioner,
    ) -> Result<Self, BootstrapError> {
        Ok(Self { producer: block_on(kafka08_async::Producer::connect_with(brokers, config, partitioner))? })
    }

    /// Appends a record to the batch of its partition. Its bytes are copied. It is sent when the batch is full, or has waited for
    /// [`ProducerConfig::with_linger`], or is flushed.
    ///
    /// *Time.* If the topic is not known yet, the call waits until a broker has listed its partitions, at most
    /// [`ProducerConfig::with_max_wait`]. If the buffer is full, it waits for room, which comes when batches end.
    ///
    /// # Errors
    /// The record was refused, the topic is still not known, or the producer was closed. Nothing was appended.
    pub fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        // Usually there is room, and nothing has to be set up for waiting.
        match self.producer.try_send(record) {
            Err(SendError::Refused(AppendError::Full { .. } | AppendError::UnknownTopic { .. })) => {
                block_on(self.producer.send(record)).map(Delivery)
            }
            sent => sent.map(Delivery),
        }
    }

    /// [`Producer::send`] without waiting.
    ///
    /// # Errors
    /// As [`Producer::send`]. [`AppendError::Full`](kafka08_async::AppendError::Full) and
    /// [`AppendError::UnknownTopic`](kafka08_async::AppendError::UnknownTopic) may pass.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        self.producer.try_send(record).map(Delivery)
    }

    /// Appends a message set as a batch of its own, behind all records of its partition. The set is sent as it is, and is not
    /// copied. This serves mirrors, which pass on what they have fetched. It waits as [`Producer::send`].
    ///
    /// The delivery ends when all of the set has ended. Its offset is that of the first message.
    ///
    /// # Errors
    /// As [`Producer::send`]; also, a broker would refuse the set, or would lose a part of it. The error returns the set.
    pub fn send_set(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
        set: MessageSet,
    ) -> Result<Delivery, SendSetError> {
        block_on(self.producer.send_set(topic, partition, set)).map(Delivery)
    }

    /// [`Producer::send_set`] without waiting.
    ///
    /// # Errors
    /// As [`Producer::send_set`]. The same errors may pass as of [`Producer::try_send`].
    pub fn try_send_set(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
        set: MessageSet,
    ) -> Result<Delivery, SendSetError> {
        self.producer.try_send_set(topic, partition, set).map(Delivery)
    }

    /// Sends all open batches now, and waits until every record that was appended before has ended. Records that wait for room or
    /// for a topic are not appended yet.
    ///
    /// *Time*: at most [`ProducerConfig::with_delivery_timeout`] and the time of one request. With acks 0, it also asks the
    /// brokers whether they have received everything.
    ///
    /// # Errors
    /// Records have failed since the last flush, or are unconfirmed. The error counts them.
    pub fn flush(&self) -> Result<(), Undelivered> {
        block_on(self.producer.flush())
    }

    /// Takes no more records, sends what was appended, and waits until everything has ended and all connections are closed, for
    /// all handles. What is left when `within` is over ends as [`ProduceCause::Aborted`](kafka08_async::ProduceCause::Aborted).
    ///
    /// # Errors
    /// Records have failed since the last flush, or are unconfirmed. The error counts them.
    pub fn close(&self, within: Duration) -> Result<(), Undelivered> {
        block_on(self.producer.close(within))
    }

    /// Whether the producer takes no more records: it was closed, or its thread has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.producer.is_closed()
    }

    /// What the producer has done and holds, as of the last turn of its thread.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.producer.stats()
    }

    /// The bytes of records that are held: in open batches, in batches that wait, and in batches in flight.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.producer.buffered()
    }

    /// The producer's settings.
    #[must_use]
    pub fn config(&self) -> &ProducerConfig {
        self.producer.config()
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.producer.fmt(f)
    }
}
