//! What a broker has seen and said, for the assertions of tests.
//!
//! The history is bounded and holds copies. It never keeps the memory of a request or of a log alive, and it decodes only
//! when a test asks.

mod log;
mod seen;
mod snapshot;

pub use log::History;
pub use seen::{NotDecoded, Outcome, Responded, Seen};
pub use snapshot::{
    CommittedSnapshot, ConnectionSnapshot, OffsetStore, PartitionSnapshot, ReplicaSnapshot, Snapshot, TopicSnapshot,
};
