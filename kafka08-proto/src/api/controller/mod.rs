//! The APIs between a controller and its brokers. Clients of a cluster do not send these requests.
//!
//! This module is for dissectors, proxies and tests. A broker obeys the sender with the newest epoch, so a request that
//! reaches a live cluster may take partitions offline or delete their data.

mod controlled_shutdown;
mod leader_and_isr;
mod partition_state;
mod stop_replica;
mod update_metadata;

pub use controlled_shutdown::{ControlledShutdownRequest, ControlledShutdownResponse};
pub use leader_and_isr::{LeaderAndIsrRequest, LeaderAndIsrResponse};
pub use partition_state::{PartitionResult, PartitionState};
pub use stop_replica::{StopReplicaRequest, StopReplicaResponse};
pub use update_metadata::{UpdateMetadataRequest, UpdateMetadataResponse};
