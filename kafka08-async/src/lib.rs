#![doc = include_str!("../README.md")]

mod bootstrap;
mod client;
mod cluster;
mod consumer;
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
mod sharing;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod trace;
mod waker;
mod watchers;

pub use bytes;
pub use client::{Client, MAX_UNTOLD, Pending, Undecoded};
pub use cluster::Cluster;
pub use consumer::{AssignError, CommitError, ConsumeError, Consumer, MessageStream, Messages};
pub use futures_io;
pub use futures_util;
pub use kafka08_client;
pub use kafka08_client::{
    accumulator::{AppendError, Choose, Partitioner},
    assignment::{AssignmentStats, OwnedMessage},
    config::{
        ClusterConfig, ConsumerConfig, CorruptPolicy, EndAt, OffsetStore, ProducerConfig, ReleaseSetting, Reset,
        RetryPolicy, StartAt,
    },
    consumer::{CommitCause, ConsumerEvent, ConsumerStats, FetchCause, ResetCause},
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
