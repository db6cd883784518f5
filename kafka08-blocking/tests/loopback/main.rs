//! The client against peers on loopback.

mod peers;
mod peers_that_misbehave;
mod pipelining;
mod streams;
