//! What adapters share: how calls, flushes and connecting fail. Plain values, so that every adapter says the same in the same
//! words; the adapters themselves are crates of their own.

mod call_error;
mod connect_error;
mod report;

pub use call_error::CallError;
pub use connect_error::ConnectError;
pub use report::{CloseReport, FlushError};
