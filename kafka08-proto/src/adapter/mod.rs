//! The errors that adapters share: how calls, flushes and connecting fail.
//!
//! Adapters are crates that drive a [`ClientConnection`](crate::ClientConnection) over a runtime or over sockets.

mod call_error;
mod connect_error;
mod report;

pub use call_error::CallError;
pub use connect_error::ConnectError;
pub use report::{CloseReport, FlushError};
