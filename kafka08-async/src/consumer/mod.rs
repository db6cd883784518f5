//! The consumer, which is a handle of an assignment and of a task that fetches.
//!
//! | file | what it owns |
//! |---|---|
//! | `messages` | a set in the hands of a caller |
//! | `owned` | messages one by one, which own their bytes |
//! | `queue` | callers that wait for sets or for events |
//! | `failures` | why partitions are read no further, as long as nobody was told |
//! | `listing` | callers that wait until the partitions of a topic are known |
//! | `shared` | what handles and the task share |
//! | `owner` | the task's side |
//! | `creating`, `assigning`, `taking`, `committing`, `ending` | the methods of the handle |
//! | `error` | how they fail |

mod assigning;
mod committing;
mod creating;
mod ending;
mod error;
mod failures;
mod listing;
mod messages;
mod owned;
mod owner;
mod queue;
mod shared;
mod taking;

use std::{fmt, marker::PhantomData, sync::Arc};

use kafka08_client::{assignment::AssignmentStats, config::ConsumerConfig, consumer::ConsumerStats};

pub use error::{AssignError, CommitError, ConsumeError};
pub use messages::Messages;
pub use owned::MessageStream;
use shared::Shared;

/// Reads partitions from their leaders, for any number of tasks. Cloning returns another handle of the same consumer, and is
/// cheap.
///
/// [`Consumer::next`] returns what has come of the next partition, undecoded. Its messages are decoded where they are used, by
/// [`Messages::next_message`]. A task of the consumer's own fetches ahead, and follows leaders.
///
/// # Several tasks
/// Tasks that call [`Consumer::next`] share what comes: each set goes to one of them. The sets of one partition are taken in
/// order; to keep the order while they are used, let one task have the consumer, or give each partition a consumer.
///
/// # What has passed
/// A message has passed when the next one of its set is asked for, or the end of the set was met. [`Consumer::commit`] commits up
/// to the first message of each partition that has not passed, in whatever order tasks finish their sets. A task that panics or
/// is dropped in the middle of a set holds the commits of its partition there, until somebody seeks.
///
/// # Epochs
/// Assigning and seeking take effect at once. After they return, nothing older is taken, and what tasks still hold from before
/// is not committed any more.
///
/// # Memory
/// What has come and was not taken stays below [`ConsumerConfig::with_room`], or one response for each broker if that is more.
/// What was taken counts no more, so a task that holds sets does not stop the others.
///
/// # Ends
/// Failures of single partitions are told by [`Consumer::next`], once, and the other partitions go on. What else happens, such as
/// a start that was looked up, a reset, or a partition of which nothing has come for long, is told by [`Consumer::next_event`].
/// When the last handle is dropped, the consumer closes in the background. If its task is aborted or its runtime shuts down,
/// everything that waits ends at once.
pub struct Consumer<Rt> {
    handle: Arc<Handle>,
    runtime: PhantomData<fn() -> Rt>,
}

/// What the clones of a consumer share. It is dropped with the last handle.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        // Only noted here. Closing needs a clock, which a handle without its runtime does not have.
        self.0.command(|desk, news| {
            desk.close(None);
            news.call();
        });
    }
}

impl<Rt> Consumer<Rt> {
    /// Whether the consumer reads nothing more: it was closed, or its task has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().command(|desk, _| desk.is_closed())
    }

    /// What the consumer has done, as of the last turn of its task.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        self.shared().command(|desk, _| desk.stats)
    }

    /// What is assigned, how far it is behind, and what waits to be taken. Looks at each partition.
    #[must_use]
    pub fn assignment_stats(&self) -> AssignmentStats {
        self.shared().command(|desk, _| desk.assignment.stats())
    }

    /// The consumer's settings.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        &self.shared().config
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }
}

impl<Rt> Clone for Consumer<Rt> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), runtime: PhantomData }
    }
}

impl<Rt> fmt::Debug for Consumer<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("brokers", &self.config().cluster().bootstrap())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
