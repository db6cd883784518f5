//! The client of a cluster, for many threads.

use std::fmt;

use kafka08_async::{
    BootstrapError, ClusterCallError, ClusterConfig,
    kafka08_client::{
        cluster::{ClusterStats, Route, Routed},
        view::View,
    },
    proto::api::{Request, Topics},
};

use crate::threads::{Threads, block_on, run};

/// A client of all brokers of a cluster, for any number of threads. Cloning returns another handle of it, and is cheap.
///
/// [`Cluster::call`] takes a request for any mixture of partitions, asks the leader of each, asks again where a leader has moved
/// or was lost, and puts the answers together. A thread of the cluster's own moves the bytes of all connections. They are
/// connected when they are needed, and closed when they are idle.
///
/// *Ends.* When the last handle is dropped, the connections close in the background, without blocking the caller.
///
/// ```
/// use kafka08_blocking::{Cluster, ClusterConfig, proto::api::ListOffsetsRequest};
/// # use kafka08_broker::{BrokerConfig, Server};
/// # let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("access-log", 3))?;
/// # let (broker1, broker2) = (server.host_port(), server.host_port());
///
/// let cluster = Cluster::connect([broker1, broker2], ClusterConfig::default())?;
/// let ends = cluster.call(&ListOffsetsRequest::latest([("access-log", 0), ("access-log", 1), ("access-log", 2)]))?;
/// for (topic, partition, end) in ends.topics.iter() {
///     println!("{topic}/{partition} ends at {:?}", end.offsets);
/// }
/// cluster.close();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cluster {
    cluster: kafka08_async::Cluster<Threads>,
}

impl Cluster {
    /// Connects to a cluster, by any of these brokers, each given as `host:port`, `1.2.3.4:port` or `[::1]:port`. Starts the
    /// cluster's thread.
    ///
    /// An entry may hold several brokers with commas between them, as Kafka's own clients take them. The brokers are tried in a
    /// random order, and the next one also before a silent one has failed. The other brokers of the cluster are found when they
    /// are needed.
    ///
    /// *Time*: ends when a broker has answered a short request that creates nothing; at the latest after
    /// [`ClusterConfig::with_connect_timeout`].
    ///
    /// # Errors
    /// An entry is not a host and a port, or no broker has answered. If each of them has failed, that is told at once. The error
    /// says what has happened at each address, and what to do.
    pub fn connect(
        brokers: impl IntoIterator<Item: AsRef<str>>,
        config: ClusterConfig,
    ) -> Result<Self, BootstrapError> {
        // Not `block_on`: the time limit is a timer of this future, and only a thread in `run` has timers.
        let cluster = run(kafka08_async::Cluster::connect(brokers, config)).map_err(BootstrapError::Setup)??;
        Ok(Self { cluster })
    }

    /// Sends a request to the brokers that it is for, and returns their answers, put together.
    ///
    /// A request for partitions goes to the leader of each; one for a consumer group goes to the group's coordinator; others go
    /// to any broker. Partitions whose broker says that it is not the leader, or that was lost, are asked for again, alone.
    /// Requests that change something are sent again only while no attempt can have been applied.
    ///
    /// *Time*: ends within [`ClusterConfig::with_call_timeout`] and the time for which the request lets a broker wait.
    ///
    /// # Errors
    /// Some partitions have failed, or the whole request. The error keeps what was answered
    /// ([`ClusterCallError::into_response`]), and says for each partition what has happened, how often it was tried, and whether
    /// a broker may have acted on it. An error code that a broker has answered is no failure: it stands in the response.
    pub fn call<R: Routed>(&self, request: &R) -> Result<R::Response, ClusterCallError<R::Response>> {
        block_on(self.cluster.call(request))
    }

    /// Sends a request as it is to one broker, and returns its answer. It is sent again under the same rules as in
    /// [`Cluster::call`], but what the answer says is not looked at.
    ///
    /// # Errors
    /// The request has failed: see [`Cluster::call`].
    pub fn call_at<R>(&self, route: Route, request: &R) -> Result<R::Response, ClusterCallError<R::Response>>
    where
        R: Request<Response: Send + 'static> + Clone + Send + 'static,
    {
        block_on(self.cluster.call_at(route, request))
    }

    /// Looks topics up soon, whatever the age of what is known of them. The view changes when a broker has answered; a call of
    /// a `MetadataRequest` returns what it says. Naming a topic creates it, if brokers create topics.
    pub fn refresh(&self, topics: Topics) {
        self.cluster.refresh(topics);
    }

    /// Ends all calls that are open, closes all connections for all handles, and waits until they are closed.
    ///
    /// Open calls fail with [`Cause::Closed`](kafka08_async::kafka08_client::error::Cause::Closed).
    pub fn close(&self) {
        block_on(self.cluster.close());
    }

    /// What metadata says of the topics and brokers that were looked up so far. Looks nothing up.
    ///
    /// `look` may use handles of this cluster, which is not locked meanwhile. What it sees does not change.
    pub fn with_view<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        self.cluster.with_view(look)
    }

    /// A copy of what metadata says. It costs as much as there are topics and partitions in it: see [`Cluster::with_view`].
    #[must_use]
    pub fn view(&self) -> View {
        self.cluster.view()
    }

    /// What the cluster has done, and what it holds.
    #[must_use]
    pub fn stats(&self) -> ClusterStats {
        self.cluster.stats()
    }

    /// Whether [`Cluster::close`] was called, or the cluster's thread has ended. All calls fail then.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.cluster.is_closed()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        self.cluster.config()
    }
}

impl Clone for Cluster {
    fn clone(&self) -> Self {
        Self { cluster: self.cluster.clone() }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap", &self.config().bootstrap())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
