#![doc = include_str!("../README.md")]

mod probe;
mod runtime;
mod stream;

pub use kafka08_async::{
    CallError, CloseReport, ConnectError, FlushError, HostPort, MAX_UNTOLD, Pending, Undecoded, bytes, proto,
};
pub use probe::probe;
pub use runtime::{Sleeping, Tokio};
pub use stream::Stream;

/// A connection to one broker, for any number of tasks, on tokio. See [`kafka08_async::Client`].
pub type Client = kafka08_async::Client<Tokio>;
