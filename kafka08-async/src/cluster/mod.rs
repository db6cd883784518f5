//! The cluster, which is a handle of a machine with many links.
//!
//! | file | what it owns |
//! |---|---|
//! | `shared` | the state that handles and the task share: the machine, and who waits for it |
//! | `owner` | the machine's owner in the task |
//! | `pending` | the futures |
//! | `connecting`, `calling` | the methods of the handle |

mod calling;
mod connecting;
mod owner;
mod pending;
mod shared;

use std::{fmt, marker::PhantomData, sync::Arc};

use kafka08_client::{cluster::ClusterStats, config::ClusterConfig, view::View};
use kafka08_proto::api::Topics;

use crate::Runtime;
use shared::{Phase, Shared};

/// A client of all brokers of a cluster, for any number of tasks. Cloning returns another handle of it, and is cheap.
///
/// [`Cluster::call`] takes a request for any mixture of partitions, asks the leader of each, asks again where a leader has moved
/// or was lost, and puts the answers together. The cluster keeps a few connections to each broker that is asked, connects them
/// when they are needed, and closes those that are idle.
///
/// When the last handle is dropped, the connections close in the background. Nothing waits for them: a call holds a handle, so
/// none is open then.
///
/// # Time
/// Each call has a time limit, which is that of [`ClusterConfig::with_call_timeout`] and the time for which the request lets a
/// broker wait. If the cluster's task is aborted or its runtime shuts down, every call ends at once with
/// [`Cause::Abandoned`](kafka08_client::error::Cause::Abandoned).
pub struct Cluster<Rt> {
    handle: Arc<Handle>,
    runtime: PhantomData<fn() -> Rt>,
}

/// What the clones of a cluster share. It is dropped with the last handle.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        // Only noted here. The task owns the sockets, and waiting for it would block the thread of whoever drops the
        // handle.
        self.0.close();
    }
}

impl<Rt> Cluster<Rt> {
    /// What metadata says of the topics and brokers that were looked up so far. Looks nothing up.
    ///
    /// `look` may use handles of this cluster, which is not locked meanwhile. What it sees does not change.
    ///
    /// ```no_run
    /// # async fn example(cluster: &kafka08_tokio::Cluster) {
    /// let leader = cluster.with_view(|view| view.leader("access-log", 0.into()));
    /// # }
    /// ```
    pub fn with_view<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        // Not under the lock: `look` is code of others, and would wait for ever in a method of a handle.
        let view = self.shared().with(|state| state.machine.shared_view());
        look(&view)
    }

    /// A copy of what metadata says. It costs as much as there are topics and partitions in it: see [`Cluster::with_view`].
    #[must_use]
    pub fn view(&self) -> View {
        self.with_view(View::clone)
    }

    /// What the cluster has done, and what it holds.
    #[must_use]
    pub fn stats(&self) -> ClusterStats {
        self.shared().with(|state| state.machine.stats())
    }

    /// Whether [`Cluster::close`] was called, or the cluster's task has ended. All calls fail then.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().with(|state| state.phase != Phase::Open)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        &self.shared().config
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }
}

impl<Rt: Runtime> Cluster<Rt> {
    /// Looks topics up soon, whatever the age of what is known of them. The view changes when a broker has answered; a call of
    /// a `MetadataRequest` returns what it says. Naming a topic creates it, if brokers create topics.
    pub fn refresh(&self, topics: Topics) {
        self.shared().command(|state| state.machine.refresh(Rt::now(), topics));
    }
}

impl<Rt> Clone for Cluster<Rt> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), runtime: PhantomData }
    }
}

impl<Rt> fmt::Debug for Cluster<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap", &self.config().bootstrap())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
