//! The client against peers on loopback.

mod bounds;
mod connecting;
mod peers;
mod peers_that_misbehave;
mod pipelining;
mod prepared;
mod sealing;
mod staging;
mod streams;
mod telling;
mod together;
