//! Talks to a broker behind a TLS proxy with the blocking client.
//!
//! ```sh
//! cargo run -p kafka08-examples --features tls --example tls_blocking            # an embedded broker behind a proxy
//! cargo run -p kafka08-examples --features tls --example tls_blocking -- proxy.example.org:9093 roots.pem
//! ```
//!
//! What is particular to TLS is in `src/tls/`: `blocking.rs` connects, and `stream.rs` has the stream that the client takes.

use std::{env, error::Error, fs, process::ExitCode};

use kafka08_blocking::proto::{ClientConfig, api::MetadataRequest};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_examples::tls::{self, Terminator};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls_blocking: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let broker = Server::start(BrokerConfig::default())?;
            let proxy = Terminator::start("localhost", broker.address())?;
            ask(&format!("localhost:{}", proxy.address().port()), proxy.certificate())
        }
        [target, roots] => ask(target, &fs::read(roots).map_err(|error| format!("{roots}: {error}"))?),
        _ => Err("usage: tls_blocking [HOST:PORT ROOTS.pem]".into()),
    }
}

fn ask(target: &str, roots: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut client = tls::blocking::connect(target.parse()?, tls::trust(roots)?, ClientConfig::default())?;
    let first = client.send(&MetadataRequest::of(["access-log"]))?;
    let second = client.send(&MetadataRequest::all())?;
    println!("{:?} and {:?} are on their way to {target} through TLS", first.id(), second.id());
    println!("{} topics in all", client.wait(second)?.topics().len());
    println!("{} topic by name", client.wait(first)?.topics().len());
    Ok(())
}
