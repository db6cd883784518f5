//! Asks for the end of each partition's log in one call, which goes to the leader of each partition.
//!
//! Without arguments, the example starts three embedded brokers. With `--broker HOST:PORT`, it connects to a real cluster.

use std::{env, error::Error, process::ExitCode};

use kafka08_async_std::{
    Cluster, ClusterConfig,
    proto::api::{ListOffsetsRequest, MetadataRequest},
};
use kafka08_broker::{BrokerConfig, Server};

fn main() -> ExitCode {
    match async_std::task::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ask_leaders_async_std: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (_servers, brokers) = brokers()?;
    // One broker that answers is enough. The others are found when they are needed.
    let cluster = Cluster::connect([brokers], ClusterConfig::default()).await?;

    // Asking for all topics creates none.
    let metadata = cluster.call(&MetadataRequest::all()).await?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (topic.name.clone(), partition.partition)));

    // One call, whatever the number of leaders. Leaders that have moved meanwhile are found.
    let ends = cluster.call(&ListOffsetsRequest::latest(partitions)).await?;
    for (topic, partition, end) in ends.topics.iter() {
        end.error.ok()?;
        let end = end.offsets.first().ok_or("the leader sent no end offset")?;
        match cluster.with_view(|view| view.leader(topic.as_str(), partition)) {
            Ok(node) => println!("{topic}/{partition} ends at {end}, and broker {node} leads it"),
            Err(problem) => println!("{topic}/{partition} ends at {end}, and has no leader any more: {problem:?}"),
        }
    }
    let stats = cluster.stats();
    println!("{} connections are open, and {} requests were sent again", stats.links.ready, stats.retries);
    cluster.close().await;
    Ok(())
}

/// Starts embedded brokers, or returns the address that the command line names.
fn brokers() -> Result<(Option<Server>, String), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let config = BrokerConfig::default().with_brokers(3).with_topic("page-views", 6).with_topic("sign-ups", 2);
            let servers = Server::start(config)?;
            let brokers = servers.bootstrap();
            println!("embedded brokers listen at {brokers}");
            Ok((Some(servers), brokers))
        }
        [option, brokers] if option == "--broker" => Ok((None, brokers.clone())),
        _ => Err("usage: ask_leaders_async_std [--broker HOST:PORT]".into()),
    }
}
