//! How many calls a cluster takes at once.

use std::{future::poll_fn, task::Poll, time::Duration};

use futures_util::future::join_all;
use kafka08_async::{Cluster, ClusterCallError, proto::api::ListOffsetsRequest};

use super::{NODES, PARTITIONS, all, assert_whole, brokers, config};
use crate::runtimes::On;

/// The bound of the machine.
const MOST: usize = 10_000;

async fn ten_thousand_calls_at_once_are_all_answered_and_one_more_is_refused<H: On>() {
    let server = brokers();
    // As long as the test may take.
    let limit = Duration::from_secs(600);
    let config = config().with_call_timeout(limit).with_request_timeout(limit).with_silence(limit);
    let cluster = Cluster::<H::Rt>::connect([server.bootstrap()], config).await.expect("the brokers listen");
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let partitions = (0..i32::from(PARTITIONS)).cycle();
    let requests: Vec<_> = partitions.map(|at| ListOffsetsRequest::latest([("t", at)])).take(MOST).collect();
    let mut calls = Box::pin(join_all(requests.iter().map(|request| cluster.call(request))));
    let is_pending = poll_fn(|cx| Poll::Ready(calls.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending, "nobody answers");
    assert_eq!(cluster.stats().calls, MOST);
    let refused = cluster.call(&all()).await.expect_err("as many are open as may be");
    assert!(matches!(refused, ClusterCallError::Busy), "{refused}");
    assert_eq!(cluster.stats().calls, MOST, "what is refused is not kept");
    for node in NODES {
        server.with(|brokers, now| brokers.resume(node, now));
    }
    let mut answered = 0;
    for (answer, request) in calls.await.into_iter().zip(&requests) {
        let answer = answer.expect("its leader answers");
        let (topic, partition, _) = request.topics.iter().next().expect("one");
        assert_eq!(answer.topics.len(), 1);
        answer.partition(topic, partition).expect("it is the one that was asked for");
        answered += 1;
    }
    assert_eq!((answered, cluster.stats().calls), (MOST, 0));
    assert_whole(&cluster.call(&all()).await.expect("there is room again"));
}

async fn ten_thousand_calls_that_are_dropped_leave_nothing<H: On>() {
    let server = brokers();
    let cluster = Cluster::<H::Rt>::connect([server.bootstrap()], config()).await.expect("the brokers listen");
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let request = ListOffsetsRequest::latest([("t", 0)]);
    let mut calls = Box::pin(join_all((0..MOST).map(|_| cluster.call(&request))));
    let is_pending = poll_fn(|cx| Poll::Ready(calls.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending, "nobody answers");
    drop(calls);
    assert_eq!(cluster.stats().calls, 0);
    for node in NODES {
        server.with(|brokers, now| brokers.resume(node, now));
    }
    assert_whole(&cluster.call(&all()).await.expect("there is room"));
    // Those that stood in line behind others were withdrawn.
    let served = server.seen().len();
    assert!(served < MOST / 10, "{served} requests were served");
}

on_each_runtime! {
    ten_thousand_calls_at_once_are_all_answered_and_one_more_is_refused,
    ten_thousand_calls_that_are_dropped_leave_nothing,
}
