#![doc = include_str!("../README.md")]

mod broker;
mod config;
mod server;

pub use broker::{Action, Broker, ConnectionId, Now};
pub use config::BrokerConfig;
pub use server::Server;
