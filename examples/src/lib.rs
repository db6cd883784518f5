//! What several programs of this crate share.
//!
//! - [`Proxy`], a proxy as a state machine: for `examples/logging_proxy.rs` with sockets, and for `tests/proxy.rs` in memory,
//!   with streams that are split in every way.
//! - `tls`, with the feature `tls`: connections through TLS, for `examples/tls_blocking.rs`, `examples/tls_tokio.rs` and the
//!   tests of both.

mod proxy;
#[cfg(feature = "tls")]
pub mod tls;

pub use proxy::Proxy;
