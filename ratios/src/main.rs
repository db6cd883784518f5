//! Compares the producers of kafka08 with librdkafka, in the same run and beside the same broker.
//!
//! ```sh
//! .ci/long producer-ratios            # builds both, and runs everything
//! .ci/long producer-ratios outcomes   # or: sets
//! ```
//!
//! Absolute figures hold for the machine and the minute they were taken in; only the ratios mean something elsewhere. The
//! broker is this program again, as a process of its own that acknowledges everything and keeps nothing. Client and broker each
//! keep to one processor. librdkafka is the program of `LIBRDKAFKA_PRODUCER` in the environment, which is made from
//! `ratios/librdkafka/producer.c`. `RATIOS_ROUNDS=21` takes 21 rounds instead of 9, for a machine that has other work.
//! `RATIOS_BROKER=1` says how much CPU time the broker has used beside each run.

mod floor;
mod librdkafka;
mod machine;
#[path = "../../kafka08-blocking/examples/ratios/measure.rs"]
mod measure;
mod on_blocking;
mod on_tokio;
mod outcomes;
mod peer;
mod sets;
#[path = "../../kafka08-client/examples/mio_producer/sockets.rs"]
mod sockets;

use std::process::ExitCode;

fn main() -> ExitCode {
    match measure::main(&[("outcomes", outcomes::run), ("sets", sets::run)]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka08-ratios: {error}");
            ExitCode::FAILURE
        }
    }
}
