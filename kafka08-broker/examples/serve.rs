//! Runs an embedded broker for other clients at an address of your choice, until the standard input ends.
//!
//! ```sh
//! cargo run --example serve -- 127.0.0.1:9092
//! ```

use std::{env, error::Error, io, process::ExitCode};

use kafka08_broker::{BrokerConfig, Server};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let config = match env::args().nth(1) {
        Some(address) => BrokerConfig::default().with_listen(address.parse()?),
        None => BrokerConfig::default(),
    };
    let server = Server::start(config)?;
    println!("a Kafka 0.8 broker listens at {}", server.address());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    server.stop();
    Ok(())
}
