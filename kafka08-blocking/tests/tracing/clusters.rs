//! What `tracing` is told of a cluster.

use std::thread;

use kafka08_blocking::{
    Cluster, ClusterConfig,
    kafka08_client::cluster::Route,
    proto::{
        api::{ListOffsetsRequest, MetadataRequest},
        error_code::ErrorCode,
        ids::{ApiKey, NodeId},
    },
};
use kafka08_broker::{BrokerConfig, Rule, Server};

use crate::lines::lines;

#[test]
fn retries_look_ups_leaders_that_move_and_failed_connects_are_told_with_their_counts_and_the_cluster() {
    let lines = lines();
    let config = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 6);
    let server = Server::start(config).expect("free ports");
    server
        .add_rule(Rule::on(ApiKey::LIST_OFFSETS).partition(0).once().refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION));
    let ends = ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)));
    let span = format!("[cluster bootstrap=\"{}\"]", server.bootstrap());

    let cluster = Cluster::connect([server.bootstrap()], ClusterConfig::default()).expect("the brokers listen");
    let used = cluster.clone();
    // Each of these locks the cluster.
    lines.use_in_each_event(move || drop((used.stats(), used.is_closed(), used.view())));
    cluster.call(&ends).expect("each leader answers in the end");
    lines.wait_for(&[&span, "=requests were sent again", " retries=1"]);
    lines.wait_for(&[&span, "=leaders of partitions were learned", " leader_moves=6"]);

    let leader = server.with(|brokers, _| brokers.leader("t", 1)).expect("it has a leader");
    let next = NodeId(leader.0 % 3 + 1);
    server.with(|brokers, now| brokers.move_leader("t", 1, next, now)).expect("it exists");
    cluster.call(&ends).expect("the next leader answers");
    lines.wait_for(&[&span, "=leaders of partitions were learned", " leader_moves=1"]);
    lines.wait_for_sum(&[&span, "=requests were sent again"], "retries", cluster.stats().retries);
    lines.wait_for_sum(&[&span, "=metadata was asked for"], "refreshes", cluster.stats().refreshes);

    server.kill(next);
    // Until the cluster is closed, this needs the broker. Without it nothing may: a connection that ends before the next call
    // has told of it is not made again.
    let needs = cluster.clone();
    let asking = thread::spawn(move || needs.call_at(Route::Node(next), &MetadataRequest::all()));
    cluster.call(&ends).expect("the others answer");
    lines.wait_for(&[&span, "=brokers could not be connected to", " failed="]);
    let address = server.address_of(next).expect("a broker").to_string();
    lines.wait_for(&["[connect", &address, "=connecting failed", " elapsed=", " error=", "refused"]);
    cluster.close();
    asking.join().expect("no panic").expect_err("the broker is gone");
}
