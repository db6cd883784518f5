//! The Apache Kafka 0.8 wire protocol as sans-IO state machines.

pub mod api;
pub mod connection;
pub mod error_code;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod profile;
pub mod wire;
