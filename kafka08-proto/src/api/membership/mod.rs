//! The APIs by which the members of a group find each other through a broker. 0.8 never served them.
//!
//! 0.8.2 reads the requests and answers each with [`ErrorCode::UNKNOWN`](crate::error_code::ErrorCode::UNKNOWN).
//! Earlier releases close the connection. In 0.8, the members of a group coordinate themselves in ZooKeeper. Heartbeat
//! is useful nevertheless: a broker's answer to it tells releases apart.

mod heartbeat;
mod join_group;

pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use join_group::{JoinGroupRequest, JoinGroupResponse};
