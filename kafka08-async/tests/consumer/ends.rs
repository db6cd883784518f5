//! Closing, dropping, and tasks that are gone.

use std::time::Duration;

use futures_util::{
    StreamExt as _,
    future::{join, join4},
};
use kafka08_async::{
    BootstrapError, CommitCause, CommitError, ConsumeError, Consumer, EndAt, OffsetStore, StartAt,
    kafka08_client::error::Cause,
};

use crate::{
    cut::{Cut, abort_all},
    rig::{GROUP, LONG, TOPIC, brokers, cluster, config, connect, fill, numbers, reader, wait_until_left},
    runtimes::{On, sleep},
};

/// Why the first partition of a commit has failed.
fn cause(error: &CommitError) -> Option<&CommitCause> {
    error.failed.first().map(|(_, cause)| cause)
}

async fn closing_ends_what_waits<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = reader::<H>(&server, config(), EndAt::Never).await;
    let mut held = consumer.next().await.expect("no failure").expect("a set");
    let other = consumer.clone();
    let wait = async {
        while let Some(mut messages) = other.next().await.expect("no failure") {
            numbers(&mut messages);
        }
    };
    let close = async {
        sleep::<H>(Duration::from_millis(50)).await;
        consumer.close(LONG).await.expect("it ends in time");
    };
    join(wait, close).await;
    assert!(consumer.is_closed() && consumer.next().await.expect("no failure").is_none());
    wait_until_left::<H>(&server).await;
    // What is held can still be read, and its commit fails.
    assert_eq!(numbers(&mut held).len(), 10);
    let error = consumer.commit(GROUP, OffsetStore::Kafka).await.expect_err("it is closed");
    assert_eq!(cause(&error), Some(&CommitCause::Attempt(Cause::Closed)), "{error}");
    consumer.close(LONG).await.expect("it ends in time");
}

async fn dropping_the_last_handle_closes_all_connections<H: On>() {
    let server = cluster();
    let consumer = reader::<H>(&server, config(), EndAt::Never).await;
    let stream = consumer.messages();
    sleep::<H>(Duration::from_millis(100)).await;
    drop(consumer);
    sleep::<H>(Duration::from_millis(50)).await;
    assert!(server.with(|cluster, _| cluster.connections()) > 0, "the stream is a handle");
    drop(stream);
    wait_until_left::<H>(&server).await;
}

async fn everything_that_waits_ends_when_the_task_is_aborted<H: On + Send + Sync>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = Consumer::<Cut<H>>::connect(brokers(&server), config()).await.expect("it answers");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    assert_eq!(numbers(&mut messages).len(), 10);
    while consumer.try_next_event().is_some() {}
    server.with(|cluster, now| {
        for node in [1, 2, 3] {
            cluster.pause(node.into(), now);
        }
    });
    let abort = async {
        sleep::<H>(Duration::from_millis(100)).await;
        abort_all();
    };
    let commit = consumer.commit(GROUP, OffsetStore::Kafka);
    let (next, event, committed, ()) = join4(consumer.next(), consumer.next_event(), commit, abort).await;
    assert_eq!(next.map(drop), Err(ConsumeError::Ended));
    assert_eq!(event, None);
    let error = committed.expect_err("no broker answers");
    assert_eq!(error.failed.len(), 1, "{error}");
    assert!(consumer.is_closed());
    // A stream tells it once, so that a loop over it ends.
    let rest: Vec<_> = consumer.messages().collect().await;
    assert_eq!(rest, [Err(ConsumeError::Ended)]);
    consumer.close(LONG).await.expect("nothing was to be committed");
    let error = consumer.commit(GROUP, OffsetStore::Kafka).await.expect_err("nobody sends it");
    assert_eq!(cause(&error), Some(&CommitCause::Attempt(Cause::Abandoned)), "{error}");
}

async fn a_last_commit_that_an_aborted_task_has_not_made_is_told<H: On + Send + Sync>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let config = config().with_interval_commit(GROUP, OffsetStore::Kafka, LONG);
    let consumer = Consumer::<Cut<H>>::connect(brokers(&server), config).await.expect("it answers");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    assert_eq!(numbers(&mut messages).len(), 10);
    abort_all();
    assert_eq!(consumer.next().await.map(drop), Err(ConsumeError::Ended));
    let error = consumer.close(LONG).await.expect_err("nobody has committed");
    assert_eq!(cause(&error), Some(&CommitCause::Attempt(Cause::Abandoned)), "{error}");
}

async fn a_close_without_time_says_what_it_may_not_have_committed<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    server.add_rule("offset-commit: delay by=5s".parse().expect("a rule"));
    let config = config().with_interval_commit(GROUP, OffsetStore::Kafka, LONG);
    let consumer = reader::<H>(&server, config, EndAt::Never).await;
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    assert_eq!(numbers(&mut messages).len(), 10);
    let error = consumer.close(Duration::ZERO).await.expect_err("there was no time");
    assert_eq!(cause(&error), Some(&CommitCause::Attempt(Cause::Closed)), "{error}");
}

async fn brokers_that_cannot_be_reached_are_named<H: On>() {
    // Nobody listens at a port of the system.
    let closed = "127.0.0.1:1";
    let error = Consumer::<H::Rt>::connect([closed], config()).await.expect_err("nobody listens");
    assert!(matches!(error, BootstrapError::Unreachable(_)) && error.to_string().contains(closed), "{error}");
    let error = Consumer::<H::Rt>::connect(["broker1"], config()).await.expect_err("no port");
    assert!(error.to_string().contains("broker1"), "{error}");
}

async fn with_nothing_assigned_nothing_will_come<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    assert!(consumer.next().await.expect("no failure").is_none());
    // Nothing has passed, so nothing is sent.
    consumer.commit(GROUP, OffsetStore::Kafka).await.expect("there is nothing to store");
}

on_each_runtime! {
    closing_ends_what_waits,
    dropping_the_last_handle_closes_all_connections,
    everything_that_waits_ends_when_the_task_is_aborted,
    a_last_commit_that_an_aborted_task_has_not_made_is_told,
    a_close_without_time_says_what_it_may_not_have_committed,
    brokers_that_cannot_be_reached_are_named,
    with_nothing_assigned_nothing_will_come,
}
