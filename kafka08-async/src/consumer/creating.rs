//! How a consumer is created.

use std::{future::poll_fn, marker::PhantomData, sync::Arc};

use kafka08_client::{config::ConsumerConfig, error::BootstrapError};

use super::{Consumer, Handle, owner::Owner, shared::Shared};
use crate::{Runtime, Wrap, bootstrap, fleet::Fleet};

impl<Rt> Consumer<Rt>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    /// Connects to a cluster, of which some brokers are given as `host:port`, `1.2.3.4:port` or `[::1]:port`, and spawns
    /// the consumer's task. The list replaces the brokers of the settings. Nothing is read before it is assigned.
    ///
    /// One broker that answers is enough, and the others of the cluster are found through it. The call ends within
    /// [`ClusterConfig::with_connect_timeout`](kafka08_client::config::ClusterConfig::with_connect_timeout).
    ///
    /// # Errors
    /// No broker answers. The error lists what happened at each address. Or the list is empty, or an entry is not a host
    /// and a port.
    ///
    /// # Cancel safety
    /// Dropping this future gives up connecting.
    pub async fn connect<B: AsRef<str>>(
        brokers: impl IntoIterator<Item = B>,
        config: ConsumerConfig,
    ) -> Result<Self, BootstrapError> {
        let cluster = bootstrap::config(brokers, config.cluster().clone())?;
        // The handle exists before the first wait. If this future is dropped, the handle closes the consumer.
        let consumer = Self::spawn(config.with_cluster(cluster));
        let shared = consumer.shared();
        poll_fn(|cx| shared.command(|desk, news| desk.contact.poll(cx, news))).await?;
        Ok(consumer)
    }

    /// Starts the task, which seeks a broker.
    fn spawn(config: ConsumerConfig) -> Self {
        let now = Rt::now();
        let contact_by = now.checked_add(config.cluster().connect_timeout());
        let shared = Arc::new(Shared::new(config));
        // Before the task runs. It looks for an answer only while one is sought.
        shared.command(|desk, _| desk.contact.seek());
        let owner = Owner::new(Arc::clone(&shared), now, contact_by);
        let fleet = Fleet::<Rt, _>::new(owner, &shared.caller);
        Rt::spawn(fleet.run());
        Self { handle: Arc::new(Handle(shared)), runtime: PhantomData }
    }
}
