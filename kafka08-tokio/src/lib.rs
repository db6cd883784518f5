#![doc = include_str!("../README.md")]

pub mod guide;
mod probe;
mod runtime;
mod stream;

pub use kafka08_async::{
    AppendError, AssignError, AssignmentStats, BootstrapError, Call, CallError, Choose, CloseReport, ClusterCallError,
    ClusterConfig, CommitCause, CommitError, ConnectError, ConsumeError, ConsumerConfig, ConsumerEvent, ConsumerStats,
    CorruptPolicy, Delivered, Delivery, DeliveryError, EndAt, FetchCause, FlushError, HostPort, MAX_UNTOLD, Messages,
    OffsetStore, OwnedMessage, Partitioner, Pending, ProduceCause, ProduceError, ProducerConfig, ProducerStats, Record,
    ReleaseSetting, Reset, ResetCause, RetryPolicy, SendError, SendSetError, ServeConfig, ServerStats, StartAt,
    Undecoded, Undelivered, bytes, kafka08_client, proto,
};
pub use probe::probe;
pub use runtime::{Sleeping, Tokio};
pub use stream::Stream;

/// A connection to one broker, for any number of tasks, on tokio. See [`kafka08_async::Client`].
pub type Client = kafka08_async::Client<Tokio>;

/// A consumer for any number of tasks, on tokio. See [`kafka08_async::Consumer`].
pub type Consumer = kafka08_async::Consumer<Tokio>;

/// The messages of a consumer one by one, on tokio. See [`kafka08_async::MessageStream`].
pub type MessageStream = kafka08_async::MessageStream<Tokio>;

/// A producer for any number of tasks, on tokio. See [`kafka08_async::Producer`].
pub type Producer = kafka08_async::Producer<Tokio>;

/// A server for clients of Kafka 0.8, on tokio. See [`kafka08_async::Server`].
pub type Server = kafka08_async::Server<Tokio>;

/// A client of all brokers of a cluster, for any number of tasks, on tokio. See [`kafka08_async::Cluster`].
pub type Cluster = kafka08_async::Cluster<Tokio>;
