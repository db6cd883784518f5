//! The simple values of the protocol: names, numbers and identifiers. Each has its own type.
//!
//! This layer does not know the encoding. Each number type can hold any number that a peer can send. Constants and
//! methods define the numbers that have a special meaning.

mod api;
mod connection;
mod correlation;
mod host_port;
mod numbers;
mod text;

pub use api::{Api, ApiKey, ApiVersion};
pub use connection::ConnectionId;
pub use correlation::CorrelationId;
pub(crate) use correlation::{Sequence, Serial};
pub use host_port::{BadHostPort, HostPort};
pub use numbers::{
    Acks, DurationTooLong, Epoch, Generation, Millis, NodeId, Offset, OffsetTime, PartitionId, ReplicaId, Timestamp,
    TopicPartition,
};
pub use text::{NotUtf8, Text};
