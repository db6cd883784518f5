#![doc = include_str!("../README.md")]

mod probe;
mod runtime;
mod stream;

pub use kafka08_async::{
    Call, CallError, CloseReport, ConnectError, FlushError, HostPort, MAX_UNTOLD, Pending, ServeConfig, ServerStats,
    Undecoded, bytes, proto,
};
pub use probe::probe;
pub use runtime::{Sleeping, Tokio};
pub use stream::Stream;

/// A connection to one broker, for any number of tasks, on tokio. See [`kafka08_async::Client`].
pub type Client = kafka08_async::Client<Tokio>;

/// A server for clients of Kafka 0.8, on tokio. See [`kafka08_async::Server`].
pub type Server = kafka08_async::Server<Tokio>;
