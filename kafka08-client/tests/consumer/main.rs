//! The consumer machine against the brokers of `kafka08-broker`, in virtual time.

#[path = "../rig/mod.rs"]
mod rig;

mod both;
mod chaos;
mod commits;
mod corners;
mod failures;
mod interval;
mod larger;
mod lies;
mod memory;
mod reading;
mod scale;
mod starting;
mod topics;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
