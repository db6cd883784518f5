//! The limits of the configuration, each at the limit and one past it.

mod allocations;
mod answers;
mod connections;
mod log;
mod names;
mod offsets;
mod partitions;
mod rig;
mod times;
