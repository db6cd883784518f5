//! Calls that several brokers answer, while their leaders move.

use std::time::Duration;

use futures_util::future::join_all;
use kafka08_async::{
    Cluster, ClusterCallError, ClusterConfig,
    kafka08_client::{cluster::Route, error::Cause},
    proto::{
        Fate,
        api::{ListOffsetsRequest, MetadataRequest, ProduceRequest, Topics},
        ids::{Acks, ApiKey, Millis, TopicPartition},
        message::MessageSet,
    },
};
use kafka08_broker::Rule;

use super::{NODES, all, assert_whole, brokers, config, connect, refused};
use crate::runtimes::{On, sleep};

/// The time of calls that end by it. What must come before comes in it on a busy machine too.
const TIMEOUT: Duration = Duration::from_secs(2);

/// With it, a call ends before a broker is taken for silent, of which its error would tell instead.
fn ends_early() -> ClusterConfig {
    config().with_call_timeout(TIMEOUT).with_silence(10 * TIMEOUT)
}

async fn one_call_asks_all_leaders<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in NODES {
        let asked = server.seen().iter().filter(|seen| seen.node == node).count();
        assert!(asked > 0, "broker {node} was asked");
    }
    assert_eq!(cluster.with_view(|view| view.brokers().collect::<Vec<_>>()), NODES);
    assert!(cluster.stats().links.ready >= 3);
}

async fn a_leader_that_moves_is_found_while_calls_go_on<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    for to in NODES.into_iter().chain(NODES) {
        for partition in 0..6 {
            let moved = server.with(|brokers, now| brokers.move_leader("t", partition, to, now));
            moved.expect("the partition exists");
        }
        assert_whole(&cluster.call(&all()).await.expect("the leaders are found again"));
    }
    assert!(cluster.stats().leader_moves > 6);
}

async fn a_leader_that_is_killed_is_replaced_while_calls_go_on<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    for node in NODES {
        assert_whole(&cluster.call(&all()).await.expect("all are up"));
        server.kill(node);
        assert_whole(&cluster.call(&all()).await.expect("two are left, and lead all partitions"));
        server.start_again(node);
        // Its replicas follow again before the next leader is killed.
        sleep::<H>(Duration::from_millis(300)).await;
    }
    // The first six are those of the first look-up.
    assert!(cluster.stats().leader_moves > 6);
}

async fn many_tasks_use_one_handle<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let tasks = (0..200).map(|_| {
        let cluster = cluster.clone();
        H::spawn(async move {
            for _ in 0..5 {
                assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
            }
        })
    });
    join_all(tasks).await;
    assert_eq!(cluster.stats().calls, 0);
}

async fn a_produce_goes_to_each_leader_and_is_answered_with_its_offsets<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let produce = (0..6).fold(ProduceRequest::new(Acks::ALL, Millis(1000)), |request, partition| {
        request.with("t", partition, MessageSet::of_value(b"v"))
    });
    let answer = cluster.call(&produce).await.expect("all leaders answer");
    for (_, partition, produced) in answer.topics.iter() {
        assert!(produced.error.is_ok() && produced.offset.0 == 0, "{partition:?}: {produced:?}");
    }
    assert_eq!(answer.topics.iter().count(), 6);
}

async fn a_request_can_be_sent_to_one_broker<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let answer = cluster.call_at(Route::Any, &MetadataRequest::of(["t"])).await.expect("any broker answers");
    assert_eq!(answer.brokers().len(), 3);
    let leader = server.with(|brokers, _| brokers.leader("t", 0)).expect("it has a leader");
    let before = server.seen().iter().filter(|seen| seen.node == leader).count();
    let of = TopicPartition::new("t", 0);
    cluster.call_at(Route::Leader(of), &ListOffsetsRequest::latest([("t", 0)])).await.expect("its leader answers");
    cluster.call_at(Route::Node(leader), &MetadataRequest::of(["t"])).await.expect("it answers");
    let after = server.seen().iter().filter(|seen| seen.node == leader).count();
    assert!(after >= before + 2, "{before}, {after}");
}

async fn a_refresh_changes_the_view<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    assert!(cluster.view().topic("t").is_none());
    cluster.refresh(Topics::All);
    while cluster.with_view(|view| view.topic("t").is_none()) {
        sleep::<H>(Duration::from_millis(5)).await;
    }
    assert!(cluster.with_view(|view| view.leader("t", 0.into()).is_ok()));
}

