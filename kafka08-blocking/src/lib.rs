#![doc = include_str!("../README.md")]

mod client;
mod cluster;
mod connect;
mod consumer;
mod driver;
mod pending;
mod probe;
mod producer;
mod server;
mod shared_client;
pub mod threads;

pub use bytes;
pub use client::Client;
pub use cluster::Cluster;
pub use consumer::{Consumer, MessageIter, SetIter};
pub use driver::Driver;
pub use kafka08_async::{
    AppendError, AssignError, AssignmentStats, BootstrapError, Call, Choose, ClusterCallError, ClusterConfig,
    CommitCause, CommitError, ConsumeError, ConsumerConfig, ConsumerEvent, ConsumerStats, CorruptPolicy, Delivered,
    DeliveryError, EndAt, FetchCause, MAX_UNTOLD, Messages, OffsetStore, OwnedMessage, Partitioner, ProduceCause,
    ProduceError, ProducerConfig, ProducerStats, Record, ReleaseSetting, Reset, ResetCause, RetryPolicy, SendError,
    SendSetError, ServeConfig, ServerStats, StartAt, Undecoded, Undelivered, kafka08_client,
};
pub use kafka08_proto as proto;
pub use kafka08_proto::{
    HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
};
pub use pending::Pending;
pub use probe::probe;
pub use producer::{Delivery, Producer};
pub use server::Server;
pub use shared_client::{SharedClient, SharedPending};
