//! Compares the producers and consumers of kafka08 with librdkafka and the `kafka` crate, in the same run and beside the same
//! broker.
//!
//! ```sh
//! .ci/long producer-ratios            # builds both, and runs everything
//! .ci/long producer-ratios outcomes   # or: sets
//! .ci/long consumer-ratios            # or with: reading, kafka
//! ```
//!
//! Absolute figures hold for the machine and the minute they were taken in; only the ratios mean something elsewhere. The
//! broker is this program again, as a process of its own that acknowledges everything and keeps nothing, or has a log to read.
//! Client and broker each keep to one processor. librdkafka is the programs of `LIBRDKAFKA_PRODUCER` and `LIBRDKAFKA_CONSUMER` in
//! the environment, which are made from `ratios/librdkafka`. `RATIOS_ROUNDS=21` takes 21 rounds instead of 9, for a machine that has other work.
//! `RATIOS_BROKER=1` says how much CPU time the broker has used beside each run.

mod floor;
mod kafka_crate;
mod librdkafka;
mod log;
mod machine;
#[path = "../../kafka08-blocking/examples/ratios/measure.rs"]
mod measure;
mod on_blocking;
mod on_tokio;
mod outcomes;
mod peer;
mod readers;
mod reading;
mod sets;
#[path = "../../kafka08-client/examples/mio_producer/sockets.rs"]
mod sockets;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases: [measure::Case; 4] =
        [("outcomes", outcomes::run), ("sets", sets::run), ("reading", reading::run), ("kafka", kafka_crate::run)];
    match measure::main(&cases) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka08-ratios: {error}");
            ExitCode::FAILURE
        }
    }
}
