#![doc = include_str!("../README.md")]

#[cfg(feature = "async-std")]
mod on_async_std;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod timer;

pub use kafka08_async::{
    Call, CallError, CloseReport, ConnectError, FlushError, HostPort, MAX_UNTOLD, Pending, ServeConfig, ServerStats,
    Undecoded, bytes, proto,
};
#[cfg(feature = "async-std")]
pub use on_async_std::{AsyncStd, Client, Server, probe};
#[cfg(any(feature = "async-std", feature = "smol"))]
pub use timer::Timer;
