#![doc = include_str!("../README.md")]

mod client;
mod command;
mod connect;
mod driver;
mod pending;
mod task;

pub use client::Client;
pub use kafka08_proto::connection::{CallError, ConnectError, HostPort};
pub use pending::Pending;
