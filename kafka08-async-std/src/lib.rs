#![doc = include_str!("../README.md")]

#[cfg(feature = "async-std")]
mod on_async_std;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod timer;

pub use kafka08_async::{
    AppendError, AssignError, AssignmentStats, BootstrapError, Call, CallError, Choose, CloseReport, ClusterCallError,
    ClusterConfig, CommitCause, CommitError, ConnectError, ConsumeError, ConsumerConfig, ConsumerEvent, ConsumerStats,
    CorruptPolicy, Delivered, Delivery, DeliveryError, EndAt, FetchCause, FlushError, HostPort, MAX_UNTOLD, Messages,
    OffsetStore, OwnedMessage, Partitioner, Pending, ProduceCause, ProduceError, ProducerConfig, ProducerStats, Record,
    ReleaseSetting, Reset, ResetCause, RetryPolicy, SendError, SendSetError, ServeConfig, ServerStats, StartAt,
    Undecoded, Undelivered, bytes, kafka08_client, proto,
};
#[cfg(feature = "async-std")]
pub use on_async_std::{AsyncStd, Client, Cluster, Consumer, MessageStream, Producer, Server, probe};
#[cfg(any(feature = "async-std", feature = "smol"))]
pub use timer::Timer;
