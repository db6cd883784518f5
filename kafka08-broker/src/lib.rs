#![doc = include_str!("../README.md")]
//!
//! In this documentation, the guide is the module [`guide`].

mod apis;
mod cluster;
mod config;
mod faults;
mod groups;
pub mod guide;
mod history;
mod log;
mod purgatory;
mod seed;
mod server;
mod state;
mod storage;
mod timers;
#[cfg(feature = "tokio")]
pub mod tokio_server;
mod wire;

pub use cluster::{Cluster, ClusterEvent, LimitStats, Link, NoSuchPartition, Refused, Turn};
pub use config::BrokerConfig;
pub use faults::{Lie, ParseRuleError, RequestView, Rule, RuleId};
pub use history::{
    CommittedSnapshot, ConnectionSnapshot, History, NotDecoded, OffsetStore, Outcome, PartitionSnapshot,
    ReplicaSnapshot, Responded, Seen, Snapshot, TopicSnapshot,
};
pub use kafka08_proto::ids::ConnectionId;
pub use server::{Control, NotInTime, Server};
pub use state::{Loss, Now};
