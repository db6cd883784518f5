//! The claim to the outcome of a record.

use kafka08_async::{Delivered, DeliveryError};

use crate::threads::block_on;

/// The claim to the outcome of a record, or of a set, that was appended. It can be waited for on any thread, and may outlive
/// the [`Producer`](crate::Producer).
///
/// Dropping it changes nothing: the record is sent. [`Producer::flush`](crate::Producer::flush) counts it if it fails.
#[derive(Debug)]
pub struct Delivery(pub(super) kafka08_async::Delivery);

impl Delivery {
    /// Waits for the outcome.
    ///
    /// *Time.* It ends when a broker has acknowledged the record, or when it is given up, at the latest after
    /// [`ProducerConfig::with_delivery_timeout`](kafka08_async::ProducerConfig::with_delivery_timeout). With acks 0 it ends when
    /// the record was written to the socket.
    ///
    /// # Errors
    /// The record was not acknowledged. [`DeliveryError::fate`] says whether a broker may have stored it.
    pub fn wait(self) -> Result<Delivered, DeliveryError> {
        block_on(self.0)
    }

    /// The outcome if it is known, without waiting.
    pub fn peek(&self) -> Option<Result<Delivered, DeliveryError>> {
        self.0.peek()
    }
}
