//! The client against peers on loopback.

mod bounds;
mod chaos;
mod connecting;
mod drivers;
mod peers;
mod peers_that_misbehave;
mod pipelining;
mod prepared;
mod probing;
mod reading;
mod sealing;
mod sockets;
mod staging;
mod streams;
mod telling;
mod together;
