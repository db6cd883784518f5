//! A proxy as a state machine, for the examples and the property tests of this crate.
//!
//! It is a library and not an example, because two programs use it: `examples/logging_proxy.rs` with sockets, and
//! `tests/proxy.rs` in memory, with streams that are split in every way.

mod proxy;

pub use proxy::Proxy;
