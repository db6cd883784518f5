//! The claim to the outcome of one record.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use kafka08_client::{
    producer::{Outcome, ProduceError},
    record::Record,
};
use kafka08_proto::{
    fate::Fate,
    ids::{Offset, TopicPartition},
    message::{Entry, MessageSet},
};

use super::cell::{Cell, Completion, Found, Of, Part, Place};

/// The claim to the outcome of a record, or of a set, that was appended. It is a future, and may outlive the
/// [`Producer`](crate::Producer).
///
/// The future ends when a broker has acknowledged the record, or when it is given up, at the latest after
/// [`ProducerConfig::with_delivery_timeout`](kafka08_client::config::ProducerConfig::with_delivery_timeout). With acks 0 it
/// ends when the record was written to the socket. It may be polled again after that, with the same result.
///
/// # Cancel safety
/// Dropping the future changes nothing: the record is sent. [`Producer::flush`](crate::Producer::flush) counts it if it
/// fails.
///
/// # Errors
/// The record was not acknowledged. [`DeliveryError::fate`] says whether a broker may have stored it.
pub struct Delivery {
    cell: Arc<Cell>,
    of: Of,
    place: Option<Place>,
}

/// A record that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Where it is stored.
    pub to: TopicPartition,
    /// Its offset, or that of the first message of a set. `None` with acks 0, or if the broker has not said it.
    pub offset: Option<Offset>,
    /// How many earlier attempts may have stored it too, so that it may be stored this many times more.
    pub maybe_applied: u32,
}

/// Why a record was not delivered, and what is known of it.
///
/// It keeps the record, together with the others of its batch.
#[derive(Clone)]
pub struct DeliveryError {
    failed: Option<Arc<Part>>,
    of: Of,
}

impl Delivery {
    pub(super) fn of_record(completion: &Completion, index: u32) -> Self {
        Self { cell: Arc::clone(completion.cell()), of: Of::Record(index), place: None }
    }

    pub(super) fn of_set(completion: &Completion) -> Self {
        Self { cell: Arc::clone(completion.cell()), of: Of::Set, place: None }
    }

    /// The outcome if it is known, without waiting.
    pub fn peek(&self) -> Option<Result<Delivered, DeliveryError>> {
        // Nearly always the batch has ended as a whole. Then the outcome is read where it is.
        match self.cell.ended(self.of) {
            Some(found) => Some(self.outcome(found)),
            None => self.cell.peek(self.of).map(|found| self.outcome(found.as_ref())),
        }
    }

    fn outcome(&self, found: Found<&Arc<Part>>) -> Result<Delivered, DeliveryError> {
        let of = self.of;
        let Found::Ended(part) = found else { return Err(DeliveryError { failed: None, of }) };
        match &part.outcome {
            Outcome::Delivered { to, base, maybe_applied } => {
                let behind = match of {
                    // A batch that was split has a base offset for each part, so the record is counted from the start
                    // of its part.
                    Of::Record(index) => i64::from(index.saturating_sub(part.records.start)),
                    Of::Set => 0,
                };
                let offset = base.and_then(|base| base.0.checked_add(behind)).map(Offset);
                Ok(Delivered { to: to.clone(), offset, maybe_applied: *maybe_applied })
            }
            Outcome::Written { to } => Ok(Delivered { to: to.clone(), offset: None, maybe_applied: 0 }),
            _ => Err(DeliveryError { failed: Some(Arc::clone(part)), of }),
        }
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(found) = self.cell.ended(self.of) {
            return Poll::Ready(self.outcome(found));
        }
        let Self { cell, of, place } = &mut *self;
        let found = std::task::ready!(cell.poll(*of, place, cx));
        Poll::Ready(self.outcome(found.as_ref()))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // The place is free for the next delivery. Without this, a caller that polls and drops many deliveries of one
        // batch would let the list of wakers grow.
        if let Some(place) = self.place {
            self.cell.leave(place);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("of", &self.of).field("outcome", &self.peek()).finish_non_exhaustive()
    }
}

impl DeliveryError {
    /// Why, where, and after how many attempts. `None` if the producer's task is gone: its runtime was shut down, or it has
    /// panicked.
    #[must_use]
    pub fn error(&self) -> Option<&ProduceError> {
        match &self.failed.as_ref()?.outcome {
            Outcome::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether a broker may have stored the record. If it is [`Fate::NotApplied`], the record can be sent again without a
    /// duplicate.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.error().map_or(Fate::MaybeApplied, |error| error.fate)
    }

    /// How many times the record was sent. `None` if that is not known.
    #[must_use]
    pub fn attempts(&self) -> Option<u32> {
        self.error().map(|error| error.attempts)
    }

    /// The records that have failed together with this one, in order and uncompressed. `None` if they are lost.
    #[must_use]
    pub fn records(&self) -> Option<&MessageSet> {
        match &self.failed.as_ref()?.outcome {
            Outcome::Failed { records, .. } => Some(records),
            _ => None,
        }
    }

    /// The record, to be looked at or to be sent again, to the same partition. `None` if it is lost, or if it was appended
    /// as a part of a set.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        let Of::Record(index) = self.of else { return None };
        let (error, part) = (self.error()?, self.failed.as_ref()?);
        let at = usize::try_from(index.checked_sub(part.records.start)?).ok()?;
        let Ok(Entry::Plain(message)) = self.records()?.entries().without_crc().nth(at)? else { return None };
        let partition = Some(error.to.partition);
        Some(Record { topic: &error.to.topic, partition, key: message.key, value: message.value })
    }
}

impl fmt::Debug for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads are never told.
        f.debug_struct("DeliveryError").field("error", &self.error()).finish_non_exhaustive()
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => write!(f, "{error}"),
            None => f.write_str(
                "the producer's task has ended, because its runtime was shut down or the task has panicked, and a broker may have stored the record: keep the runtime until the producer is closed, and send the record again if it may be stored twice",
            ),
        }
    }
}

impl std::error::Error for DeliveryError {}
