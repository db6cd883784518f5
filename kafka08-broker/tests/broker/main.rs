//! The broker's state machine, in virtual time and without sockets.

mod bounds;
mod elections;
mod fetch;
mod list_offsets;
mod metadata;
mod produce;
#[path = "../rig/mod.rs"]
mod rig;
