#![doc = include_str!("../README.md")]

#[cfg(feature = "async-std")]
mod on_async_std;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod timer;

pub use kafka08_async::{
    AppendError, BootstrapError, Call, CallError, Choose, CloseReport, ClusterCallError, ClusterConfig, ConnectError,
    Delivered, Delivery, DeliveryError, FlushError, HostPort, MAX_UNTOLD, Partitioner, Pending, ProduceCause,
    ProduceError, ProducerConfig, ProducerStats, Record, ReleaseSetting, RetryPolicy, SendError, SendSetError,
    ServeConfig, ServerStats, Undecoded, Undelivered, bytes, kafka08_client, proto,
};
#[cfg(feature = "async-std")]
pub use on_async_std::{AsyncStd, Client, Cluster, Producer, Server, probe};
#[cfg(any(feature = "async-std", feature = "smol"))]
pub use timer::Timer;
