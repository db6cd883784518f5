//! The client of a cluster, on each runtime, with three embedded brokers.

mod bounds;
mod calls;
mod connecting;
mod dropping;
mod ends;

use std::time::Duration;

pub(crate) use dropping::OfCluster;

use kafka08_async::{
    Cluster, ClusterConfig,
    kafka08_client::cluster::Routed,
    proto::{
        api::{ListOffsetsRequest, ListOffsetsResponse},
        ids::{NodeId, Offset},
    },
};
use kafka08_broker::{BrokerConfig, Server};

use crate::runtimes::On;

/// The partitions of the topic "t".
const PARTITIONS: u16 = 6;

/// Three brokers with a topic whose partitions they lead in turn.
fn brokers() -> Server {
    let config = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", PARTITIONS);
    Server::start(config).expect("free ports")
}

/// Settings with short pauses, so that tests are short.
fn config() -> ClusterConfig {
    ClusterConfig::default().with_refresh_pause(Duration::from_millis(20))
}

async fn connect<H: On>(server: &Server) -> Cluster<H::Rt> {
    Cluster::connect([server.bootstrap()], config()).await.expect("the brokers listen")
}

/// Asks for the end of each partition, which is led by all three brokers.
fn all() -> ListOffsetsRequest {
    ListOffsetsRequest::latest((0..i32::from(PARTITIONS)).map(|partition| ("t", partition)))
}

/// The answer has each partition, whose log is empty.
fn assert_whole(answer: &ListOffsetsResponse) {
    for partition in 0..i32::from(PARTITIONS) {
        let found = answer.partition("t", partition).expect("it is listed and has no error");
        assert_eq!(found.offsets, [Offset(0)], "partition {partition}");
    }
}

/// The text of the error of a call.
async fn refused<H: On, R: Routed>(cluster: &Cluster<H::Rt>, request: &R) -> String
where
    R::Response: std::fmt::Debug,
{
    cluster.call(request).await.expect_err("it cannot be answered").to_string()
}

/// Waits until the brokers have no connection any more.
fn assert_left(server: &Server) {
    let limit = Duration::from_secs(10);
    server.wait_until(limit, |brokers| brokers.connections() == 0).expect("the client has closed its connections");
}

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
