//! The client, which is a handle of a connection.
//!
//! | file | what it owns |
//! |---|---|
//! | `line`, `flushes` | requests that wait for room, and flushes that have not ended |
//! | `shared` | the state that handles, claims and the connection's task share |
//! | `pending` | the futures |
//! | `task` | the task that owns the stream |
//! | `creating`, `sending`, `ending` | the methods of the handle |

mod creating;
mod ending;
mod flushes;
mod line;
mod pending;
mod sending;
mod shared;
mod task;

use std::{fmt, marker::PhantomData, sync::Arc};

use kafka08_proto::{ClientConfig, HostPort, connection::Closed};

pub use pending::{Pending, Undecoded};
pub use shared::MAX_UNTOLD;
use shared::{Phase, Shared};

/// A connection to one broker, for any number of tasks. Cloning returns another handle of it, and is cheap.
///
/// A response that nobody has taken still counts as in flight ([`ClientConfig::with_max_in_flight`]). [`Client::send`]
/// waits while there is no place in flight, while too many bytes are staged ([`ClientConfig::with_max_staged`]), or
/// while the response to a request that has timed out may still arrive. Waiting requests are sent in the order of the
/// calls, but a request without a claim does not wait for places in flight. A waiting request belongs to its future:
/// dropping the future removes it.
///
/// Staged requests are written when the tasks that are ready have run once, so that their requests are written
/// together. As soon as 16 KiB are staged, they are written at once.
///
/// When the last handle is dropped, the connection closes after staged requests were written and awaited responses
/// came.
///
/// # Time
/// Each call has a time limit, whatever else is in flight; its documentation says which. If the connection's task is
/// aborted or its runtime shuts down, every call ends at once with
/// [`CloseReason::Abandoned`](kafka08_proto::connection::CloseReason::Abandoned).
pub struct Client<Rt> {
    handle: Arc<Handle>,
    runtime: PhantomData<fn() -> Rt>,
}

/// What the clones of a client share. It is dropped with the last handle.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|state| {
            // `close` was called before and determines how the connection ends.
            if state.phase == Phase::Open {
                state.phase = Phase::Abandoned;
            }
            state.call_task();
        });
    }
}

impl<Rt> Client<Rt> {
    /// Why the connection has ended, and which requests are unconfirmed. `None` if it has not ended.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.shared().command(|state| state.closed.clone())
    }

    /// The connection's settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared().config
    }

    /// The address of the broker, if [`Client::connect`] or [`ClientConfig::with_peer`] has set it.
    #[must_use]
    pub fn peer(&self) -> Option<&HostPort> {
        self.config().peer().map(AsRef::as_ref)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }
}

impl<Rt> Clone for Client<Rt> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), runtime: PhantomData }
    }
}

impl<Rt> fmt::Debug for Client<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("peer", &self.peer()).field("closed", &self.closed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
