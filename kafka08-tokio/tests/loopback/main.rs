//! The client against peers on loopback, which are those that the blocking client is tested with.

#[path = "../../../kafka08-blocking/tests/loopback/peers.rs"]
mod peers;
mod peers_that_misbehave;
mod pipelining;
mod probing;
