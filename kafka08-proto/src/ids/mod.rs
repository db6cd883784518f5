//! The plain values of the protocol: names, numbers and identifiers, each with a type of its own.
//!
//! This layer knows nothing of bytes on the wire; any number a peer can send fits in these types, and accessors say
//! which of them make sense.

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
