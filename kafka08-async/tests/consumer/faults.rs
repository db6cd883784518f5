//! Brokers that die, move and lie meanwhile, and partitions that cannot be read.

use std::{
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt as _,
    future::{Either, join, select},
};
use kafka08_async::{
    ConsumeError, Consumer, ConsumerEvent, CorruptPolicy, EndAt, FetchCause, StartAt,
    proto::ids::{NodeId, Offset},
};
use kafka08_broker::Server;

use crate::{
    rig::{TOPIC, assert_whole, assign_all, cluster, config, connect, fill, numbers, read_all, reader},
    runtimes::{On, sleep},
};

/// Reads so many messages, a set at a time.
async fn read<H: On>(consumer: &Consumer<H::Rt>, count: usize) -> Vec<(i32, u32)> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut messages = consumer.next().await.expect("no failure").expect("more will come");
        all.extend(numbers(&mut messages));
        sleep::<H>(Duration::from_millis(2)).await;
    }
    all
}

fn leader(server: &Server) -> NodeId {
    server.with(|cluster, _| cluster.leader(TOPIC, 0)).expect("it has a leader")
}

async fn reading_goes_on_when_a_leader_dies<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..1000).await;
    let small = config().with_partition_bytes(4096);
    let consumer = reader::<H>(&server, small, EndAt::Never).await;
    let kill = async {
        sleep::<H>(Duration::from_millis(20)).await;
        server.kill(leader(&server));
    };
    let (all, ()) = join(read::<H>(&consumer, 3000), kill).await;
    assert_whole(&all, &(0..1000));
}

async fn reading_follows_a_leader_that_moves<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..1000).await;
    let consumer = reader::<H>(&server, config().with_partition_bytes(4096), EndAt::Never).await;
    let moves = async {
        for _ in 0..4 {
            sleep::<H>(Duration::from_millis(20)).await;
            let to = NodeId(leader(&server).0 % 3 + 1);
            server.with(|cluster, now| cluster.move_leader(TOPIC, 0, to, now)).expect("the partition exists");
        }
    };
    let (all, ()) = join(read::<H>(&consumer, 3000), moves).await;
    assert_whole(&all, &(0..1000));
}

async fn a_partition_that_cannot_be_read_is_told_once_and_the_others_go_on<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = connect::<H>(&server, config()).await;
    assign_all(&consumer, &StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    consumer.assign(TOPIC, 1, StartAt::Offset(Offset(5000)), EndAt::Never).expect("a sound name");
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    loop {
        match consumer.next().await {
            Ok(Some(mut messages)) => all.extend(numbers(&mut messages)),
            Ok(None) => break,
            Err(error) => failures.push(error),
        }
    }
    assert_eq!(all.len(), 200);
    let [failure @ ConsumeError::Failed { partition, cause }] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(partition.partition.0, 1);
    assert!(matches!(**cause, FetchCause::Lost(_)), "{cause}");
    let text = failure.to_string();
    assert!(text.contains("events/1") && text.contains("5000") && text.contains("seek"), "{text}");
}

async fn a_stream_that_is_kept_and_not_polled_takes_nobodys_turn<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    consumer.assign(TOPIC, 1, StartAt::Earliest, EndAt::Never).expect("a sound name");
    let mut stream = consumer.messages();
    // As a time limit around `next` that has run out leaves it.
    assert!(pin!(stream.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let filled = async {
        sleep::<H>(Duration::from_millis(50)).await;
        fill::<H>(&server, 0..1).await;
    };
    let (taking, limit) = (pin!(consumer.next()), pin!(sleep::<H>(Duration::from_secs(20))));
    let (next, ()) = join(select(taking, limit), filled).await;
    assert!(matches!(next, Either::Left((Ok(Some(_)), _))), "it waits for a stream");
}

async fn what_has_come_of_a_partition_is_taken_before_its_failure<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = connect::<H>(&server, config().with_max_wait(Duration::from_millis(20))).await;
    consumer.assign(TOPIC, 1, StartAt::Earliest, EndAt::Never).expect("a sound name");
    while consumer.assignment_stats().undelivered == 0 {
        sleep::<H>(Duration::from_millis(1)).await;
    }
    // A code for which there is no remedy.
    server.add_rule("fetch partition=1: answer code=35".parse().expect("a rule"));
    sleep::<H>(Duration::from_millis(300)).await;
    assert_eq!(read::<H>(&consumer, 10).await.len(), 10);
    let next = consumer.next().await;
    assert!(matches!(next, Err(ConsumeError::Failed { .. })), "{next:?}");
}

