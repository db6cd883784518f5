//! Settings. Each default states whose default it is.

mod cluster;
mod producer;

pub use cluster::{ClusterConfig, EndpointFilter, ReleaseSetting};
pub use producer::{ProducerConfig, RetryPolicy};
