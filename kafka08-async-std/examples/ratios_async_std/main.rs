//! Compares the client on async-std and on smol with a raw echo in the same run: 64 small requests in flight.
//!
//! ```sh
//! cargo run --release -p kafka08-async-std --features smol --example ratios_async_std
//! ```
//!
//! Both runtimes move bytes on threads of their own, beside the thread that waits. Only the ratios mean something elsewhere.
//! The peer is this program again, as a process of its own. Client and peer each keep to one processor.

#[path = "../../../kafka08-blocking/examples/ratios/measure.rs"]
mod measure;
#[expect(dead_code, reason = "other examples use the rest of it")]
#[path = "../../../kafka08-blocking/examples/ratios/peer.rs"]
mod peer;
#[expect(dead_code, reason = "other examples use the rest of it")]
#[path = "../../../kafka08-blocking/examples/ratios/requests.rs"]
mod requests;
#[expect(dead_code, reason = "other examples use the rest of it")]
#[path = "../../../kafka08-blocking/examples/ratios/wire.rs"]
mod wire;

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::ExitCode,
};

use kafka08_async_std::proto::ClientConfig;
use measure::{Meter, Per, Race, Ratio, Result, Sample};
use peer::Kind;

const REQUEST: usize = 64;
const IN_FLIGHT: usize = 64;
/// Rounds of [`IN_FLIGHT`] requests in one run.
const BATCHES: usize = 500;

fn main() -> ExitCode {
    match measure::main(&[("small", small)]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratios_async_std: {error}");
            ExitCode::FAILURE
        }
    }
}

fn small() -> Result<()> {
    let ratio = |of, per, goal| Ratio { of, to: "raw echo", per, goal };
    Race::new("64 small requests in flight", "requests")
        .lane("raw echo", Kind::Echo, 0, raw)
        .lane("async-std", Kind::Broker, 0, |address| {
            async_std::task::block_on(async {
                one_task(&kafka08_async_std::Client::connect(address, config()).await?).await
            })
        })
        .lane("smol", Kind::Broker, 0, |address| {
            smol::block_on(async {
                one_task(&kafka08_async_std::smol::Client::connect(address, config()).await?).await
            })
        })
        .run(&[
            ratio("async-std", Per::CpuSecond, Some(0.5)),
            ratio("async-std", Per::WallSecond, Some(0.5)),
            ratio("smol", Per::CpuSecond, Some(0.5)),
            ratio("smol", Per::WallSecond, Some(0.5)),
        ])
}

fn config() -> ClientConfig {
    ClientConfig::default()
}

fn raw(address: &str) -> Result<Sample> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let output = [7; REQUEST * IN_FLIGHT];
    let mut input = [0; REQUEST * IN_FLIGHT];
    let meter = Meter::start();
    for _ in 0..BATCHES {
        stream.write_all(&output)?;
        stream.read_exact(&mut input)?;
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// One task sends a request for each answer that it takes.
async fn one_task<Rt: kafka08_async::Runtime>(client: &kafka08_async::Client<Rt>) -> Result<Sample> {
    let request = requests::small();
    let mut pending = VecDeque::new();
    let meter = Meter::start();
    for _ in 0..IN_FLIGHT {
        pending.push_back(client.send(&request).await?);
    }
    for sent in IN_FLIGHT..(BATCHES + 1) * IN_FLIGHT {
        let answer = pending.pop_front().ok_or("nothing is in flight")?.await?;
        if sent < BATCHES * IN_FLIGHT {
            pending.push_back(client.send(&request).await?);
        }
        requests::check_small(&answer)?;
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}
