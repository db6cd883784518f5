//! How records are appended.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use kafka08_client::{accumulator::AppendError, record::Record};
use kafka08_proto::{
    ids::{PartitionId, Text, TopicPartition},
    message::MessageSet,
};

use super::{
    Delivery, Producer, SendError, SendSetError,
    line::{Number, Pinned},
    shared::{Append, Patience, Shared},
};
use crate::Runtime;

impl<Rt: Runtime> Producer<Rt> {
    /// Appends a record to the batch of its partition. Its bytes are copied. It is sent when the batch is full, or has
    /// waited for [`ProducerConfig::with_linger`], or is flushed.
    ///
    /// If the topic is not known yet, the call waits until a broker has listed its partitions, at most
    /// [`ProducerConfig::with_max_wait`]. If the buffer is full, it waits for room, which comes when batches end.
    ///
    /// # Errors
    /// The record was refused, the topic is still not known, or the producer was closed. Nothing was appended.
    ///
    /// # Cancel safety
    /// Dropping this future appends nothing. The next caller that waits for room gets its turn.
    ///
    /// [`ProducerConfig::with_linger`]: kafka08_client::config::ProducerConfig::with_linger
    /// [`ProducerConfig::with_max_wait`]: kafka08_client::config::ProducerConfig::with_max_wait
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        let mut wait = Wait { shared: self.shared(), number: None };
        let mut append = appends::<Rt>(record);
        let pinned = if record.partition.is_some() || record.key.is_some() { Pinned::Yes } else { Pinned::No };
        poll_fn(|cx| wait.poll::<Rt>(record.topic, pinned, cx, &mut append)).await
    }

    /// [`Producer::send`] without waiting.
    ///
    /// # Errors
    /// As [`Producer::send`]. [`AppendError::Full`] and [`AppendError::UnknownTopic`] may pass.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        self.shared().command(|desk, news| desk.try_append(appends::<Rt>(record), news))
    }

    /// Appends a message set as a batch of its own, behind all records of its partition. The set is sent as it is, and is
    /// not copied. This serves mirrors, which pass on what they have fetched. It waits as [`Producer::send`].
    ///
    /// The delivery ends when all of the set has ended. Its offset is that of the first message.
    ///
    /// # Errors
    /// As [`Producer::send`]; also, a broker would refuse the set, or would lose a part of it. The error returns the set.
    ///
    /// # Cancel safety
    /// Dropping this future appends nothing.
    pub async fn send_set(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
        set: MessageSet,
    ) -> Result<Delivery, SendSetError> {
        let to = TopicPartition { topic: Text::from(topic), partition: partition.into() };
        let mut wait = Wait { shared: self.shared(), number: None };
        let mut kept = Some(set);
        let sent = poll_fn(|cx| wait.poll::<Rt>(topic, Pinned::Yes, cx, &mut appends_set::<Rt>(&to, &mut kept))).await;
        sent.map_err(|error| SendSetError { set: kept.expect("a set that is refused is put back"), error })
    }

    /// [`Producer::send_set`] without waiting.
    ///
    /// # Errors
    /// As [`Producer::send_set`]. [`AppendError::Full`] and [`AppendError::UnknownTopic`] may pass.
    pub fn try_send_set(
        &self,
        topic: &str,
        partition: impl Into<PartitionId>,
        set: MessageSet,
    ) -> Result<Delivery, SendSetError> {
        let to = TopicPartition { topic: Text::from(topic), partition: partition.into() };
        let mut kept = Some(set);
        let sent = self.shared().command(|desk, news| desk.try_append(appends_set::<Rt>(&to, &mut kept), news));
        sent.map_err(|error| SendSetError { set: kept.expect("a set that is refused is put back"), error })
    }
}

/// Appends a record.
fn appends<Rt: Runtime>(record: Record<'_>) -> impl Append {
    move |accumulator| {
        let appended = accumulator.append(Rt::now, record)?;
        Ok((Delivery::of_record(appended.completion, appended.index), appended.wake))
    }
}

/// Appends a set, which is back in its place if it is refused.
fn appends_set<Rt: Runtime>(to: &TopicPartition, kept: &mut Option<MessageSet>) -> impl Append {
    move |accumulator| {
        let Some(set) = kept.take() else { return Err(AppendError::Closed) };
        match accumulator.append_set(Rt::now, to, set) {
            Ok(appended) => Ok((Delivery::of_set(appended.completion), appended.wake)),
            Err((set, error)) => {
                *kept = Some(set);
                Err(error)
            }
        }
    }
}

/// A caller that appends. Dropping it passes its turn on.
struct Wait<'a> {
    shared: &'a Shared,
    /// `None` while it does not wait.
    number: Option<Number>,
}

impl Wait<'_> {
    fn poll<Rt: Runtime>(
        &mut self,
        topic: &str,
        pinned: Pinned,
        cx: &Context<'_>,
        append: &mut impl Append,
    ) -> Poll<Result<Delivery, SendError>> {
        let Self { shared, number } = self;
        let deadline = || Rt::now().checked_add(shared.config.max_wait());
        let patience = Patience { topic, pinned, deadline: &deadline };
        shared.command(|desk, news| {
            let polled = desk.poll_append(number, &patience, cx, append, news);
            // Under the same lock as the attempt. Until it has left, all others wait for a caller that needs nothing
            // any more.
            if polled.is_ready()
                && let Some(number) = number.take()
            {
                desk.line.leave(number, news);
            }
            polled
        })
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.command(|desk, news| desk.line.leave(number, news));
        }
    }
}
