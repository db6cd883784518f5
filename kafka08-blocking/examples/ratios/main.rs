//! Compares the blocking client with the least hand-written code that does the same job, in the same run.
//!
//! ```sh
//! cargo run --release -p kafka08-blocking --example ratios            # everything
//! cargo run --release -p kafka08-blocking --example ratios -- small   # or: consume, bulk, small, produce
//! ```
//!
//! Absolute figures hold for the machine and the minute they were taken in; only the ratios mean something elsewhere. The
//! peer is this program again, as a process of its own. Client and peer each keep to one processor. `RATIOS_ROUNDS=21` in
//! the environment takes 21 rounds instead of 9, for a machine that has other work.

mod bulk;
mod consume;
mod floor;
mod inbox;
mod measure;
mod ours;
mod peer;
mod produce;
mod requests;
mod small;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    match measure::main(&[
        ("consume", consume::run),
        ("bulk", bulk::run),
        ("small", small::run),
        ("produce", produce::run),
    ]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratios: {error}");
            ExitCode::FAILURE
        }
    }
}
