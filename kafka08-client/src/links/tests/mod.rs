//! The links against servers in memory, in virtual time.

mod any_operations;
mod cost;
mod ending;
mod opening;
mod probing;
mod rate;
mod rig;
mod sending;
mod silence;
