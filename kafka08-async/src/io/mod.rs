//! Sockets, streams and time, on any runtime.

mod connect;
mod driver;
mod time;

pub(crate) use connect::{connect, try_each};
pub(crate) use driver::Driver;
pub(crate) use time::{Alarm, timeout_at};
