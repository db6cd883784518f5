#![doc = include_str!("../README.md")]

mod client;
mod connect;
mod driver;
mod pending;
mod probe;
mod server;
mod shared_client;
pub mod threads;

pub use bytes;
pub use client::Client;
pub use driver::Driver;
pub use kafka08_async::{Call, MAX_UNTOLD, ServeConfig, ServerStats, Undecoded};
pub use kafka08_proto as proto;
pub use kafka08_proto::{
    HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
};
pub use pending::Pending;
pub use probe::probe;
pub use server::Server;
pub use shared_client::{SharedClient, SharedPending};
