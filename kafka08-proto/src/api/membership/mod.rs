//! How a group's members would find each other through a broker: APIs that 0.8 never served.
//!
//! 0.8.2 reads the requests and answers each with [`ErrorCode::UNKNOWN`](crate::error_code::ErrorCode::UNKNOWN); earlier
//! releases close the connection. A group's members coordinate themselves in ZooKeeper. Heartbeat is of use all the same: how
//! a broker answers it tells releases apart.

mod heartbeat;
mod join_group;

pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use join_group::{JoinGroupRequest, JoinGroupResponse};
