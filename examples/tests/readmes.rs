//! Runs the Rust examples of the READMEs against the embedded broker. `build.rs` extracts them.

use std::error::Error;

use kafka08_blocking::{
    Client,
    proto::{ClientConfig, api::MetadataRequest},
};
use kafka08_broker::{BrokerConfig, Server};

/// Starts a broker that has the topic of the examples.
fn start() -> Result<Server, Box<dyn Error>> {
    let server = Server::start(BrokerConfig::default().with_leaderless_answers(0))?;
    Client::connect(&server.host_port(), ClientConfig::default())?.call(&MetadataRequest::of(["access-log"]))?;
    Ok(server)
}

#[test]
fn the_example_of_the_workspace_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/workspace.rs"))
}

#[test]
fn the_example_of_the_blocking_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/blocking.rs"))
}

#[tokio::test]
async fn the_example_of_the_tokio_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/tokio.rs"))
}
