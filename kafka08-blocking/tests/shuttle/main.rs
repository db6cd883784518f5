//! Models of what threads do with one client, with a cluster, with a producer and with a consumer, run under many schedules. They are built only with `--cfg shuttle`:
//!
//! ```sh
//! RUSTFLAGS='--cfg shuttle' cargo test --release -p kafka08-blocking --test shuttle
//! ```
//!
//! The locks, threads and atomics of the client are those of shuttle then. The socket is a pipe in memory that holds a few bytes, so
//! that writes are partial, and the I/O thread parks instead of sleeping in `poll(2)`. For the clients of one broker time stands
//! still: no deadline comes. For the others short pauses end at any moment, and long ones never.
//! `KAFKA08_SCHEDULES` in the environment says how many schedules each model takes; 1,000 if it is not set.

#![cfg(shuttle)]

mod bell;
mod board;
mod clients;
mod clusters;
mod consumers;
mod model;
mod pipe;
mod producers;
mod world;

use std::env;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
};

/// Runs a model under so many random schedules, and as many with three changes of priority each.
fn check(model: fn()) {
    let schedules = env::var("KAFKA08_SCHEDULES").ok().and_then(|number| number.parse().ok()).unwrap_or(1000);
    Runner::new(RandomScheduler::new(schedules), Config::new()).run(model);
    Runner::new(PctScheduler::new(3, schedules), Config::new()).run(model);
}
