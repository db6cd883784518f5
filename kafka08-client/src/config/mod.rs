//! Settings. Each default states whose default it is.

mod cluster;
mod consumer;
mod producer;

pub use cluster::{ClusterConfig, EndpointFilter, ReleaseSetting};
pub use consumer::{ConsumerConfig, CorruptPolicy, EndAt, IntervalCommit, OffsetStore, Reset, StartAt};
pub use producer::{ProducerConfig, RetryPolicy};
