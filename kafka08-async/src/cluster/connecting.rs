//! How a cluster is connected and closed.

use std::{marker::PhantomData, sync::Arc};

use kafka08_client::{config::ClusterConfig, error::BootstrapError};
use kafka08_proto::api::ListOffsetsRequest;

use super::{
    Cluster, Handle,
    owner::Owner,
    pending::{Calling, Ending, NotReached, Reaching},
    shared::Shared,
};
use crate::{Runtime, Wrap, bootstrap, fleet::Fleet, io::timeout_at};

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Cluster<Rt> {
    /// Connects to a cluster, by any of these brokers, each given as `host:port`, `1.2.3.4:port` or `[::1]:port`. Spawns the
    /// cluster's task.
    ///
    /// An entry may hold several brokers with commas between them, as Kafka's own clients take them. The brokers are tried in a
    /// random order, and the next one also before a silent one has failed. The call ends when one of them has answered a short
    /// request that creates nothing; at the latest after [`ClusterConfig::with_connect_timeout`]. The other brokers of the
    /// cluster are found when they are needed.
    ///
    /// # Errors
    /// An entry is not a host and a port, or no broker has answered. If each of them has failed, that is told at once. The error
    /// says what has happened at each address, and what to do.
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect(
        brokers: impl IntoIterator<Item: AsRef<str>>,
        config: ClusterConfig,
    ) -> Result<Self, BootstrapError> {
        let config = bootstrap::config(brokers, config)?;
        let shared = Arc::new(Shared::new(config));
        // The handle exists before the first wait. If this future is dropped, it closes the machine.
        let cluster = Self { handle: Arc::new(Handle(Arc::clone(&shared))), runtime: PhantomData };
        let caller = shared.caller.clone();
        Rt::spawn(Fleet::<Rt, _>::new(Owner(shared), &caller).run());
        cluster.reach().await?;
        Ok(cluster)
    }

    /// Waits until a broker has answered.
    async fn reach(&self) -> Result<(), BootstrapError> {
        let (shared, limit) = (self.shared(), self.config().connect_timeout());
        // A limit that the clock cannot represent is no limit. The call itself has one in the machine.
        let deadline = Rt::now().checked_add(limit);
        // Each release answers it briefly. Metadata of a large cluster is large, and is asked for when it is needed.
        let claim = shared.command(|state| {
            let claim =
                state.machine.call(Rt::now(), ListOffsetsRequest::new()).expect("the first call, of a sound request");
            state.wait_for(claim.id());
            claim
        });
        match timeout_at::<Rt, _>(deadline, Reaching(Calling::new(shared, claim, false))).await {
            Some(Ok(())) => Ok(()),
            Some(Err(NotReached::Nobody(all))) => Err(BootstrapError::Unreachable(all)),
            Some(Err(NotReached::Failed(failure))) => Err(BootstrapError::Failed(Box::new(failure))),
            None => {
                // Not `unreachable`: some brokers are silent rather than failed, so the machine still waits for them.
                let failed = Arc::new(shared.with(|state| state.machine.trouble()));
                Err(BootstrapError::TimedOut { after: limit, failed })
            }
        }
    }
}

impl<Rt: Runtime> Cluster<Rt> {
    /// Ends all calls that are open, closes all connections for all handles, and waits until they are closed.
    ///
    /// Open calls fail with [`Cause::Closed`](kafka08_client::error::Cause::Closed).
    ///
    /// # Cancel safety
    /// The cluster closes even if this future is dropped after it was polled.
    pub async fn close(&self) {
        let shared = self.shared();
        shared.close();
        // The task may end before this line. Then the first poll finds the phase, and nobody has to wake this caller.
        let number = shared.with(|state| state.watchers.push());
        Ending { shared, number }.await;
    }
}
