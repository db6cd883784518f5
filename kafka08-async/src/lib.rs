#![doc = include_str!("../README.md")]

mod client;
mod io;
mod probe;
mod runtime;

pub use bytes;
pub use client::{Client, MAX_UNTOLD, Pending, Undecoded};
pub use futures_io;
pub use kafka08_proto as proto;
pub use kafka08_proto::{
    HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
};
pub use probe::probe;
pub use runtime::{Runtime, Timer, Wrap};
