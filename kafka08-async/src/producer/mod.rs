//! The producer, which is a handle of an accumulator and of a task that sends its batches.
//!
//! | file | what it owns |
//! |---|---|
//! | `cell` | the outcome of one batch, and who waits for it |
//! | `delivery` | the claim to the outcome of one record |
//! | `line` | callers that wait for room or for a topic |
//! | `shared` | what handles and the task share |
//! | `owner` | the task's side |
//! | `creating`, `sending`, `ending` | the methods of the handle |
//! | `error` | how they fail |

mod cell;
mod creating;
mod delivery;
mod ending;
mod error;
mod line;
mod owner;
mod sending;
mod shared;

use std::{fmt, marker::PhantomData, sync::Arc};

use kafka08_client::{config::ProducerConfig, producer::ProducerStats};

pub use delivery::{Delivered, Delivery, DeliveryError};
pub use error::{SendError, SendSetError, Undelivered};
use shared::Shared;

/// Sends records to the leaders of their partitions, for any number of tasks. Cloning returns another handle of the same
/// producer, and is cheap.
///
/// [`Producer::send`] copies a record into the batch of its partition and returns a [`Delivery`], which ends with the
/// record's offset, or with the reason why it was not stored. A task of the producer's own sends the batches.
///
/// # Back-pressure
/// Records take room in a buffer ([`ProducerConfig::with_buffer`]) until their batch has ended. While it is full,
/// [`Producer::send`] waits. Callers get room in the order in which they began to wait. A caller that is dropped passes its
/// turn on.
///
/// # Order
/// The records of one partition are stored in the order in which they were appended, also if batches are sent again, as
/// long as [`ProducerConfig::with_max_in_flight_per_partition`] is 1.
///
/// # Ends
/// Each record ends once: by its delivery, whether somebody waits for it or not, and in the counts of
/// [`Producer::flush`]. When the last handle is dropped, the producer closes in the background: what was appended is still
/// sent, within [`ProducerConfig::with_delivery_timeout`]. Dropping never blocks. Call [`Producer::close`] to know that
/// everything has ended before the program does.
///
/// If the producer's task is aborted or its runtime shuts down, everything that waits ends at once.
pub struct Producer<Rt> {
    handle: Arc<Handle>,
    runtime: PhantomData<fn() -> Rt>,
}

/// What the clones of a producer share. It is dropped with the last handle.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|desk, news| {
            // Only noted here. The deadline needs a clock, which a handle without its runtime does not have.
            desk.abandon();
            news.call();
        });
    }
}

impl<Rt> Producer<Rt> {
    /// Whether the producer takes no more records: it was closed, or its task has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().command(|desk, _| desk.is_closed())
    }

    /// What the producer has done and holds, as of the last turn of its task.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.shared().command(|desk, _| desk.stats)
    }

    /// The bytes of records that are held: in open batches, in batches that wait, and in batches in flight.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.shared().command(|desk, _| desk.buffered())
    }

    /// The producer's settings.
    #[must_use]
    pub fn config(&self) -> &ProducerConfig {
        &self.shared().config
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }
}

impl<Rt> Clone for Producer<Rt> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), runtime: PhantomData }
    }
}

impl<Rt> fmt::Debug for Producer<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("brokers", &self.config().cluster().bootstrap())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
