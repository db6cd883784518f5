//! A proxy as a state machine: what the examples and the property tests of this crate drive.
//!
//! It stands here and not in an example, because two programs use it: `examples/logging_proxy.rs` over sockets, and
//! `tests/proxy.rs` in memory, with streams that are cut up in every way.

mod proxy;

pub use proxy::Proxy;
