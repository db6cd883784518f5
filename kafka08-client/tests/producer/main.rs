//! The producer machine against the brokers of `kafka08-broker`, in virtual time.

#[path = "../rig/mod.rs"]
mod rig;

mod both;
mod chaos;
mod closing;
mod delivery;
mod failures;
mod scale;
mod unanswered;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
