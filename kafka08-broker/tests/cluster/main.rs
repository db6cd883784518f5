//! A cluster of three brokers: replicas, elections, losses, metadata, groups.

mod determinism;
mod groups;
mod leaders;
mod losses;
mod metadata;
mod paused;
mod promises;
mod replication;
#[path = "../rig/mod.rs"]
mod rig;
mod steps;
mod topics;
mod watermark;
