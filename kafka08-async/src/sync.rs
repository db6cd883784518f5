//! The locks, threads and atomics that handles use: those of `std`, or those of `shuttle`, which tries many schedules.
//!
//! `Arc` is that of `std` in both cases, because wakers need it.

pub use std::sync::PoisonError;

#[cfg(not(shuttle))]
pub use std::{
    sync::{Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(shuttle)]
pub use shuttle::{
    sync::{Mutex, MutexGuard, atomic},
    thread,
};
