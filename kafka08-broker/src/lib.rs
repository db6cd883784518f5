#![doc = include_str!("../README.md")]

mod broker;
mod config;
mod server;
#[expect(dead_code, unused_imports, reason = "the broker is being rebuilt on it")]
mod wire;

pub use broker::{Action, Broker, Now};
pub use config::BrokerConfig;
pub use kafka08_proto::ids::ConnectionId;
pub use server::Server;
