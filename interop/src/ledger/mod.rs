//! Compares what a producer was given, what it told, and what the brokers have.
//!
//! A [`Book`] makes the records of one submitter and keeps what was told about each. Each record says what it is: run,
//! submitter, topic, partition and number. A [`Log`] has the messages of all partitions, read from the brokers. [`judge`]
//! compares them by the rules S1 to S7 ([`Rule`]). Nothing here knows a producer.

mod book;
mod judge;
mod log;
mod order;
mod record;
mod report;
#[cfg(test)]
mod tests;

pub use book::{Book, Outcome};
pub use judge::{LostAcks, judge};
pub use log::{Found, Log};
pub use record::{Keys, Record};
pub use report::{Report, Rule};
