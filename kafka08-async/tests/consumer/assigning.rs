//! What is read changes meanwhile.

use std::time::{Duration, Instant};

use futures_util::future::join;
use kafka08_async::{
    AssignError, ConsumerEvent, EndAt, StartAt,
    proto::ids::{Offset, PartitionId, TopicPartition},
};

use crate::{
    rig::{LONG, TOPIC, assert_whole, cluster, config, connect, fill, numbers, read_all, reader},
    runtimes::{On, sleep},
};

async fn a_seek_takes_effect_at_once<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = connect::<H>(&server, config().with_partition_bytes(4096)).await;
    consumer.assign(TOPIC, 2, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    let mut old = consumer.next().await.expect("no failure").expect("a set");
    assert_eq!(consumer.position(TOPIC, 2), Some(old.high_watermark().min(Offset(100))));
    consumer.seek(TOPIC, 2, StartAt::Offset(Offset(90)));
    assert_eq!(consumer.lag(TOPIC, 2), None, "it is not known yet");
    // What is held from before is not committed.
    numbers(&mut old);
    assert_eq!(consumer.committable(), []);
    let read = read_all(&consumer).await;
    assert_eq!(read, (90..100).map(|number| (2, number)).collect::<Vec<_>>());
    assert_eq!(consumer.committable(), [(TopicPartition::new(TOPIC, 2), Offset(100))]);
    assert_eq!(consumer.lag(TOPIC, 2), Some(0));
}

async fn nothing_comes_of_a_paused_partition<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    consumer.pause(TOPIC, 0);
    let mut all = Vec::new();
    while all.len() < 200 {
        let mut messages = consumer.next().await.expect("no failure").expect("more will come");
        all.extend(numbers(&mut messages));
    }
    assert!(all.iter().all(|(partition, _)| *partition != 0));
    assert!(H::timeout(Duration::from_millis(100), consumer.next()).await.is_none(), "it is paused");
    assert_eq!(consumer.assignment_stats().paused, 1);
    consumer.resume(TOPIC, 0);
    all.extend(read_all(&consumer).await);
    assert_whole(&all, &(0..100));
}

async fn who_waits_learns_that_nothing_is_left<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    let change = async {
        sleep::<H>(Duration::from_millis(50)).await;
        assert!(consumer.unassign(TOPIC, 0));
        assert!(!consumer.unassign(TOPIC, 0), "it is not read any more");
    };
    let (next, ()) = join(consumer.next(), change).await;
    assert!(next.expect("no failure").is_none());
    assert!(consumer.partitions().is_empty());
}

async fn starts_and_ends_are_told<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = connect::<H>(&server, config()).await;
    let of = TopicPartition::new(TOPIC, 0);
    consumer.assign(TOPIC, 0, StartAt::Offset(Offset(3)), EndAt::Offset(Offset(7))).expect("a sound name");
    assert_eq!(read_all(&consumer).await, (3..7).map(|number| (0, number)).collect::<Vec<_>>());
    let started = consumer.next_event().await;
    assert_eq!(started, Some(ConsumerEvent::Started { partition: of.clone(), at: Offset(3) }));
    let ended = consumer.next_event().await;
    assert_eq!(ended, Some(ConsumerEvent::Ended { partition: of, at: Offset(7), expected: Offset(7) }));
    assert_eq!(consumer.try_next_event(), None);
    // Who waits for an event learns of the end.
    let close = async {
        sleep::<H>(Duration::from_millis(50)).await;
        consumer.close(LONG).await.expect("it ends in time");
    };
    let (event, ()) = join(consumer.next_event(), close).await;
    assert_eq!(event, None);
}

async fn a_name_that_no_broker_accepts_is_refused<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    let error = consumer.assign("a/b", 0, StartAt::Earliest, EndAt::Never).expect_err("it has a slash");
    assert!(matches!(error, AssignError::Name { .. }) && error.to_string().contains("a/b"), "{error}");
    consumer.close(LONG).await.expect("it ends in time");
    let error = consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect_err("it is closed");
    assert_eq!(error, AssignError::Closed);
}

