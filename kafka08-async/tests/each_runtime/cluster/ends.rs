//! How a cluster ends, and what is left of it.

use std::time::Duration;

use kafka08_async::{
    Cluster, ClusterCallError,
    kafka08_client::error::Cause,
    proto::{
        Fate,
        api::ProduceRequest,
        ids::{Acks, Millis},
        message::MessageSet,
    },
};

use super::{NODES, all, assert_left, assert_whole, brokers, config, connect};
use crate::runtimes::{On, OneThread, sleep};

fn cause<T>(error: ClusterCallError<T>) -> (Cause, Fate) {
    match error {
        ClusterCallError::Failed(failure) => (failure.cause, failure.fate),
        ClusterCallError::Partial { failed, .. } => {
            let (_, failure) = failed.into_iter().next().expect("one has failed");
            (failure.cause, failure.fate)
        }
        _ => panic!("the call was refused"),
    }
}

async fn a_cluster_that_is_closed_has_no_connections_and_takes_no_calls<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let other = cluster.clone();
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    cluster.close().await;
    assert!(other.is_closed());
    assert_left(&server);
    let error = other.call(&all()).await.expect_err("it was closed");
    assert_eq!(error.to_string(), "the client was closed (0 attempts, the request can safely be sent again)");
    // A second time ends at once.
    other.close().await;
}

async fn open_calls_end_when_the_cluster_is_closed<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let produce = ProduceRequest::new(Acks::ALL, Millis(10_000)).with("t", 0, MessageSet::of_value(b"v"));
    let calling = H::spawn({
        let cluster = cluster.clone();
        async move { (cluster.call(&all()).await, cluster.clone()) }
    });
    let producing = H::spawn({
        let cluster = cluster.clone();
        async move { cluster.call(&produce).await }
    });
    while cluster.stats().links.in_flight < 4 {
        sleep::<H>(Duration::from_millis(5)).await;
    }
    // The produce was written by then.
    sleep::<H>(Duration::from_millis(200)).await;
    cluster.close().await;
    let (called, _) = calling.await;
    assert_eq!(cause(called.expect_err("nobody answers")), (Cause::Closed, Fate::NotApplied));
    assert_eq!(cause(producing.await.expect_err("nobody answers")), (Cause::Closed, Fate::MaybeApplied));
}

async fn when_the_last_handle_is_dropped_nothing_is_left<H: On>() {
    let server = brokers();
    for _ in 0..5 {
        let cluster = connect::<H>(&server).await;
        let other = cluster.clone();
        drop(cluster);
        assert_whole(&other.call(&all()).await.expect("a handle is left"));
        assert!(server.with(|brokers, _| brokers.connections()) >= 3);
        drop(other);
        // The task needs the thread of this test.
        while server.with(|brokers, _| brokers.connections()) > 0 {
            sleep::<H>(Duration::from_millis(5)).await;
        }
    }
}

async fn a_cluster_that_was_never_connected_leaves_nothing<H: On>() {
    let server = brokers();
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let config = config().with_connect_timeout(Duration::from_millis(100));
    let connecting = Cluster::<H::Rt>::connect([server.bootstrap()], config);
    connecting.await.expect_err("nobody answers");
    // A broker that is paused does not see that a connection has ended.
    for node in NODES {
        server.with(|brokers, now| brokers.resume(node, now));
    }
    while server.with(|brokers, _| brokers.connections()) > 0 {
        sleep::<H>(Duration::from_millis(5)).await;
    }
}

/// Only tokio's runtimes can be shut down while others go on.
#[test]
fn calls_end_when_the_runtime_of_the_cluster_is_shut_down() {
    let server = brokers();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let cluster = runtime.block_on(connect::<OneThread>(&server));
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let call = std::thread::spawn({
        let cluster = cluster.clone();
        move || smol::block_on(cluster.call(&all()))
    });
    while cluster.stats().calls == 0 {
        std::thread::yield_now();
    }
    runtime.shutdown_timeout(Duration::from_secs(10));
    let open = cause(call.join().expect("no panic").expect_err("nobody answers"));
    assert_eq!(open, (Cause::Abandoned, Fate::NotApplied));
    assert_eq!(cause(smol::block_on(cluster.call(&all())).expect_err("the task is gone")), open);
    assert!(cluster.is_closed());
    // It ends at once.
    smol::block_on(cluster.close());
}

on_each_runtime! {
    a_cluster_that_is_closed_has_no_connections_and_takes_no_calls,
    open_calls_end_when_the_cluster_is_closed,
    when_the_last_handle_is_dropped_nothing_is_left,
    a_cluster_that_was_never_connected_leaves_nothing,
}