async fn an_error_keeps_what_was_answered<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let request = ListOffsetsRequest::latest([("t", 0), ("t", 77), ("none", 0)]);
    let error = cluster.call(&request).await.expect_err("two partitions do not exist");
    let ClusterCallError::Partial { response, failed } = &error else { panic!("{error:?}") };
    response.partition("t", 0).expect("it was answered");
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|(_, failure)| matches!(failure.cause, Cause::NoLeader(_)) && failure.attempts == 0));
    assert_eq!(
        error.to_string(),
        "2 partitions have failed: t/77: the topic has no such partition: check the number (0 attempts, the request can safely \
         be sent again); none/0: no broker knows the topic: check its name, or create it (0 attempts, the request can safely be \
         sent again)"
    );
    assert_eq!(error.into_response().expect("a part").topics.iter().count(), 1);
}

async fn what_cannot_be_sent_is_refused_with_its_reason<H: On>() {
    let server = brokers();
    let cluster = connect::<H>(&server).await;
    let produce = |acks| ProduceRequest::new(acks, Millis(1000)).with("t", 0, MessageSet::of_value(b"v"));
    assert_eq!(
        refused::<H, _>(&cluster, &produce(Acks::NONE)).await,
        "a produce with acks = 0 is never answered: use a producer, or other acks"
    );
    let text = refused::<H, _>(&cluster, &ProduceRequest::new(Acks::ALL, Millis(-1))).await;
    assert!(text.starts_with("the request was refused before it was sent"), "{text}");
}

async fn a_call_that_nobody_answers_ends_at_its_deadline<H: On>() {
    let server = brokers();
    let cluster = Cluster::<H::Rt>::connect([server.bootstrap()], ends_early()).await.expect("they listen");
    assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let error = cluster.call(&all()).await.expect_err("nobody answers");
    assert_eq!((error.failed().len(), error.fate()), (6, Fate::NotApplied));
    assert!(error.to_string().starts_with("6 partitions have failed: t/0: "), "{error}");
    assert!(error.to_string().ends_with("; and 3 more"), "{error}");
}

async fn a_call_that_meets_no_metadata_says_so_and_who_was_asked<H: On>() {
    let server = brokers();
    let cluster = Cluster::<H::Rt>::connect([server.bootstrap()], ends_early()).await.expect("they listen");
    for node in NODES {
        server.with(|brokers, now| brokers.pause(node, now));
    }
    let text = refused::<H, _>(&cluster, &ListOffsetsRequest::latest([("t", 0)])).await;
    let asked = NODES.map(|node| server.address_of(node).expect("a broker").to_string());
    let says = |asked: &String| {
        text == format!(
            "1 partition has failed: t/0: no broker has answered before the deadline of the call where the partition is; \
             {asked} was asked last: look whether it answers (0 attempts, the request can safely be sent again)"
        )
    };
    assert!(asked.iter().any(says), "{text}");
}

async fn the_error_of_a_connection_has_the_words_of_the_system<H: On>() {
    let server = brokers();
    let cluster = Cluster::<H::Rt>::connect([server.bootstrap()], ends_early()).await.expect("they listen");
    server.add_rule(Rule::on(ApiKey::LIST_OFFSETS).reset_before());
    let text = refused::<H, _>(&cluster, &ListOffsetsRequest::latest([("t", 0)])).await;
    assert!(text.contains("the system says: Connection reset by peer (os error 104)"), "{text}");
}

on_each_runtime! {
    a_call_that_meets_no_metadata_says_so_and_who_was_asked,
    the_error_of_a_connection_has_the_words_of_the_system,
    one_call_asks_all_leaders,
    a_leader_that_moves_is_found_while_calls_go_on,
    a_leader_that_is_killed_is_replaced_while_calls_go_on,
    many_tasks_use_one_handle,
    a_produce_goes_to_each_leader_and_is_answered_with_its_offsets,
    a_request_can_be_sent_to_one_broker,
    a_refresh_changes_the_view,
    an_error_keeps_what_was_answered,
    what_cannot_be_sent_is_refused_with_its_reason,
    a_call_that_nobody_answers_ends_at_its_deadline,
}