async fn a_topic_is_read_whole_once_its_partitions_are_known<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..50).await;
    let consumer = connect::<H>(&server, config()).await;
    let mut partitions =
        consumer.assign_topic(TOPIC, StartAt::Earliest, EndAt::HighWatermark).await.expect("it exists");
    partitions.sort_unstable();
    assert_eq!(partitions, [PartitionId(0), PartitionId(1), PartitionId(2)]);
    assert_whole(&read_all(&consumer).await, &(0..50));
    consumer.unassign_topic(TOPIC);
    assert!(consumer.partitions().is_empty());
}

async fn a_topic_that_does_not_exist_is_named_and_not_created<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    let since = Instant::now();
    let error = consumer.assign_topic("missing", StartAt::Earliest, EndAt::Never).await.expect_err("it is missing");
    assert!(since.elapsed() >= Duration::from_secs(5));
    let text = error.to_string();
    assert!(text.contains("\"missing\"") && text.contains("no broker knows the topic: check its name"), "{text}");
    assert!(server.snapshot().topics.iter().all(|topic| &*topic.topic == TOPIC), "reading creates none");
    assert!(consumer.next().await.expect("no failure").is_none(), "it is not assigned");
}

async fn who_waits_for_a_topic_learns_of_the_close<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    let close = async {
        sleep::<H>(Duration::from_millis(50)).await;
        consumer.close(LONG).await.expect("it ends in time");
    };
    let waits = consumer.assign_topic("missing", StartAt::Earliest, EndAt::Never);
    let (assigned, ()) = join(waits, close).await;
    assert_eq!(assigned, Err(AssignError::Closed));
}

async fn who_waits_for_a_topic_learns_that_another_caller_counts<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    let unassign = async {
        sleep::<H>(Duration::from_millis(50)).await;
        consumer.unassign_topic("missing");
    };
    let waits = consumer.assign_topic("missing", StartAt::Earliest, EndAt::Never);
    let (assigned, ()) = join(waits, unassign).await;
    let error = assigned.expect_err("it is not wanted any more");
    assert!(matches!(error, AssignError::Replaced { .. }) && error.to_string().contains("missing"), "{error}");
    let again = async {
        sleep::<H>(Duration::from_millis(50)).await;
        consumer.assign_topic("missing", StartAt::Latest, EndAt::Never).await
    };
    let waits = consumer.assign_topic("missing", StartAt::Earliest, EndAt::Never);
    let (first, second) = join(waits, again).await;
    assert!(matches!(first, Err(AssignError::Replaced { .. })), "{first:?}");
    assert!(matches!(second, Err(AssignError::NoTopic { .. })), "{second:?}");
}

async fn brokers_that_are_silent_do_not_deny_a_topic<H: On>() {
    let server = cluster();
    let consumer = connect::<H>(&server, config()).await;
    let pause = |is_paused: bool| {
        server.with(|cluster, now| {
            for node in [1, 2, 3] {
                if is_paused { cluster.pause(node.into(), now) } else { cluster.resume(node.into(), now) }
            }
        });
    };
    pause(true);
    let resume = async {
        sleep::<H>(Duration::from_millis(6500)).await;
        pause(false);
    };
    let waits = consumer.assign_topic(TOPIC, StartAt::Earliest, EndAt::HighWatermark);
    let (assigned, ()) = join(waits, resume).await;
    assert_eq!(assigned.expect("it exists").len(), 3);
}

on_each_runtime! {
    who_waits_for_a_topic_learns_that_another_caller_counts,
    brokers_that_are_silent_do_not_deny_a_topic,
    a_topic_is_read_whole_once_its_partitions_are_known,
    a_topic_that_does_not_exist_is_named_and_not_created,
    who_waits_for_a_topic_learns_of_the_close,
    a_seek_takes_effect_at_once,
    nothing_comes_of_a_paused_partition,
    who_waits_learns_that_nothing_is_left,
    starts_and_ends_are_told,
    a_name_that_no_broker_accepts_is_refused,
}
