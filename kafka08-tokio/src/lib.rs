#![doc = include_str!("../README.md")]

mod client;
mod connect;
mod driver;
mod flushes;
mod id_hasher;
mod line;
mod pending;
mod probe;
mod shared;
mod task;

pub use bytes;
pub use client::Client;
pub use kafka08_proto as proto;
pub use kafka08_proto::{
    HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
};
pub use pending::{Pending, Undecoded};
pub use probe::probe;
pub use shared::MAX_UNTOLD;
