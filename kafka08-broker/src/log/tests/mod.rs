//! Tests of the log.

mod accepting;
mod memory;
mod model;
mod reading;
pub(crate) mod rig;
