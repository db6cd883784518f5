//! The broker's state machine, in virtual time and without sockets.

mod fetch;
mod list_offsets;
mod metadata;
mod produce;
mod rig;
