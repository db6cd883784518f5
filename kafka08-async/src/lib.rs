#![doc = include_str!("../README.md")]

mod bootstrap;
mod client;
mod cluster;
#[doc(hidden)]
pub mod fleet;
#[doc(hidden)]
pub mod id_hasher;
#[doc(hidden)]
pub mod identity;
mod io;
mod probe;
mod producer;
mod runtime;
mod server;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod trace;
mod waker;
mod watchers;

pub use bytes;
pub use client::{Client, MAX_UNTOLD, Pending, Undecoded};
pub use cluster::Cluster;
pub use futures_io;
pub use kafka08_client;
pub use kafka08_client::{
    accumulator::{AppendError, Choose, Partitioner},
    config::{ClusterConfig, ProducerConfig, ReleaseSetting, RetryPolicy},
    error::{BootstrapError, ClusterCallError},
    producer::{ProduceCause, ProduceError, ProducerStats},
    record::Record,
};
pub use kafka08_proto as proto;
pub use kafka08_proto::{
    HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
};
pub use probe::probe;
pub use producer::{Delivered, Delivery, DeliveryError, Producer, SendError, SendSetError, Undelivered};
pub use runtime::{Runtime, Timer, Wrap};
pub use server::{Call, ServeConfig, Server, ServerStats};
