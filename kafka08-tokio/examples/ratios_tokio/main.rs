//! Compares the tokio client with the least hand-written tokio code that does the same job, in the same run. Both run on a
//! current-thread runtime.
//!
//! ```sh
//! cargo run --release -p kafka08-tokio --example ratios_tokio            # everything
//! cargo run --release -p kafka08-tokio --example ratios_tokio -- small   # or: consume, bulk, small, produce
//! ```
//!
//! Absolute figures hold for the machine and the minute they were taken in; only the ratios mean something elsewhere. The
//! peer is this program again, as a process of its own. Client and peer each keep to one processor. `RATIOS_ROUNDS=21` in
//! the environment takes 21 rounds instead of 9, for a machine that has other work.

mod bulk;
mod consume;
mod floor;
#[path = "../../../kafka08-blocking/examples/ratios/inbox.rs"]
mod inbox;
#[path = "../../../kafka08-blocking/examples/ratios/measure.rs"]
mod measure;
mod ours;
#[path = "../../../kafka08-blocking/examples/ratios/peer.rs"]
mod peer;
mod produce;
#[path = "../../../kafka08-blocking/examples/ratios/requests.rs"]
mod requests;
mod small;
#[path = "../../../kafka08-blocking/examples/ratios/wire.rs"]
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
            eprintln!("ratios_tokio: {error}");
            ExitCode::FAILURE
        }
    }
}
