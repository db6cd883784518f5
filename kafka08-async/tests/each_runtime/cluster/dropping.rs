//! Dropping the future of any function of a cluster, after any number of polls, leaves a cluster that works, or none.

use kafka08_async::{
    Cluster,
    kafka08_client::cluster::Route,
    proto::{api::ListOffsetsRequest, ids::TopicPartition},
};

use super::{all, assert_left, assert_whole, brokers, config, connect};
use crate::{peers::poll_at_most, runtimes::On};

/// An async function of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfCluster {
    Connect,
    Call,
    CallAt,
    Close,
}

impl OfCluster {
    pub(crate) const ALL: [Self; 4] = [Self::Connect, Self::Call, Self::CallAt, Self::Close];

    /// The name in the sources, behind that of the module.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "cluster::connect",
            Self::Call => "cluster::call",
            Self::CallAt => "cluster::call_at",
            Self::Close => "cluster::close",
        }
    }
}

/// More polls than any future needs.
const POLLS: usize = 1000;

/// Runs a function to its end, which must be success.
async fn perform<H: On>(function: OfCluster, list: &str, cluster: &Cluster<H::Rt>) {
    match function {
        OfCluster::Connect => drop(Cluster::<H::Rt>::connect([list], config()).await.expect("they listen")),
        OfCluster::Call => assert_whole(&cluster.call(&all()).await.expect("all leaders answer")),
        OfCluster::CallAt => {
            let route = Route::Leader(TopicPartition::new("t", 0));
            cluster.call_at(route, &ListOffsetsRequest::latest([("t", 0)])).await.expect("its leader answers");
        }
        OfCluster::Close => cluster.close().await,
    }
}

async fn every_function_may_be_dropped_after_any_number_of_polls<H: On>() {
    let server = brokers();
    let list = server.bootstrap();
    for function in OfCluster::ALL {
        let mut polls = 0;
        loop {
            // A new one each time, so that the calls also meet a cluster that has to connect first.
            let cluster = connect::<H>(&server).await;
            let ended = poll_at_most(polls, perform::<H>(function, &list, &cluster)).await.is_some();
            if function == OfCluster::Close && polls > 0 {
                cluster.call(&all()).await.expect_err("it was closed");
                assert!(cluster.is_closed());
            } else {
                assert_whole(&cluster.call(&all()).await.expect("the cluster works"));
                assert_eq!(cluster.stats().calls, 0, "{function:?} after {polls} polls");
            }
            if ended {
                break;
            }
            polls += 1;
            assert!(polls < POLLS, "{function:?} does not end");
        }
    }
    assert_left(&server);
}

async fn a_call_that_is_dropped_is_given_up<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in super::NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    for _ in 0..100 {
        assert!(poll_at_most(1, cluster.call(&all())).await.is_none(), "nobody answers");
    }
    assert_eq!(cluster.stats().calls, 0);
    for node in super::NODES {
        server.with(|brokers, now| brokers.resume(node, now));
    }
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
}

on_each_runtime! {
    every_function_may_be_dropped_after_any_number_of_polls,
    a_call_that_is_dropped_is_given_up,
}
