//! Talks to a broker behind a TLS proxy with the tokio client.
//!
//! ```sh
//! cargo run -p kafka08-examples --features tls --example tls_tokio               # an embedded broker behind a proxy
//! cargo run -p kafka08-examples --features tls --example tls_tokio -- proxy.example.org:9093 roots.pem
//! ```
//!
//! What is particular to TLS is in `src/tls/tokio.rs`.

use std::{env, error::Error, fs, process::ExitCode};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_examples::tls::{self, Terminator};
use kafka08_tokio::proto::{ClientConfig, api::MetadataRequest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls_tokio: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let broker = Server::start(BrokerConfig::default())?;
            let proxy = Terminator::start("localhost", broker.address())?;
            ask(&format!("localhost:{}", proxy.address().port()), proxy.certificate()).await
        }
        [target, roots] => ask(target, &fs::read(roots).map_err(|error| format!("{roots}: {error}"))?).await,
        _ => Err("usage: tls_tokio [HOST:PORT ROOTS.pem]".into()),
    }
}

async fn ask(target: &str, roots: &[u8]) -> Result<(), Box<dyn Error>> {
    let client = tls::tokio::connect(target.parse()?, tls::trust(roots)?, ClientConfig::default()).await?;
    let first = client.send(&MetadataRequest::of(["access-log"])).await?;
    let second = client.send(&MetadataRequest::all()).await?;
    println!("{:?} and {:?} are on their way to {target} through TLS", first.id(), second.id());
    println!("{} topics in all", second.await?.topics().len());
    println!("{} topic by name", first.await?.topics().len());
    // Says goodbye to the proxy. If the program just ends, the proxy sees a stream that was cut off.
    client.close().await;
    Ok(())
}
