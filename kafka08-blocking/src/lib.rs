#![doc = include_str!("../README.md")]

mod client;
mod connect;
mod driver;
mod pending;

pub use client::Client;
pub use driver::Driver;
pub use kafka08_proto::connection::{CallError, ConnectError, HostPort};
pub use pending::Pending;

/// The example of the workspace's README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