async fn a_failure_that_nobody_was_told_of_is_forgotten_by_what_follows<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = connect::<H>(&server, config()).await;
    let fail = async || {
        consumer.assign(TOPIC, 1, StartAt::Offset(Offset(5000)), EndAt::HighWatermark).expect("a sound name");
        while !consumer.is_finished() {
            sleep::<H>(Duration::from_millis(1)).await;
        }
    };
    fail().await;
    assert!(consumer.seek(TOPIC, 1, StartAt::Earliest));
    assert_eq!(read::<H>(&consumer, 10).await.len(), 10);
    fail().await;
    consumer.assign(TOPIC, 1, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    assert_eq!(read::<H>(&consumer, 10).await.len(), 10);
    fail().await;
    assert!(consumer.unassign(TOPIC, 1));
    assert!(matches!(consumer.next().await, Ok(None)));
}

async fn what_is_said_of_a_partition_that_is_not_read_is_refused<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    assert!(!consumer.seek(TOPIC, 0, StartAt::Earliest));
    assert!(!consumer.pause(TOPIC, 0));
    assert!(!consumer.resume(TOPIC, 0));
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    assert!(consumer.seek(TOPIC, 0, StartAt::Earliest));
    // Also if it is paused already, or not at all.
    assert!(consumer.resume(TOPIC, 0));
    assert!(consumer.pause(TOPIC, 0));
    assert!(consumer.pause(TOPIC, 0));
}

async fn a_failure_is_told_before_the_end<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..1).await;
    let consumer = connect::<H>(&server, config()).await;
    for _ in 0..200 {
        consumer.assign(TOPIC, 1, StartAt::Offset(Offset(5000)), EndAt::Never).expect("a sound name");
        let other = consumer.clone();
        // It asks all the time, so that it sees each moment.
        let asking = std::thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            loop {
                if let Poll::Ready(next) = pin!(other.next()).poll(&mut cx) {
                    return next.map(drop);
                }
            }
        });
        while !asking.is_finished() {
            sleep::<H>(Duration::from_micros(200)).await;
        }
        let next = asking.join().expect("no panic");
        assert!(matches!(next, Err(ConsumeError::Failed { .. })), "{next:?}");
    }
}

async fn a_topic_that_does_not_exist_is_told_as_stalled<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config().with_stall_after(Duration::from_millis(300))).await;
    consumer.assign("missing", 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    let since = Instant::now();
    let Some(ConsumerEvent::Stalled { partition, cause, .. }) = consumer.next_event().await else {
        panic!("it is missing")
    };
    assert!(since.elapsed() >= Duration::from_millis(300));
    assert_eq!(partition.to_string(), "missing/0");
    assert!(cause.to_string().contains("no broker knows the topic: check its name"), "{cause}");
    assert!(server.snapshot().topics.iter().all(|topic| &*topic.topic == TOPIC), "reading creates none");
}

async fn a_damaged_message_stops_its_partition_or_is_left_out<H: On>() {
    for policy in [CorruptPolicy::Stop, CorruptPolicy::Skip] {
        let server = cluster();
        fill::<H>(&server, 0..10).await;
        server.add_rule("fetch partition=0: lie wrong-crc".parse().expect("a rule"));
        let consumer = connect::<H>(&server, config().with_corrupt(policy)).await;
        consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
        let read: Vec<_> = consumer.messages().collect().await;
        let errors: Vec<_> = read.iter().filter_map(|read| read.as_ref().err()).collect();
        let [ConsumeError::Corrupt { partition, error, behind }] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!((partition.to_string().as_str(), error.offset, *behind), ("events/0", Offset(0), Offset(1)));
        let rest = if policy == CorruptPolicy::Stop { 0 } else { 9 };
        assert_eq!(read.len(), 1 + rest, "{policy:?}");
        assert_eq!(consumer.halted_at(TOPIC, 0).is_some(), policy == CorruptPolicy::Stop);
        assert_eq!(consumer.assignment_stats().corrupt_entries, 1);
    }
}

async fn brokers_that_all_restart_cost_nothing<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    let first = consumer.next().await.expect("no failure").expect("a set");
    for node in 1..=3 {
        server.kill(NodeId(node));
    }
    sleep::<H>(Duration::from_millis(50)).await;
    for node in 1..=3 {
        server.start_again(NodeId(node));
    }
    let mut first = first;
    let mut all = numbers(&mut first);
    all.extend(read_all(&consumer).await);
    assert_whole(&all, &(0..100));
}

on_each_runtime! {
    a_failure_is_told_before_the_end,
    what_has_come_of_a_partition_is_taken_before_its_failure,
    a_stream_that_is_kept_and_not_polled_takes_nobodys_turn,
    a_failure_that_nobody_was_told_of_is_forgotten_by_what_follows,
    what_is_said_of_a_partition_that_is_not_read_is_refused,
    reading_goes_on_when_a_leader_dies,
    reading_follows_a_leader_that_moves,
    a_partition_that_cannot_be_read_is_told_once_and_the_others_go_on,
    a_topic_that_does_not_exist_is_told_as_stalled,
    a_damaged_message_stops_its_partition_or_is_left_out,
    brokers_that_all_restart_cost_nothing,
}
