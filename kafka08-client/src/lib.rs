#![doc = include_str!("../README.md")]

// The order of the layers is in `tests/layers.rs`; rustfmt sorts these lines by name.
pub mod accumulator;
pub mod assignment;
pub mod backoff;
pub mod cluster;
pub mod config;
pub mod consumer;
pub mod error;
pub mod links;
pub mod machine;
pub mod producer;
pub mod record;
pub mod seed;
mod timers;
pub mod view;

pub use kafka08_proto as proto;
