#![doc = include_str!("../README.md")]

mod client;
#[doc(hidden)]
pub mod fleet;
#[doc(hidden)]
pub mod id_hasher;
#[doc(hidden)]
pub mod identity;
mod io;
mod probe;
mod runtime;
mod server;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod trace;
mod waker;

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
pub use server::{Call, ServeConfig, Server, ServerStats};
