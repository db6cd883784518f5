//! Sockets, streams and time, on any runtime.

mod connect;
mod driver;
mod time;
mod turns;

pub(crate) use connect::{connect, try_each};
pub(crate) use driver::Driver;
pub(crate) use time::{Alarm, timeout_at};
pub(crate) use turns::{CLOSING, LAST_TURNS, LINKS_PER_TURN, Overdue, READ_PER_TURN, STEPS_PER_TURN};
