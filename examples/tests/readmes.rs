//! Runs the Rust examples of the READMEs against the embedded broker. `build.rs` extracts them.

use std::error::Error;

use kafka08_broker::{BrokerConfig, Server};

/// Starts a broker that has the topic of the examples.
fn start() -> Result<Server, Box<dyn Error>> {
    Ok(Server::start(BrokerConfig::default().with_topic("access-log", 2))?)
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

#[test]
fn the_example_of_the_async_std_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    async_std::task::block_on(async { include!(concat!(env!("OUT_DIR"), "/async_std.rs")) })
}

#[test]
fn the_ten_lines_run_on_one_thread() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/ten_lines_one_thread.rs"))
}

#[test]
fn the_ten_lines_run_on_many_threads() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/ten_lines_many_threads.rs"))
}

#[tokio::test]
async fn the_ten_lines_run_on_tokio() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/ten_lines_tokio.rs"))
}

#[test]
fn the_ten_lines_run_on_async_std() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    async_std::task::block_on(async { include!(concat!(env!("OUT_DIR"), "/ten_lines_async_std.rs")) })
}

#[test]
fn the_ten_lines_run_on_smol() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    smol::block_on(async { include!(concat!(env!("OUT_DIR"), "/ten_lines_smol.rs")) })
}

#[test]
fn the_ten_lines_run_in_a_loop_of_ones_own() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/own_loop.rs"))
}

#[tokio::test]
async fn the_producer_runs_on_tokio() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/producer_tokio.rs"))
}

#[test]
fn the_producer_runs_on_many_threads() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/producer_threads.rs"))
}

#[tokio::test]
async fn the_consumer_runs_on_tokio() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/consumer_tokio.rs"))
}

#[test]
fn the_consumer_runs_on_many_threads() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/consumer_threads.rs"))
}

#[tokio::test]
async fn the_cluster_runs_on_tokio() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/cluster_tokio.rs"))
}

#[test]
fn the_cluster_runs_on_many_threads() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/cluster_threads.rs"))
}

#[test]
fn the_cluster_of_the_blocking_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/blocking_cluster.rs"))
}

#[tokio::test]
async fn the_cluster_of_the_tokio_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/tokio_cluster.rs"))
}

#[test]
fn the_cluster_of_the_async_std_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    async_std::task::block_on(async { include!(concat!(env!("OUT_DIR"), "/async_std_cluster.rs")) })
}

#[test]
fn the_consumer_of_the_blocking_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/blocking_consumer.rs"))
}

#[tokio::test]
async fn the_consumer_of_the_tokio_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/tokio_consumer.rs"))
}

#[test]
fn the_consumer_of_the_async_std_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    async_std::task::block_on(async { include!(concat!(env!("OUT_DIR"), "/async_std_consumer.rs")) })
}

#[test]
fn the_producer_of_the_blocking_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/blocking_producer.rs"))
}

#[tokio::test]
async fn the_producer_of_the_tokio_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/tokio_producer.rs"))
}

#[test]
fn the_producer_of_the_async_std_client_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    async_std::task::block_on(async { include!(concat!(env!("OUT_DIR"), "/async_std_producer.rs")) })
}

#[test]
fn the_proxy_runs() -> Result<(), Box<dyn Error>> {
    let server = start()?;
    let broker = &server.host_port();
    include!(concat!(env!("OUT_DIR"), "/server.rs"))
}
