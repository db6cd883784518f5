//! The client of a cluster on threads, with three embedded brokers.

use std::{sync::mpsc, thread, time::Duration};

use kafka08_blocking::{
    Cluster, ClusterConfig,
    proto::{
        api::{ListOffsetsRequest, ListOffsetsResponse},
        ids::{NodeId, Offset},
    },
};
use kafka08_broker::{BrokerConfig, Server};

const LIMIT: Duration = Duration::from_secs(10);

fn brokers() -> Server {
    Server::start(BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 6)).expect("free ports")
}

fn connect(server: &Server) -> Cluster {
    Cluster::connect([server.bootstrap()], ClusterConfig::default()).expect("the brokers listen")
}

fn all() -> ListOffsetsRequest {
    ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))
}

fn assert_whole(answer: &ListOffsetsResponse) {
    for partition in 0..6 {
        assert_eq!(answer.partition("t", partition).expect("it has no error").offsets, [Offset(0)]);
    }
}

#[test]
fn many_threads_ask_all_leaders_with_one_handle_while_a_broker_is_killed() {
    let server = brokers();
    let cluster = connect(&server);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_whole(&cluster.call(&all()).expect("leaders answer"));
                }
            });
        }
        server.kill(NodeId(2));
    });
    assert_eq!(cluster.stats().calls, 0);
}

#[test]
fn a_closed_cluster_has_no_connections_and_takes_no_calls() {
    let server = brokers();
    let cluster = connect(&server);
    assert_whole(&cluster.call(&all()).expect("all leaders answer"));
    cluster.clone().close();
    assert!(cluster.is_closed());
    server.wait_until(LIMIT, |brokers| brokers.connections() == 0).expect("they are closed");
    let error = cluster.call(&all()).expect_err("it was closed").to_string();
    assert_eq!(error, "the client was closed (0 attempts, the request can safely be sent again)");
}

#[test]
fn a_call_on_another_thread_ends_when_the_cluster_is_closed() {
    let server = brokers();
    let cluster = connect(&server);
    for node in 1..=3 {
        server.with(|brokers, now| brokers.pause(NodeId(node), now));
    }
    thread::scope(|scope| {
        let calling = scope.spawn(|| cluster.call(&all()));
        thread::sleep(Duration::from_millis(100));
        cluster.close();
        let text = calling.join().expect("no panic").expect_err("nobody answers").to_string();
        assert!(text.contains("the client was closed"), "{text}");
    });
}

#[test]
fn when_the_last_handle_is_dropped_the_connections_close() {
    let server = brokers();
    let cluster = connect(&server);
    assert_whole(&cluster.call(&all()).expect("all leaders answer"));
    drop(cluster);
    server.wait_until(LIMIT, |brokers| brokers.connections() == 0).expect("they are closed");
}

#[test]
fn a_look_at_the_view_may_use_the_handle() {
    let server = brokers();
    let cluster = connect(&server);
    cluster.call(&all()).expect("all leaders answer");
    let (sender, looked) = mpsc::channel();
    thread::spawn(move || {
        let calls = cluster.with_view(|view| {
            assert!(view.topic("t").is_some());
            cluster.call(&all()).expect("all leaders answer");
            cluster.stats().calls
        });
        sender.send(calls).expect("the test waits");
    });
    // A lock that is held meanwhile would make it wait for ever.
    assert_eq!(looked.recv_timeout(LIMIT), Ok(0));
}

#[test]
fn a_list_of_which_nobody_answers_fails_at_once() {
    // Nobody listens at the port of the system that is reserved.
    let text = Cluster::connect(["127.0.0.1:1"], ClusterConfig::default()).expect_err("nobody listens").to_string();
    let begin = "no broker could be reached: cannot connect to 127.0.0.1:1 (127.0.0.1:1: ";
    assert!(text.starts_with(begin) && text.contains("check that a broker listens there"), "{text}");
}
